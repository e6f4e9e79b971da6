//! Many calls meet one revoked token: `cargo bench --bench storm`.
//!
//! The ideal is measured in the same run: as many tasks that send nothing and merely sleep as long as the calls have to
//! wait, for the resource's two answers and for the renewal between them. So are calls without the layer that know when
//! they have to be repeated: what the requests themselves cost, which sleepers don't make. The median of some rounds is
//! told, and the most token requests and calls without a 200 that any of them had.

use std::{
    convert::Infallible,
    fmt,
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
use tower_reauth_benches::{
    Fixture, Payload,
    figures::{Figures, Spread, keep},
    targets,
};

const CALLS: [u64; 2] = [10_000, 100_000];
const ROUNDS: usize = 5;
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

/// What came of one storm.
struct Outcome {
    token_requests: u64,
    /// How many of those that stayed did not get a 200.
    not_200: u64,
    wall: Duration,
    sleepers: Duration,
    bare: Duration,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    let mut figures = Figures::new();
    for calls in CALLS {
        for storm in [Storm::Plain, Storm::Late, Storm::GivenUp] {
            let outcomes: Vec<Outcome> = (0..ROUNDS).map(|_| runtime.block_on(run(storm, calls))).collect();
            let milliseconds = |of: fn(&Outcome) -> Duration| {
                Spread::of(outcomes.iter().map(|outcome| of(outcome).as_secs_f64() * 1e3))
            };
            let most = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).max().expect("at least one round") as f64;
            let wall = milliseconds(|outcome| outcome.wall);
            let (sleepers, bare) = (milliseconds(|outcome| outcome.sleepers), milliseconds(|outcome| outcome.bare));
            let (requests, not_200) = (most(|outcome| outcome.token_requests), most(|outcome| outcome.not_200));
            println!(
                "{calls:6} calls, {storm:15}: token requests {requests}, not 200: {not_200}, {wall:.0} ms, bare {bare:.0} ms, sleepers {sleepers:.0} ms"
            );
            let figure = |what: &str| format!("storm of {calls}, {storm}: {what}");
            figures.insert(figure("token requests"), requests);
            figures.insert(figure("not 200"), not_200);
            wall.keep(&mut figures, &figure("ms"));
            sleepers.keep(&mut figures, &figure("ms of sleepers"));
            bare.keep(&mut figures, &figure("ms of bare calls"));
            let ratio = |outcome: &Outcome| outcome.wall.as_secs_f64() / outcome.sleepers.as_secs_f64();
            Spread::of(outcomes.iter().map(ratio)).keep(&mut figures, &figure("time against sleepers"));
            let ratio = |outcome: &Outcome| outcome.wall.as_secs_f64() / outcome.bare.as_secs_f64();
            Spread::of(outcomes.iter().map(ratio)).keep(&mut figures, &figure("time against bare calls"));
        }
    }
    targets::print(&figures);
    keep(&figures);
}

async fn run(storm: Storm, calls: u64) -> Outcome {
    let server = Arc::new(Server { late: storm == Storm::Late, ..Server::default() });
    let session = session(server.clone());
    session.token().await.expect("the server gives tokens");
    let origins = Origins::only("https://api.example").expect("a valid origin");
    let api = ReauthLayer::new(session, origins).layer(Resource(server.clone()));

    let sleepers = sleep(storm, calls, None).await;
    let bare = sleep(storm, calls, Some(Resource(Arc::default()))).await;
    // The other device fetches a token: the one that the session holds is dead.
    server.good.fetch_add(1, Ordering::SeqCst);
    server.token_requests.store(0, Ordering::SeqCst);
    let (wall, not_200) = call(storm, calls, api).await;
    Outcome { token_requests: server.token_requests.load(Ordering::SeqCst), not_200, wall, sleepers, bare }
}

fn gives_up(storm: Storm, index: u64) -> bool {
    storm == Storm::GivenUp && index.is_multiple_of(2)
}

/// Returns how long it took, and how many of those that stayed did not get a 200.
async fn call(storm: Storm, calls: u64, api: Reauth<Resource>) -> (Duration, u64) {
    let fixture = Fixture::new(8, true);
    crowd(storm, calls, move |_| {
        let api = api.clone();
        async move {
            let outcome = api.oneshot(fixture.request::<Payload>()).await;
            outcome.is_ok_and(|response| response.status() == StatusCode::OK)
        }
    })
    .await
}

/// The same waiting, and nothing else, or with the requests that belong to it.
async fn sleep(storm: Storm, calls: u64, resource: Option<Resource>) -> Duration {
    let fixture = Fixture::new(8, true);
    let call = move |index: u64| {
        let resource = resource.clone();
        let late = storm == Storm::Late && index.is_multiple_of(2);
        async move {
            let answer = async |late: bool| match resource.clone() {
                Some(resource) => {
                    tokio::time::sleep(if late { LATE } else { Duration::ZERO }).await;
                    drop(resource.oneshot(fixture.request()).await);
                }
                None => tokio::time::sleep(if late { ANSWER + LATE } else { ANSWER }).await,
            };
            answer(late).await;
            if !late {
                tokio::time::sleep(RENEWAL).await;
            }
            answer(false).await;
            true
        }
    };
    crowd(storm, calls, call).await.0
}

/// So many tasks with a call each. Whoever gives up does so in the same way, whatever the call is.
async fn crowd<F>(storm: Storm, calls: u64, call: impl Fn(u64) -> F) -> (Duration, u64)
where
    F: Future<Output = bool> + Send + 'static,
{
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for index in 0..calls {
        let call = call(index);
        if gives_up(storm, index) {
            callers.spawn(async { tokio::time::timeout(PATIENCE, call).await.unwrap_or(true) });
        } else {
            callers.spawn(call);
        }
    }
    let mut not_200 = 0;
    while let Some(went_well) = callers.join_next().await {
        not_200 += u64::from(!went_well.expect("no call panics"));
    }
    (began.elapsed(), not_200)
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

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Late => "late rejections",
            Self::GivenUp => "half give up",
        })
    }
}
