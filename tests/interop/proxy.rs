//! A proxy that counts what passes through it, so that every claim of "once" is seen from outside, and that can lose an
//! answer or hide what a request accepts.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        StatusCode, Uri,
        header::{ACCEPT, HOST},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

/// Passes everything on to one server, for as long as the test's runtime runs.
pub(crate) struct Proxy {
    pub(crate) url: String,
    counts: Counts,
    lose: Arc<AtomicBool>,
    hide_accept: Arc<AtomicBool>,
}

/// Where a server has its endpoints.
#[derive(Clone, Copy)]
pub(crate) struct Paths {
    pub(crate) token: &'static str,
    pub(crate) revoke: &'static str,
}

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

#[derive(Clone)]
struct Passing {
    paths: Paths,
    server: String,
    client: Client<HttpConnector, Body>,
    counts: Counts,
    lose: Arc<AtomicBool>,
    hide_accept: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(paths: Paths, server: String) -> Self {
        let (counts, lose, hide_accept) = (Counts::default(), Arc::default(), Arc::default());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let passing = Passing {
            paths,
            server,
            client,
            counts: Arc::clone(&counts),
            lose: Arc::clone(&lose),
            hide_accept: Arc::clone(&hide_accept),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(passing);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, counts, lose, hide_accept }
    }

    /// The server answers the next token request, and nobody hears it.
    pub(crate) fn lose_next_token_answer(&self) {
        self.lose.store(true, Ordering::Relaxed);
    }

    /// From now on the server is not told which kinds of answer are accepted.
    pub(crate) fn hide_accept(&self) {
        self.hide_accept.store(true, Ordering::Relaxed);
    }

    /// How many token requests there were with this grant type, revocations (`revoke`), or calls of the API (`api`).
    pub(crate) fn count(&self, what: &str) -> usize {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// Token requests of each kind: by password, by refresh token.
    pub(crate) fn asked(&self) -> (usize, usize) {
        (self.count("password"), self.count("refresh_token"))
    }
}

async fn pass(State(passing): State<Passing>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path();
    let asks_for_token = path == passing.paths.token;
    let what = if asks_for_token {
        let grant_type = form_urlencoded::parse(&body).find(|(name, _)| name == "grant_type");
        grant_type.map(|(_, value)| value.into_owned()).unwrap_or_default()
    } else if path == passing.paths.revoke {
        "revoke".to_owned()
    } else {
        "api".to_owned()
    };
    *passing.counts.lock().unwrap().entry(what).or_default() += 1;
    head.uri = format!("{}{}", passing.server, head.uri).parse::<Uri>().unwrap();
    head.headers.remove(HOST);
    if passing.hide_accept.load(Ordering::Relaxed) {
        head.headers.remove(ACCEPT);
    }
    match passing.client.request(Request::from_parts(head, Body::from(body))).await {
        Ok(response) if asks_for_token && passing.lose.swap(false, Ordering::Relaxed) => {
            response.map(|_| Body::from_stream(stream::iter([Err::<Bytes, _>(io::Error::other("lost on the way"))])))
        }
        Ok(response) => response.map(Body::new),
        // As any proxy says while the server behind it is away.
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
