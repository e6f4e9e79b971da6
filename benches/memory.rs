//! How much memory a request takes while it is under way: `cargo bench --bench memory`.
//!
//! Bytes that the program asked the allocator for, without what the allocator adds. A request is *in flight* when it
//! was sent and its answer is awaited, and *parked* when its token was refused and it waits for the renewal. Each is
//! compared with a bare request in flight: a task of tokio's, and an inner service that holds nothing once it has sent.
//! Of a request in memory of its own (O) the bare one thus holds nothing, and the layer a body of 256 bytes.

use std::{
    convert::Infallible,
    future::{self, Future},
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use tokio::{runtime::Runtime, task::JoinSet};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, ReauthLayer, Session, TokenSet, grant_fn};
use tower_reauth_benches::{
    Fixture, Payload, allocations,
    figures::{Figures, keep},
    targets,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const REQUESTS: usize = 10_000;

/// Sends, which takes the request, and does what this says.
#[derive(Clone, Copy)]
enum Server {
    NeverAnswers,
    Refuses,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let layer = |session| ReauthLayer::new(session, Origins::only("https://api.example").expect("a valid origin"));
    let mut figures = Figures::new();
    println!("bytes a request");
    for owned in [false, true] {
        let fixture = Fixture::new(8, owned);
        let bare = bytes_each(&runtime, fixture, &Server::NeverAnswers);
        let in_flight = bytes_each(&runtime, fixture, &layer(session(&runtime)).layer(Server::NeverAnswers));
        let parked = bytes_each(&runtime, fixture, &layer(session(&runtime)).layer(Server::Refuses));
        println!("{fixture}: bare in flight {bare:.0}, in flight {in_flight:.0}, parked {parked:.0}");
        figures.insert(format!("memory, {fixture}, bare: bytes"), bare);
        figures.insert(format!("memory, {fixture}, in flight: bytes beyond bare"), in_flight - bare);
        figures.insert(format!("memory, {fixture}, parked: bytes beyond bare"), parked - bare);
    }
    targets::print(&figures);
    keep(&figures);
}

fn bytes_each<S>(runtime: &Runtime, fixture: Fixture, service: &S) -> f64
where
    S: Service<Request<Payload>, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
{
    runtime.block_on(async {
        let mut requests = JoinSet::new();
        // What grows by doubling is there already.
        for _ in 0..REQUESTS {
            requests.spawn(future::ready(()));
        }
        while requests.join_next().await.is_some() {}
        let mut requests = JoinSet::new();
        // The first ones pay for what all of them share.
        let mut before = 0;
        for turn in 0..2 {
            before = allocations::held();
            for _ in 0..REQUESTS {
                let call = service.clone().oneshot(fixture.request());
                requests.spawn(async { drop(call.await) });
            }
            settle().await;
            assert_eq!(requests.len(), REQUESTS * (turn + 1));
        }
        (allocations::held() - before) as f64 / REQUESTS as f64
    })
}

/// Lets every task go on until all of them wait: each turn runs some, and there are more than enough turns.
async fn settle() {
    for _ in 0..REQUESTS {
        tokio::task::yield_now().await;
    }
}

/// Holds a token, and never gets another one.
fn session(runtime: &Runtime) -> Session {
    let first = AtomicBool::new(true);
    let session = Session::new(grant_fn(move |_context| {
        let is_first = first.swap(false, Ordering::Relaxed);
        async move { if is_first { TokenSet::new("first") } else { future::pending().await } }
    }));
    runtime.block_on(session.token()).expect("the first one is given");
    session
}

impl Service<Request<Payload>> for Server {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Answer {
        drop(request);
        Answer(*self)
    }
}

struct Answer(Server);

impl Future for Answer {
    type Output = Result<Response<Payload>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0 {
            Server::NeverAnswers => Poll::Pending,
            Server::Refuses => {
                let mut response = Response::new(Payload::default());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Poll::Ready(Ok(response))
            }
        }
    }
}
