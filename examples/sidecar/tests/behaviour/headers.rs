//! What passes, and what stays on its connection.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::{
    upstream::{Upstream, seen},
    world::{World, send, text},
};

#[tokio::test]
async fn what_belongs_to_a_connection_stays_on_it() {
    let (world, upstream) = (World::new("hops").await, Upstream::start().await);
    let sidecar = world.sidecar_before(&upstream.origin, &[]).await;
    let request = Request::get(format!("{}/head?of=it", sidecar.url))
        .header("connection", "x-hop, te")
        .header("x-hop", "of this connection")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic aHVudGVyMg==")
        .header("te", "trailers, gzip")
        .header("upgrade", "websocket")
        .header("expect", "100-continue")
        .header("x-end", "to end");
    let answer = send(request.body(Full::default()).unwrap()).await;

    for name in ["x-hop", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade", "expect"] {
        assert_eq!(seen(&answer, name), Vec::<String>::new(), "{name}");
        assert!(!answer.headers().contains_key(name), "{name} came back");
    }
    let head: Value = serde_json::from_str(text(&answer)).unwrap();
    assert_eq!((&head["method"], &head["uri"]), (&"GET".into(), &"/head?of=it".into()));
    assert_eq!(seen(&answer, "x-end"), ["to end"]);
    assert_eq!(seen(&answer, "te"), ["trailers"]);
    assert_eq!(seen(&answer, "host"), [upstream.origin.strip_prefix("http://").unwrap()]);
    assert_eq!(seen(&answer, "via"), ["1.1 tower-reauth-sidecar"]);
    assert_eq!(answer.headers()["x-end"], "to end");
    assert!(!answer.headers().contains_key("proxy-authenticate"));
}

#[tokio::test]
async fn http2_comes_in_and_its_cookies_are_one_header() {
    let (world, upstream) = (World::new("h2c").await, Upstream::start().await);
    let sidecar = world.sidecar_before(&upstream.origin, &[]).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(format!("{}/head", sidecar.url)).header("cookie", "a=1").header("cookie", "b=2");
    let answer = client.request(request.body(Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let (parts, body) = answer.into_parts();
    let answer = http::Response::from_parts(parts, body.collect().await.unwrap().to_bytes());
    assert_eq!(seen(&answer, "cookie"), ["a=1; b=2"]);
    assert_eq!(seen(&answer, "via"), ["2 tower-reauth-sidecar"]);
    assert_eq!(seen(&answer, "authorization").len(), 1);
}

/// Nothing of these reaches the upstream.
#[tokio::test]
async fn pages_in_browsers_get_no_token() {
    let world = World::new("pages").await;
    let sidecar = world.sidecar().await;
    let port = sidecar.url.rsplit_once(':').unwrap().1;
    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "same-origin", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "none", StatusCode::OK),
        ("host", "rebound.example", StatusCode::MISDIRECTED_REQUEST),
        ("host", &format!("127.0.0.1.evil.example:{port}"), StatusCode::MISDIRECTED_REQUEST),
        ("host", "not a host", StatusCode::MISDIRECTED_REQUEST),
        ("host", &format!("localhost:{port}"), StatusCode::OK),
        ("host", "[::1]", StatusCode::OK),
    ] {
        let before = world.gateway.counters().accepted;
        let request = Request::get(format!("{}/orders", sidecar.url)).header(name, value);
        let answer = send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), status, "{name}: {value}");
        assert_eq!(world.gateway.counters().accepted - before, u64::from(status == StatusCode::OK), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let world = World::new("heads").await;
    let sidecar = world.sidecar_before(&world.gateway.url(""), &["--max-header-bytes", "8192"]).await;
    let request = |length| Request::get(format!("{}/orders", sidecar.url)).header("x-long", "x".repeat(length));
    assert_eq!(send(request(4000).body(Full::default()).unwrap()).await.status(), StatusCode::OK);
    let long = send(request(9000).body(Full::default()).unwrap()).await;
    assert_eq!(long.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
