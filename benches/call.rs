//! The time of a call with a good token: `cargo bench --bench call`.
//!
//! Times depend on the machine and on what else it does: only those of one run can be compared, and a gate can't rest on
//! them (`cost.rs` has what it can rest on). All kinds therefore take turns, many times over, and each round says how many times
//! as long as its bare calls the others took. What is written is the median and the quartiles of the rounds.
//!
//! - `-- --json <file>` also writes the figures to a file.
//! - `-- --rounds <number>` takes another number of rounds.

use std::{
    fmt::Debug,
    hint::black_box,
    time::{Duration, Instant},
};

use tower::Service;
use tower_reauth_benches::{
    Credentials, Fixture, Kind, Probe, answer,
    figures::{Figures, Spread, argument, keep},
};

const TOKEN_SIZE: usize = 38;
const ROUNDS: usize = 401;
/// In a row, so that looking at the clock is nothing beside them, and their requests still lie in the nearest cache.
const CALLS: u32 = 64;

/// Makes some calls, and says how long they took.
type Stopwatch = Box<dyn FnMut() -> Duration>;

/// Collects the kinds, to have them take turns afterwards.
struct Contest {
    fixture: Fixture,
    cloned: bool,
    stopwatches: Vec<(Kind, Stopwatch)>,
}

fn main() {
    let rounds = argument("--rounds").map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let credentials = runtime.block_on(Credentials::new(TOKEN_SIZE));
    let mut figures = Figures::new();
    for cloned in [false, true] {
        for fixture in Fixture::ALL {
            let mut contest = Contest { fixture, cloned, stopwatches: Vec::new() };
            for kind in Kind::ALL {
                kind.probe(&credentials, &mut contest);
            }
            contest.run(rounds, &mut figures);
        }
    }
    figures.insert("call: rounds".to_owned(), rounds as f64);
    keep(&figures);
}

impl Contest {
    fn run(mut self, rounds: usize, figures: &mut Figures) {
        let service = if self.cloned { "cloned" } else { "reused" };
        println!("\n{}, service {service}: ns a call, and against the bare calls of the round", self.fixture);
        let mut times = vec![Vec::with_capacity(rounds); self.stopwatches.len()];
        // The first round fills caches and pools.
        for round in 0..=rounds {
            for turn in 0..times.len() {
                // Nobody always follows the same one.
                let index = (round + turn) % times.len();
                let nanoseconds = self.stopwatches[index].1().as_secs_f64() * 1e9 / f64::from(CALLS);
                if round > 0 {
                    times[index].push(nanoseconds);
                }
            }
        }
        let bare = self.stopwatches.iter().position(|(kind, _)| *kind == Kind::Bare).expect("one of them is bare");
        for ((kind, _), ours) in self.stopwatches.iter().zip(&times) {
            let time = Spread::of(ours.iter().copied());
            let ratio = Spread::of(ours.iter().zip(&times[bare]).map(|(ours, bare)| ours / bare));
            println!("{:18} {time:22.0} {ratio:.2}", kind.name());
            let name = format!("{}: {}, {service}", kind.name(), self.fixture);
            time.keep(figures, &format!("{name}: ns a call"));
            ratio.keep(figures, &format!("{name}: time against bare"));
        }
    }
}

impl Probe for Contest {
    fn run<S, R>(&mut self, kind: Kind, mut service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send + 'static,
        S::Error: Debug,
        R: 'static,
    {
        let Self { fixture, cloned, .. } = *self;
        let stopwatch = move || {
            let requests: Vec<R> = (0..CALLS).map(|_| request(fixture)).collect();
            let began = Instant::now();
            for request in requests {
                let response =
                    if cloned { answer(&mut service.clone(), request) } else { answer(&mut service, request) };
                drop(black_box(response));
            }
            began.elapsed()
        };
        self.stopwatches.push((kind, Box::new(stopwatch)));
    }
}
