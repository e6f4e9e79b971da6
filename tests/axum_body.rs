//! A client with axum's body, against an axum server over HTTP/1.1: what a proxy or a backend for a frontend is made of.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{
    HeaderMap, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE},
};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};
use tower_reauth::{Origins, Reauth, ReauthLayer, Session};

use crate::support::{Gate, Issuer, Kind, USERNAME};

type Api = Reauth<Client<HttpConnector, Body>>;

struct World {
    issuer: Issuer,
    origin: String,
    api: Api,
}

impl World {
    /// With a token that has just died.
    async fn start() -> Self {
        let issuer = Issuer::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/echo", post(echo))
            .route("/upgrade", get(upgrade))
            .layer(middleware::from_fn_with_state(Arc::new(issuer.clone()), judge));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let session = Session::new(Kind::Password.grant(&issuer, USERNAME));
        session.token().await.unwrap();
        issuer.revoke_all();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let api = ReauthLayer::new(session, Origins::only(&origin).unwrap()).layer(client);
        Self { issuer, origin, api }
    }

    async fn send(
        &self,
        request: http::request::Builder,
        path: &str,
        body: Body,
    ) -> http::Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>> {
        let request = request.uri(format!("{}{path}", self.origin)).body(body).unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        assert_eq!(self.issuer.token_requests(), 2, "one renewal");
        response
    }
}

async fn judge(State(issuer): State<Arc<Issuer>>, request: Request, next: Next) -> Response {
    let header = request.headers().get("authorization").and_then(|header| header.to_str().ok());
    match header.and_then(|header| header.strip_prefix("Bearer ")) {
        Some(token) if issuer.is_alive(token) => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// The body as it came, with the headers that framed it and with its trailers as headers.
async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap();
    let mut headers = body.trailers().cloned().unwrap_or_default();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
        if let Some(value) = head.headers.get(&name) {
            headers.insert(http::HeaderName::try_from(format!("seen-{name}")).unwrap(), value.clone());
        }
    }
    (headers, body.to_bytes()).into_response()
}

async fn upgrade(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
        tokio::io::copy(&mut from, &mut to).await
    });
    (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "echo")]).into_response()
}

#[tokio::test]
async fn body_in_memory_is_replayed_with_its_length() {
    let world = World::start().await;
    let response = world.send(http::Request::builder().method("POST"), "/echo", Body::from("2 pears")).await;
    assert_eq!(response.headers()["seen-content-length"], "7");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "2 pears");
}

#[tokio::test]
async fn stream_is_replayed_with_its_trailers() {
    let world = World::start().await;
    let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), "17".parse().unwrap())]);
    let frames = [Frame::data(Bytes::from("2 ")), Frame::data("pears".into()), Frame::trailers(trailers)];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))));
    let response =
        world.send(http::Request::builder().method("POST").header("trailer", "x-checksum"), "/echo", body).await;
    assert_eq!(
        (&response.headers()["seen-transfer-encoding"], &response.headers()["x-checksum"]),
        (&"chunked".parse().unwrap(), &"17".parse().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "2 pears");
}

#[tokio::test]
async fn rejection_before_the_stream_has_ended_is_replayed_whole() {
    let world = World::start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    let last = stream::once(async move {
        held.pass().await;
        Ok::<_, Infallible>("pears")
    });
    let frames = stream::iter([Ok("2 ")]).chain(last);
    let sending = world.send(http::Request::builder().method("POST"), "/echo", Body::from_stream(frames));
    let (response, ()) = futures::join!(sending, async {
        gate.arrived(1).await;
        world.issuer.arrived(2).await;
        gate.open();
    });
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "2 pears");
}

#[tokio::test]
async fn expectation_survives_the_replay() {
    let world = World::start().await;
    let request = http::Request::builder().method("POST").header(EXPECT, "100-continue");
    let response = world.send(request, "/echo", Body::from("2 pears")).await;
    assert_eq!(
        (response.status(), &response.headers()["seen-expect"]),
        (StatusCode::OK, &"100-continue".parse().unwrap())
    );
}

#[tokio::test]
async fn upgraded_connection_comes_through_the_layer() {
    let world = World::start().await;
    let request = http::Request::builder().header(CONNECTION, "upgrade").header(UPGRADE, "echo");
    let response = world.send(request, "/upgrade", Body::empty()).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}
