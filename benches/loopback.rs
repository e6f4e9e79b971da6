//! What the layer costs a client that really sends: `cargo bench --bench loopback`.
//!
//! 64 requests at a time over HTTP/1.1 and over HTTP/2, to a server that is another process on the same machine. The
//! client is one thread, whose processor time is counted by the system; the server's is not in it. Rounds of all kinds
//! take turns, so that whatever else the machine does hits all of them, and each is compared with the bare client of its own
//! round; the median and the quartiles of these ratios are told.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{runtime::Runtime, task::JoinSet};
use tower::{Layer, Service, ServiceExt, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_reauth::{Origins, ReauthLayer};
use tower_reauth_benches::{
    Fixture, LockedToken, Payload, ReplayOnce,
    figures::{Figures, Spread, keep},
    server::{self, Server},
    session, targets, token,
};

const AT_A_TIME: usize = 64;
const CALLS_EACH: usize = 256;
const ROUNDS: usize = 25;
const TOKEN: usize = 38;

#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
}

/// What one round took, for each of its requests.
#[derive(Clone, Copy)]
struct Round {
    processor: f64,
    wall: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if Server::is_this() {
        return runtime.block_on(serve());
    }
    let mut server = Server::start();
    let origin = server.origin();
    let mut figures = Figures::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        measure(protocol, &runtime, &origin, &mut figures);
    }
    targets::print(&figures);
    keep(&figures);
}

fn measure(protocol: Protocol, runtime: &Runtime, origin: &str, figures: &mut Figures) {
    let uri: Uri = format!("{origin}/v1/orders?limit=10").parse().expect("a valid URI");
    let client = || -> Client<HttpConnector, Payload> {
        let mut connector = HttpConnector::new();
        // HTTP/2 sends head and body apart: with Nagle's algorithm the second waits for a delayed acknowledgement.
        connector.set_nodelay(true);
        let http2 = matches!(protocol, Protocol::Http2);
        Client::builder(TokioExecutor::new()).http2_only(http2).build(connector)
    };
    let session = runtime.block_on(session(TOKEN));
    let origins = Origins::only(origin).expect("a valid origin");
    let add = AddAuthorizationLayer::bearer(&token(TOKEN)).as_sensitive(true);
    let (bare, added) = (client(), add.layer(client()));
    let retried = Retry::new(ReplayOnce::new(), LockedToken::new(client(), &token(TOKEN)));
    let ours = ReauthLayer::new(session, origins).layer(client());

    let names = ["bare", "AddAuthorization", "Retry by hand", "reauth"];
    let mut rounds: [Vec<Round>; 4] = Default::default();
    // The first one opens connections.
    for round in 0..=ROUNDS {
        let measured = [
            runtime.block_on(send(&bare, &uri)),
            runtime.block_on(send(&added, &uri)),
            runtime.block_on(send(&retried, &uri)),
            runtime.block_on(send(&ours, &uri)),
        ];
        if round > 0 {
            rounds.iter_mut().zip(measured).for_each(|(rounds, measured)| rounds.push(measured));
        }
    }
    println!(
        "\n{protocol}, {AT_A_TIME} at a time: median and quartiles of {ROUNDS} rounds, and against the bare client of the round"
    );
    for (name, measured) in names.iter().zip(&rounds) {
        let ratio =
            |of: fn(&Round) -> f64| Spread::of(measured.iter().zip(&rounds[0]).map(|(ours, bare)| of(ours) / of(bare)));
        let of_rounds = |of: fn(&Round) -> f64| Spread::of(measured.iter().map(of));
        let (processor, rate) = (of_rounds(|round| round.processor * 1e6), of_rounds(|round| 1.0 / round.wall));
        let (processor_ratio, rate_ratio) = (ratio(|round| round.processor), ratio(|round| 1.0 / round.wall));
        println!(
            "{name:18} client {processor:.2} µs a request, {processor_ratio:.3}; {rate:.0} requests a second, {rate_ratio:.3}",
        );
        let mut keep = |what: &str, spread: Spread| spread.keep(figures, &format!("{name}: {protocol}: {what}"));
        keep("client µs a request", processor);
        keep("client time against bare", processor_ratio);
        keep("requests a second", rate);
        keep("rate against bare", rate_ratio);
    }
}

/// Sends them all, and reads every answer to its end.
async fn send<S, R>(service: &S, uri: &Uri) -> Round
where
    S: Service<Request<Payload>, Response = Response<R>, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    R: Body<Data: Send, Error: fmt::Debug> + Send,
{
    let fixture = Fixture::new(8, true);
    let (began, processor) = (Instant::now(), processor_time());
    let mut callers = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (service, uri) = (service.clone(), uri.clone());
        callers.spawn(async move {
            for _ in 0..CALLS_EACH {
                let mut request = fixture.request::<Payload>();
                *request.uri_mut() = uri.clone();
                let response = service.clone().oneshot(request).await.expect("the server answers");
                assert!(response.status().is_success());
                response.into_body().collect().await.expect("the server answers in full");
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("no caller panics");
    }
    let a_request = |time: Duration| time.as_secs_f64() / (AT_A_TIME * CALLS_EACH) as f64;
    Round { processor: a_request(processor_time() - processor), wall: a_request(began.elapsed()) }
}

/// How long this thread has been running.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("time is positive")
}

async fn serve() {
    let listener = server::listen().await;
    server::end_with_client();
    loop {
        let (stream, _) = listener.accept().await.expect("somebody connects");
        stream.set_nodelay(true).expect("the stream is open");
        tokio::spawn(async move {
            let answer = service_fn(async |request: Request<hyper::body::Incoming>| {
                request.into_body().collect().await?;
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(&[b'x'; 256]))))
            });
            // A client that goes away is no news.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}
