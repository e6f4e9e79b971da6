//! An upstream that tells what it sees: `/head` the head of the request, `/echo` its body as it comes, `/strict` its body once the
//! whole of it has come, if the token is good, and `/gate` nothing before it is let through.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};

use crate::support::Gateway;

type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) struct Upstream {
    pub(crate) origin: String,
    pub(crate) gate: Arc<Gate>,
}

pub(crate) struct Gate {
    /// A permit for each request that has come.
    pub(crate) entered: Semaphore,
    /// A request takes one, and is answered.
    pub(crate) open: Semaphore,
    /// Says which tokens are good.
    judge: Option<Arc<Gateway>>,
    /// What it names as an issuer.
    pub(crate) token_endpoint: OnceLock<String>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(judge: Option<Arc<Gateway>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let gate = Arc::new(Gate { judge, ..Gate::default() });
        let serving = gate.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { origin, gate }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self { entered: Semaphore::new(0), open: Semaphore::new(0), judge: None, token_endpoint: OnceLock::new() }
    }
}

pub(crate) async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, gate: Arc<Gate>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(answer(request, &gate).await) }
    });
    // The other side may go whenever it likes.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, gate: &Gate) -> Response<Body> {
    match request.uri().path() {
        "/echo" => Response::new(request.into_body().map_err(io::Error::other).boxed_unsync()),
        "/strict" => strict(request, gate).await,
        "/.well-known/oauth-authorization-server" => {
            let issuer = format!("http://{}", request.headers()["host"].to_str().unwrap());
            let metadata = json!({ "issuer": issuer, "token_endpoint": gate.token_endpoint.get() });
            Response::new(whole(metadata.to_string()))
        }
        "/gate" => {
            gate.entered.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
            Response::new(whole("through"))
        }
        _ => Response::builder()
            .header("connection", "x-hop")
            .header("x-hop", "of this connection")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic")
            .header("x-end", "to end")
            .body(whole(head(&request).to_string()))
            .unwrap(),
    }
}

/// Whoever answers before it has read the body may close the connection on HTTP/1.1, and the answer is lost with it.
async fn strict(request: Request<Incoming>, gate: &Gate) -> Response<Body> {
    let shown = request.headers().get("authorization").and_then(|shown| shown.to_str().ok()).map(str::to_owned);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let token = shown.as_deref().and_then(|shown| shown.strip_prefix("Bearer "));
    let is_good = token.zip(gate.judge.as_ref()).is_some_and(|(token, judge)| judge.accepts(token));
    let status = if is_good { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    Response::builder().status(status).body(whole(body)).unwrap()
}

fn head(request: &Request<Incoming>) -> Value {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "headers": headers,
    })
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The values of a header, as the upstream has seen them.
pub(crate) fn seen(response: &Response<Bytes>, name: &str) -> Vec<String> {
    let head: Value = serde_json::from_slice(response.body()).unwrap();
    let headers = head["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}
