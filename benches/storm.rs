//! 10,000 calls meet one revoked token: `cargo bench --bench storm`.
//!
//! The ideal is measured in the same run: as many tasks that send nothing and merely sleep as long as the calls have to
//! wait, for the resource's two answers and for the renewal between them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, Reauth, ReauthLayer, Session, TokenSet, grant_fn};
use tower_reauth_benches::{Fixture, Payload};

const CALLS: u64 = 10_000;
const RENEWAL: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_millis(100);
/// How much longer a late rejection takes: it comes when the renewal is long over.
const LATE: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq)]
enum Storm {
    /// Everybody is rejected at the same time.
    Plain,
    /// Half of the rejections arrive after the renewal.
    Late,
    /// Half of the callers give up while the renewal is under way.
    GivenUp,
}

/// Which token the server takes, and what it was asked.
#[derive(Default)]
struct Server {
    good: AtomicU64,
    token_requests: AtomicU64,
    sent: AtomicU64,
    // Whoever is rejected with an even number is told so late.
    late: bool,
}

#[derive(Clone)]
struct Resource(Arc<Server>);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    for storm in [Storm::Plain, Storm::Late, Storm::GivenUp] {
        runtime.block_on(run(storm));
    }
}

async fn run(storm: Storm) {
    let server = Arc::new(Server { late: storm == Storm::Late, ..Server::default() });
    let session = session(server.clone());
    session.token().await.expect("the server gives tokens");
    let origins = Origins::only("https://api.example").expect("a valid origin");
    let api = ReauthLayer::new(session, origins).layer(Resource(server.clone()));

    let ideal = sleepers(storm).await;
    // The other device fetches a token: the one that the session holds is dead.
    server.good.fetch_add(1, Ordering::SeqCst);
    server.token_requests.store(0, Ordering::SeqCst);
    let (wall, outcomes) = callers(storm, api).await;

    let name = match storm {
        Storm::Plain => "plain",
        Storm::Late => "late rejections",
        Storm::GivenUp => "half give up",
    };
    println!(
        "{name:16} token requests {}, sends {}, outcomes {outcomes:?}, wall {:.0} ms, sleepers {:.0} ms, ratio {:.3}",
        server.token_requests.load(Ordering::SeqCst),
        server.sent.load(Ordering::SeqCst),
        wall.as_secs_f64() * 1e3,
        ideal.as_secs_f64() * 1e3,
        wall.as_secs_f64() / ideal.as_secs_f64(),
    );
}

fn gives_up(storm: Storm, index: u64) -> bool {
    storm == Storm::GivenUp && index.is_multiple_of(2)
}

async fn callers(storm: Storm, api: Reauth<Resource>) -> (Duration, BTreeMap<String, u32>) {
    let fixture = Fixture { headers: 8, owned: true };
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for index in 0..CALLS {
        let call = api.clone().oneshot(fixture.request::<Payload>());
        calls.spawn(async move {
            let outcome = if gives_up(storm, index) {
                let Ok(outcome) = tokio::time::timeout(PATIENCE, call).await else { return "gave up".to_owned() };
                outcome
            } else {
                call.await
            };
            outcome.map_or_else(|error| error.to_string(), |response| response.status().as_u16().to_string())
        });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(outcome) = calls.join_next().await {
        *outcomes.entry(outcome.expect("no call panics")).or_default() += 1;
    }
    (began.elapsed(), outcomes)
}

/// The same waiting, and nothing else.
async fn sleepers(storm: Storm) -> Duration {
    let began = Instant::now();
    let mut sleepers = JoinSet::new();
    for index in 0..CALLS {
        sleepers.spawn(async move {
            if gives_up(storm, index) {
                return tokio::time::sleep(PATIENCE).await;
            }
            let late = storm == Storm::Late && index.is_multiple_of(2);
            tokio::time::sleep(if late { ANSWER + LATE } else { ANSWER }).await;
            if !late {
                tokio::time::sleep(RENEWAL).await;
            }
            tokio::time::sleep(ANSWER).await;
        });
    }
    while sleepers.join_next().await.is_some() {}
    began.elapsed()
}

fn session(server: Arc<Server>) -> Session {
    Session::new(grant_fn(move |_context| {
        let server = server.clone();
        async move {
            server.token_requests.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(RENEWAL).await;
            TokenSet::new(format!("token-{}", server.good.load(Ordering::SeqCst)))
        }
    }))
}

impl Service<Request<Payload>> for Resource {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        let number = self.0.sent.fetch_add(1, Ordering::SeqCst);
        let good = format!("Bearer token-{}", self.0.good.load(Ordering::SeqCst));
        let is_good = request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes() == good.as_bytes());
        let late = self.0.late && number.is_multiple_of(2) && !is_good;
        Box::pin(async move {
            tokio::time::sleep(if late { ANSWER + LATE } else { ANSWER }).await;
            let mut response = Response::new(Payload::default());
            if !is_good {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok(response)
        })
    }
}
