//! How long a call takes whose token was revoked, and what it costs in connections: `cargo bench --bench recovery`.
//!
//! Every call is rejected once, with a page of some length, renews the token and is sent again. The server is another
//! process on the same machine; it takes each token once, and counts its connections. Beside the layer the same is done by
//! hand: read the rejection, get a token, send again. Rounds of both take turns, and each is compared with its
//! neighbour; the median of the differences is told.
//!
//! A program awaits its calls in `main`, in tasks, or on one thread, and hyper-util's pool gets the connection of the
//! rejection back in another way in each of them.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, Reauth, ReauthLayer, Session, TokenSet, grant_fn};
use tower_reauth_benches::{
    figures::{Figures, keep, median},
    recoveries::{PAGES, Place, Renewal, name},
    server::{self, Server},
    targets,
};

type Http = Client<HttpConnector, Full<Bytes>>;

const ROUNDS: usize = 15;
const CALLS: usize = 20;
/// After each call, so that its connection is idle when the next one looks for it.
const PAUSE: Duration = Duration::from_millis(1);

/// What one round of calls took, for each of them.
#[derive(Clone, Copy)]
struct Round {
    micros: f64,
    connections: f64,
}

/// The server's two origins and the client that asks for tokens.
#[derive(Clone)]
struct Stand {
    resource: String,
    issuer: String,
    http: Http,
    renewal: Renewal,
}

/// What people write who have no layer.
#[derive(Clone)]
struct ByHand {
    stand: Stand,
    http: Http,
    token: String,
}

fn main() {
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if Server::is_this() {
        return one_thread.block_on(serve());
    }
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut server = Server::start();
    let (resource, issuer) = (server.origin(), server.origin());
    let mut figures = Figures::new();
    for place in Place::ALL {
        let runtime = if place == Place::OneThread { &one_thread } else { &workers };
        for (renewal, page) in Renewal::ALL.into_iter().flat_map(|renewal| PAGES.map(|page| (renewal, page))) {
            let stand = Stand { resource: resource.clone(), issuer: issuer.clone(), http: http(8), renewal };
            let (by_hand, ours) = measure(runtime, place, page, &stand);
            let beyond = median(ours.iter().zip(&by_hand).map(|(ours, by_hand)| ours.micros - by_hand.micros));
            let micros = |rounds: &[Round]| median(rounds.iter().map(|round| round.micros));
            let mean =
                |rounds: &[Round]| rounds.iter().map(|round| round.connections).sum::<f64>() / rounds.len() as f64;
            println!(
                "{place:14} {renewal:21} {page:2} KiB: {:4.0} µs, by hand {:4.0} µs, beyond {beyond:4.0} µs; new connections {:.3}, by hand {:.3}",
                micros(&ours),
                micros(&by_hand),
                mean(&ours),
                mean(&by_hand),
            );
            let figure = |what: &str| name(place, renewal, page, what);
            figures.insert(figure("µs"), micros(&ours));
            figures.insert(figure("µs by hand"), micros(&by_hand));
            figures.insert(figure("µs beyond by hand"), beyond);
            figures.insert(figure("new connections"), mean(&ours));
            figures.insert(figure("new connections by hand"), mean(&by_hand));
        }
    }
    targets::print(&figures);
    keep(&figures);
}

/// The rounds by hand, and those with the layer.
fn measure(runtime: &Runtime, place: Place, page: usize, stand: &Stand) -> (Vec<Round>, Vec<Round>) {
    // Each task has a token of its own, and all share the connections.
    let at_once = if place == Place::Tasks { 8 } else { 1 };
    let pool = http(at_once);
    let by_hand = vec![ByHand { stand: stand.clone(), http: pool, token: "none".to_owned() }; at_once];
    let pool = http(at_once);
    let ours: Vec<_> = (0..at_once).map(|_| stand.layer().layer(pool.clone())).collect();
    let uri = format!("{}/{page}", stand.resource);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (by_hand, ours) = (by_hand.clone(), ours.clone());
        let measured = [
            runtime.block_on(round_of(place, stand, by_hand, uri.clone(), ByHand::call)),
            runtime.block_on(round_of(place, stand, ours, uri.clone(), call)),
        ];
        // The first one opens connections.
        if round > 0 {
            without.push(measured[0]);
            with.push(measured[1]);
        }
    }
    (without, with)
}

async fn round_of<C, F>(place: Place, stand: &Stand, clients: Vec<C>, uri: String, call: fn(C, String) -> F) -> Round
where
    C: Clone + Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    let connections = stand.connections().await;
    let at_once = clients.len();
    let mut took = Duration::ZERO;
    let mut tasks = JoinSet::new();
    for client in clients {
        let calls = repeat(client, uri.clone(), call);
        if place == Place::Main {
            took += calls.await;
        } else {
            tasks.spawn(calls);
        }
    }
    while let Some(done) = tasks.join_next().await {
        took += done.expect("no caller panics");
    }
    let calls = (CALLS * at_once) as f64;
    let opened = stand.connections().await - connections;
    Round { micros: took.as_secs_f64() * 1e6 / calls, connections: opened as f64 / calls }
}

/// Returns how long the calls took.
async fn repeat<C, F: Future<Output = C>>(mut client: C, uri: String, call: fn(C, String) -> F) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..CALLS {
        let began = Instant::now();
        client = call(client, uri.clone()).await;
        took += began.elapsed();
        tokio::time::sleep(PAUSE).await;
    }
    took
}

async fn call(api: Reauth<Http>, uri: String) -> Reauth<Http> {
    let request = Request::get(uri).body(Full::default()).expect("a valid request");
    let response = api.clone().oneshot(request).await.expect("the server answers");
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.expect("the server answers in full");
    api
}

/// A client whose pool keeps no spare connection: it would hide that another one was opened.
fn http(at_once: usize) -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(at_once).build(connector)
}

impl Stand {
    fn layer(&self) -> ReauthLayer {
        let stand = self.clone();
        let grant = grant_fn(move |_context| {
            let stand = stand.clone();
            async move { TokenSet::new(stand.token().await) }
        });
        // No token is good for two calls, and each is renewed at once.
        let session = Session::builder(grant).renewals_per_minute(None).build();
        ReauthLayer::new(session, Origins::only(&self.resource).expect("a valid origin"))
    }

    async fn token(&self) -> String {
        /// Far from those that the issuer gives.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
        match self.renewal {
            Renewal::Sent => self.ask("token").await,
            Renewal::AtOnce => NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
        }
    }

    async fn connections(&self) -> u64 {
        self.ask("connections").await.parse().expect("a number")
    }

    async fn ask(&self, path: &str) -> String {
        let uri = format!("{}/{path}", self.issuer).parse().expect("a valid URI");
        let response = self.http.get(uri).await.expect("the server answers");
        let text = response.into_body().collect().await.expect("the server answers in full").to_bytes();
        String::from_utf8(text.into()).expect("the answer is text")
    }
}

impl ByHand {
    async fn call(mut self, uri: String) -> Self {
        let mut response = self.send(&uri).await;
        if response.status() == StatusCode::UNAUTHORIZED {
            response.into_body().collect().await.expect("the server answers in full");
            self.token = self.stand.token().await;
            response = self.send(&uri).await;
        }
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.expect("the server answers in full");
        self
    }

    async fn send(&mut self, uri: &str) -> Response<Incoming> {
        let request = Request::get(uri).header(AUTHORIZATION, format!("Bearer {}", self.token));
        let request = request.body(Full::default()).expect("a valid request");
        self.http.call(request).await.expect("the server answers")
    }
}

/// What the server knows.
#[derive(Default)]
struct Book {
    // How many tokens were given, and the numbers of those that were used.
    given: AtomicU64,
    used: Mutex<HashSet<u64>>,
    connections: AtomicU64,
}

async fn serve() {
    let (resource, issuer) = (server::listen().await, server::listen().await);
    server::end_with_client();
    let book = Arc::new(Book::default());
    let count = book.clone();
    tokio::join!(
        accept(resource, &book, || _ = count.connections.fetch_add(1, Ordering::SeqCst), Book::resource),
        accept(issuer, &book, || (), Book::issuer),
    );
}

async fn accept(
    listener: TcpListener,
    book: &Arc<Book>,
    count: impl Fn(),
    answer: fn(&Book, &str, &HeaderMap) -> (StatusCode, Bytes),
) {
    loop {
        let (stream, _) = listener.accept().await.expect("somebody connects");
        stream.set_nodelay(true).expect("the stream is open");
        count();
        let book = book.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let (status, text) = answer(&book, request.uri().path(), request.headers());
                let mut response = Response::new(Full::new(text));
                *response.status_mut() = status;
                async { Ok::<_, Infallible>(response) }
            });
            // A client that goes away is no news.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Book {
    fn issuer(&self, path: &str, _: &HeaderMap) -> (StatusCode, Bytes) {
        if path == "/connections" {
            return (StatusCode::OK, self.connections.load(Ordering::SeqCst).to_string().into());
        }
        let number = self.given.fetch_add(1, Ordering::SeqCst);
        (StatusCode::OK, number.to_string().into())
    }

    fn resource(&self, path: &str, headers: &HeaderMap) -> (StatusCode, Bytes) {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let number: Option<u64> = token.and_then(|token| token.parse().ok());
        if number.is_some_and(|number| self.used.lock().expect("nobody panics").insert(number)) {
            return (StatusCode::OK, Bytes::from_static(b"orders"));
        }
        let page = path.trim_start_matches('/').parse().map_or(0, |page: usize| page * 1024);
        (StatusCode::UNAUTHORIZED, vec![b'x'; page].into())
    }
}
