//! An API of a server that has none for its clients: it asks the server about every token (RFC 7662).

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use serde_json::Value;
use tokio::net::TcpListener;

type Http = Client<HttpConnector, Full<Bytes>>;

/// Listens for as long as the test's runtime runs, and returns its origin and path.
pub(super) async fn start(http: Http, introspection: String) -> (String, &'static str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/orders", get(orders)).with_state((http, introspection));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, "/orders")
}

pub(super) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

async fn orders(State((http, introspection)): State<(Http, String)>, headers: HeaderMap) -> StatusCode {
    let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ");
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let request = Request::post(introspection)
        .header("authorization", basic("app", "appsecret"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form));
    let answer = http.request(request.unwrap()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    // A token that is bound to a key comes here as a bearer token only from a thief (RFC 9449 §6.2).
    let is_bound = answer.get("cnf").is_some();
    if answer["active"] == true && !is_bound { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}
