//! Real hyper servers over loopback that record what they see, and the client that speaks to them.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, sync::watch};

use super::{Body, answer, is_live};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub authorization: Option<String>,
    /// The number of the connection that it came by, from 1 on.
    pub connection: usize,
    pub path: String,
    pub content_length: Option<String>,
    /// `None`: it never ended.
    pub body: Option<Bytes>,
    pub trailers: Option<HeaderMap>,
}

/// A server whose answers the test writes.
pub struct Server {
    pub origin: String,
    connections: Arc<AtomicUsize>,
    seen: watch::Sender<Vec<Seen>>,
}

impl Server {
    /// Hands each request to the test, unread.
    pub async fn start<F, A>(protocol: Protocol, respond: F) -> Self
    where
        F: Fn(Request<Incoming>, Recorder) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let server = Self { origin, connections: Arc::default(), seen: watch::Sender::default() };
        let (connections, seen) = (server.connections.clone(), server.seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let recorder = Recorder { connection, seen: seen.clone() };
                let respond = respond.clone();
                let service = service_fn(move |request| {
                    let answer = respond(request, recorder.clone());
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let stream = TokioIo::new(stream);
                // How a connection ends is seen by what was recorded.
                match protocol {
                    Protocol::Http1 => {
                        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
                    }
                    Protocol::Http2 => {
                        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        tokio::spawn(http2.serve_connection(stream, service));
                    }
                }
            }
        });
        server
    }

    /// Reads each request, answers 200 to the live token and `rejection` to any other.
    pub async fn strict(
        protocol: Protocol,
        rejection: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(protocol, move |request, recorder| {
            let rejection = rejection.clone();
            async move {
                let live = is_live(&request);
                recorder.read(request).await;
                if live { answer(StatusCode::OK, "orders") } else { rejection() }
            }
        })
        .await
    }

    pub fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Until so many requests were recorded.
    pub async fn saw(&self, requests: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= requests).await.expect("the server lives").clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
pub struct Recorder {
    connection: usize,
    seen: watch::Sender<Vec<Seen>>,
}

impl Recorder {
    /// Reads the request to its end, or to where it breaks, and records it.
    pub async fn read(self, request: Request<Incoming>) {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut seen = Seen {
            authorization: header(AUTHORIZATION.as_str()),
            connection: self.connection,
            path: request.uri().path().to_owned(),
            content_length: header("content-length"),
            body: None,
            trailers: None,
        };
        if let Ok(body) = request.into_body().collect().await {
            seen.trailers = body.trailers().cloned();
            seen.body = Some(body.to_bytes());
        }
        self.seen.send_modify(|all| all.push(seen));
    }
}

/// A client with a pool, of one protocol.
pub fn client<B>(protocol: Protocol) -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send + 'static,
{
    Client::builder(TokioExecutor::new()).http2_only(protocol == Protocol::Http2).build_http()
}
