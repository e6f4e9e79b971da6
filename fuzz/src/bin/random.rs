//! The targets without coverage, for where libFuzzer can't be built: the corpus, and random changes to it, for a while.
//!
//! `random <seconds a target>`, in the folder of this crate.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use tower_reauth_fuzz::{challenge, fault, recording};

/// As long as libFuzzer's inputs are by default.
const MAX_LENGTH: usize = 4096;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 3] =
    [("challenge", challenge::check), ("fault", fault::check), ("recording", recording::check)];

fn main() {
    let seconds = env::args().nth(1).and_then(|seconds| seconds.parse().ok()).expect("how many seconds a target");
    for (name, check) in TARGETS {
        let entries = fs::read_dir(format!("corpus/{name}")).expect("the corpus");
        let corpus: Vec<_> = entries.map(|entry| fs::read(entry.expect("an entry").path()).expect("a file")).collect();
        corpus.iter().for_each(|input| check(input));
        let seed = fastrand::u64(..);
        println!("{name}: {} files, then random inputs from seed {seed}", corpus.len());
        fastrand::seed(seed);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut count = 0;
        while Instant::now() < end {
            check(&changed(&corpus));
            count += 1;
        }
        println!("{name}: {count} inputs");
    }
}

/// A file of the corpus, changed in some places.
fn changed(corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = fastrand::choice(corpus).cloned().unwrap_or_default();
    for _ in 0..fastrand::usize(0..8) {
        let at = fastrand::usize(..=input.len());
        let length = fastrand::usize(..=16).min(input.len() - at);
        match fastrand::u8(..4) {
            0 => input.insert(at, fastrand::u8(..)),
            1 => drop(input.drain(at..at + length)),
            2 => {
                let other = fastrand::choice(corpus).cloned().unwrap_or_default();
                let from = fastrand::usize(..=other.len());
                let length = length.min(other.len() - from);
                input.splice(at..at, other[from..from + length].iter().copied());
            }
            _ => input[at..at + length].fill_with(|| fastrand::u8(..)),
        }
    }
    input.truncate(MAX_LENGTH);
    input
}
