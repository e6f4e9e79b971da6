//! What passes between browser and gateway.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use crate::{
    arguments::LoginKind::{Code, Password},
    browser::{Bff, PASSWORD},
};

const HOP_BY_HOP: [&str; 7] =
    ["keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "upgrade", "x-of-the-connection"];

/// An API that writes down what it gets, and answers with headers that must not pass.
async fn nosy_api() -> (String, Arc<Mutex<Vec<Request>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let book = seen.clone();
    let router = Router::new().fallback(async move |request: Request| {
        book.lock().unwrap().push(request);
        nosy_answer()
    });
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, seen)
}

fn nosy_answer() -> Response {
    let mut headers = HeaderMap::new();
    for name in HOP_BY_HOP.into_iter().chain(["www-authenticate", "x-powered-by", "access-control-allow-origin"]) {
        headers.insert(http::HeaderName::from_static(name), "x".parse().unwrap());
    }
    for (name, value) in [
        ("set-cookie", "__Host-orchard=planted; Secure; Path=/"),
        ("connection", "keep-alive, x-of-the-connection, etag"),
        ("cache-control", "public, max-age=3600"),
        ("content-type", "text/html"),
        ("etag", "\"1\""),
        ("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT"),
    ] {
        headers.insert(http::HeaderName::from_static(name), value.parse().unwrap());
    }
    (StatusCode::IM_A_TEAPOT, headers, "<script>alert(1)</script>").into_response()
}

#[tokio::test]
async fn nothing_but_what_is_listed_passes_in_either_direction() {
    let (url, seen) = nosy_api().await;
    let bff = Bff::with(Password, |target| target.api_url = url).await;
    let mut browser = bff.alice().await;
    let mut request = http::Request::get("/api/orders/7?item=pears&amount=2")
        .header("authorization", "Bearer of-the-browser")
        .header("connection", "x-of-the-connection, content-language")
        .header("x-forwarded-for", "192.0.2.1")
        .header("forwarded", "for=192.0.2.1")
        .header("content-language", "en")
        .header("accept", "application/json");
    for name in HOP_BY_HOP {
        request = request.header(name, "x");
    }
    let page = browser.send(request, "").await;

    let request = seen.lock().unwrap().pop().unwrap();
    assert_eq!(request.uri().path_and_query().unwrap(), "/base/orders/7?item=pears&amount=2");
    let mut names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "host"]);
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.starts_with("Bearer ") && !authorization.contains("browser"));

    assert_eq!((page.status, page.text.as_str()), (StatusCode::IM_A_TEAPOT, "<script>alert(1)</script>"));
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let names: Vec<_> = page.headers.keys().map(http::HeaderName::as_str).collect();
    for name in HOP_BY_HOP.into_iter().chain(["set-cookie", "www-authenticate", "connection", "etag", "x-powered-by"]) {
        assert!(!names.contains(&name), "{name}");
    }
    assert!(names.contains(&"last-modified"));
}

#[tokio::test]
async fn what_is_not_on_the_list_never_reaches_the_gateway() {
    let (url, seen) = nosy_api().await;
    let bff = Bff::with(Password, |target| target.api_url = url).await;
    let mut browser = bff.alice().await;
    for path in [
        "/api/oauth2/userinfo",
        "/api/ordersx",
        "/api/Orders",
        "/api/orders/../admin",
        "/api/orders/%2e%2e/admin",
        "/api/orders/.%2E/admin",
        "/api/orders/..%2fadmin",
        "/api/orders/..%5cadmin",
        "/api/orders/%252e%252e/admin",
        "/api/orders/..;/admin",
        "/api/orders//admin",
        "/api/orders/",
        "/api/orders/%00",
        "/api/orders/%ff",
        "/api//orders",
        "/api/",
    ] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PURGE"] {
        let request =
            http::Request::builder().method(method).uri("/api/orders").header("sec-fetch-site", "same-origin");
        assert_eq!(browser.send(request, "").await.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(bff.browser().get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn body_passes_up_to_a_limit() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    let small = browser.post("/api/orders", "2 pears").await;
    assert_eq!((small.status, small.text.as_str()), (StatusCode::CREATED, "2 pears"));
    let large = browser.post("/api/orders", &"x".repeat(2 << 20)).await;
    assert!(!large.status.is_success());
    assert_eq!(bff.gateway.gateway().orders(), 1);
}

#[tokio::test]
async fn every_answer_is_kept_from_stores_frames_and_foreign_scripts() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    for path in ["/", "/login", "/api/orders", "/api/nothing", "/nothing", "/app.js", "/app.css"] {
        let page = browser.get(path).await;
        let header = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") || policy.contains("sandbox"), "{path}: {policy}");
        let stored = if path.starts_with("/app") { "no-cache" } else { "no-store" };
        assert_eq!((header("cache-control"), header("x-content-type-options")), (stored, "nosniff"), "{path}");
        assert!(!page.text.contains("<script>") && !page.text.contains("style=\""), "{path}: something inline");
    }
}

#[tokio::test]
async fn rejection_that_can_be_healed_is_not_seen_and_one_that_can_not_asks_for_a_login() {
    let bff = Bff::start(Password).await;
    let (mut desktop, mut tablet) = (bff.alice().await, bff.alice().await);
    for _ in 0..2 {
        assert_eq!(desktop.get("/api/orders").await.status, StatusCode::OK);
        assert_eq!(tablet.post("/api/orders", "2 pears").await.status, StatusCode::CREATED);
    }
    desktop.post("/logout", "").await;
    assert_eq!(tablet.post("/api/orders", "2 pears").await.status, StatusCode::CREATED);

    bff.gateway.gateway().set_password("alice", "looking glass");
    let before = bff.gateway.counters().token_requests("password");
    for _ in 0..3 {
        let page = tablet.get("/api/orders").await;
        assert_eq!((page.status, page.text.as_str()), (StatusCode::UNAUTHORIZED, r#"{"error":"login_required"}"#));
        assert!(!page.headers.contains_key("www-authenticate"));
    }
    assert_eq!(bff.gateway.counters().token_requests("password"), before + 1);
    let page = tablet.get("/login").await;
    assert!(page.text.contains("Your login has ended") && !page.text.contains("alert"), "{}", page.text);
    assert_eq!(tablet.log_in("alice", PASSWORD).await.status, StatusCode::FORBIDDEN);
    assert_eq!(tablet.log_in("alice", "looking+glass").await.location(), "/");
    assert_eq!(tablet.get("/api/orders").await.status, StatusCode::OK);
}

/// A refresh token that is refused once may be good: the session makes sure before anybody is asked to log in.
#[tokio::test]
async fn refusal_that_is_not_final_costs_nobody_the_login() {
    let bff = Bff::start(Code).await;
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    let back = bff.consent(page.location()).await;
    browser.get(&back).await;
    bff.gateway.gateway().revoke_all();
    let page = browser.get("/api/orders").await;
    assert_eq!((page.status, page.text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"unavailable"}"#));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(bff.app.sessions.len(), 1);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    let page = browser.get("/api/orders").await;
    assert_eq!((page.status, page.text.as_str()), (StatusCode::UNAUTHORIZED, r#"{"error":"login_required"}"#));
    assert!(bff.app.sessions.is_empty());
}

#[tokio::test]
async fn gateway_in_trouble_costs_nobody_the_login() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    bff.gateway.gateway().revoke_all();
    bff.gateway.gateway().set_outage(true);
    let page = browser.get("/api/orders").await;
    assert_eq!((page.status, page.text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"unavailable"}"#));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(bff.app.sessions.len(), 1);
}
