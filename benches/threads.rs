//! How calls of one session scale over two threads, and how large their futures are: `cargo bench --bench threads`.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::Ready,
    sync::Barrier,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, Service};
use tower_reauth::{Origins, ReauthLayer};
use tower_reauth_benches::{
    Answer, Credentials, Fixture, Kind, Payload, Probe, answer,
    figures::{Figures, keep},
    session, targets,
};

const CALLS: u32 = 200_000;
const ROUNDS: usize = 7;
const FIXTURE: Fixture = Fixture::new(8, false);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let credentials = runtime.block_on(Credentials::new(38));
    let client = Client::builder(TokioExecutor::new()).build_http::<Payload>();
    let session = runtime.block_on(session(38));
    let layer = ReauthLayer::new(session, Origins::only("https://api.example").expect("a valid origin"));
    let mut figures = Figures::new();

    println!("two threads against one: how many times the calls (best of {ROUNDS} rounds); 2 is ideal");
    for service in ["reused", "cloned"] {
        for kind in Kind::ALL {
            kind.probe(&credentials, &mut Scaling { service, figures: &mut figures });
        }
    }
    let mut scaling = Scaling { service: "hyper-util's client cloned", figures: &mut figures };
    let request = Fixture::request::<Payload>;
    scaling.measure("bare", &Carrying(client.clone()), request);
    scaling.measure("reauth", &layer.layer(Carrying(client.clone())), request);

    let bare = size_of_val(&client.clone().call(FIXTURE.request()));
    let ours = size_of_val(&layer.layer(client).call(FIXTURE.request()));
    println!("\nfuture over hyper-util's client: {ours} bytes, its own {bare}");
    figures.insert("future: bytes beyond".to_owned(), (ours - bare) as f64);
    targets::print(&figures);
    keep(&figures);
}

struct Scaling<'a> {
    /// Whether the service is cloned for each call, and what with.
    service: &'static str,
    figures: &'a mut Figures,
}

/// Answers at once, and is as dear to clone as hyper-util's client.
#[derive(Clone)]
struct Carrying(Client<HttpConnector, Payload>);

impl Probe for Scaling<'_> {
    fn run<S, R>(&mut self, kind: Kind, service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send + 'static,
        S::Error: Debug,
        R: 'static,
    {
        self.measure(kind.name(), &service, request);
    }
}

impl Scaling<'_> {
    fn measure<S, R>(&mut self, name: &str, service: &S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send,
        S::Error: Debug,
    {
        let [mut one, mut two] = [Duration::MAX; 2];
        // In turns, so that what else the machine does hits both.
        for _ in 0..ROUNDS {
            one = one.min(self.round(service, request, 1));
            two = two.min(self.round(service, request, 2));
        }
        let times = 2.0 * one.as_secs_f64() / two.as_secs_f64();
        let nanoseconds = one.as_secs_f64() * 1e9 / f64::from(CALLS);
        println!("{name:18} {:27}  {times:.2}   ({nanoseconds:.0} ns a call on one thread)", self.service);
        self.figures.insert(format!("{name}: two threads, {}", self.service), times);
    }

    /// How long it takes until each thread has made its calls, making the requests included.
    fn round<S, R>(&self, service: &S, request: fn(Fixture) -> R, threads: usize) -> Duration
    where
        S: Service<R> + Clone + Send,
        S::Error: Debug,
    {
        let start = Barrier::new(threads + 1);
        let cloned = self.service != "reused";
        thread::scope(|scope| {
            for _ in 0..threads {
                let (mut service, start) = (service.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..CALLS {
                        let request = request(FIXTURE);
                        if cloned {
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

impl Service<Request<Payload>> for Carrying {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Payload>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        Answer.call(request)
    }
}
