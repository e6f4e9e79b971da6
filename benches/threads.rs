//! How calls of one session scale over two threads, and how large their futures are: `cargo bench --bench threads`.

use std::{
    fmt::Debug,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, Service};
use tower_reauth::{Origins, ReauthLayer};
use tower_reauth_benches::{Credentials, Fixture, Kind, Payload, Probe, answer, session};

const CALLS: u32 = 200_000;
const ROUNDS: usize = 7;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let credentials = runtime.block_on(Credentials::new(38));

    println!("two threads against one: how many times the calls (best of {ROUNDS} rounds); 2 is ideal");
    for cloned in [false, true] {
        for kind in Kind::ALL {
            kind.probe(&credentials, &mut Scaling { cloned });
        }
    }

    let session = runtime.block_on(session(38));
    let client = Client::builder(TokioExecutor::new()).build_http::<Payload>();
    let layer = ReauthLayer::new(session, Origins::only("https://api.example").expect("a valid origin"));
    let request = || Fixture::ALL[0].request::<Payload>();
    let bare = size_of_val(&client.clone().call(request()));
    let ours = size_of_val(&layer.layer(client).call(request()));
    println!("\nfuture over hyper-util's client: {ours} bytes, {} more than its own {bare} (target: 160)", ours - bare);
}

struct Scaling {
    cloned: bool,
}

impl Probe for Scaling {
    fn run<S, R>(&mut self, kind: Kind, service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send,
        S::Error: Debug,
    {
        let best =
            |threads| (0..ROUNDS).map(|_| self.round(&service, request, threads)).min().expect("at least one round");
        let (one, two) = (best(1), best(2));
        println!(
            "{:18} {:7}  {:.2}   ({:.0} ns a call on one thread)",
            kind.name(),
            if self.cloned { "cloned" } else { "reused" },
            2.0 * one.as_secs_f64() / two.as_secs_f64(),
            one.as_secs_f64() * 1e9 / f64::from(CALLS),
        );
    }
}

impl Scaling {
    /// How long it takes until each thread has made its calls, making the requests included.
    fn round<S, R>(&self, service: &S, request: fn(Fixture) -> R, threads: usize) -> Duration
    where
        S: Service<R> + Clone + Send,
        S::Error: Debug,
    {
        let fixture = Fixture { headers: 8, owned: false };
        let start = Barrier::new(threads + 1);
        thread::scope(|scope| {
            for _ in 0..threads {
                let (mut service, start) = (service.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..CALLS {
                        let request = request(fixture);
                        if self.cloned {
                            answer(&mut service.clone(), request)
                        } else {
                            answer(&mut service, request)
                        };
                    }
                    start.wait();
                });
            }
            start.wait();
            let began = Instant::now();
            start.wait();
            began.elapsed()
        })
    }
}
