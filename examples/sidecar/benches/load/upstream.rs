//! The upstream: an API of 1 KiB, and where its tokens come from. `/kept/token` gives one that lives on, `/killed/token` one that
//! lives until it is killed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What nginx sends.
pub(crate) const FIXED: &str = "Bearer kept-0";

const PAYLOAD: Bytes = Bytes::from_static(&[b'x'; 1024]);

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// The number of the token that is good.
    good: AtomicU64,
    rejected: AtomicU64,
    token_requests: AtomicU64,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
        let counts = upstream.counts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let counts = counts.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = counts.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                // The other side goes when it likes.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        upstream
    }

    pub(crate) fn kill_token(&self) {
        self.counts.good.fetch_add(1, Relaxed);
    }

    pub(crate) fn killed(&self) -> u64 {
        self.counts.good.load(Relaxed)
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.counts.rejected.load(Relaxed)
    }

    /// For the token that is killed.
    pub(crate) fn token_requests(&self) -> u64 {
        self.counts.token_requests.load(Relaxed)
    }
}

impl Counts {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/kept/token" => token("kept-0"),
            "/killed/token" => {
                self.token_requests.fetch_add(1, Relaxed);
                token(&format!("killed-{}", self.good.load(Relaxed)))
            }
            _ if self.takes(request) => Response::new(Full::new(PAYLOAD)),
            _ => {
                self.rejected.fetch_add(1, Relaxed);
                let response = Response::builder().status(StatusCode::UNAUTHORIZED);
                let response = response.header(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#);
                response.body(Full::default()).unwrap()
            }
        }
    }

    fn takes(&self, request: &Request<Incoming>) -> bool {
        let shown = request.headers().get(AUTHORIZATION).and_then(|shown| shown.to_str().ok()).unwrap_or_default();
        let number = shown.strip_prefix("Bearer killed-").and_then(|number| number.parse::<u64>().ok());
        shown == FIXED || number.is_some_and(|number| number >= self.good.load(Relaxed))
    }
}

fn token(name: &str) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"access_token":"{name}","token_type":"Bearer","expires_in":36000}}"#);
    Response::builder().header(CONTENT_TYPE, "application/json").body(Full::from(body)).unwrap()
}
