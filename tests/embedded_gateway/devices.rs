//! A device gets its tokens when a user has entered the code that it shows (RFC 8628).

use std::{sync::Arc, time::Duration};

use axum::extract::Request;
use http::{StatusCode, header::HOST};
use serde_json::Value;

use super::{ask, call, form, options, pair, send, text};
use crate::gateway::{Gateway, Regime};

const CLIENT: &str = "client_id=app&client_secret=s%2B+cret&scope=orders";

/// The device code and the user code.
async fn start(gateway: &Arc<Gateway>) -> (String, String) {
    let request = form("/oauth2/device_authorization").header(HOST, "127.0.0.1:9");
    let response = send(gateway, request, CLIENT).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = serde_json::from_str(&text(response).await).expect("the answer is JSON");
    let member = |name: &str| answer[name].as_str().expect("a string").to_owned();
    let (device_code, user_code) = (member("device_code"), member("user_code"));
    assert_eq!(answer["verification_uri"], "http://127.0.0.1:9/oauth2/device");
    let complete = format!("http://127.0.0.1:9/oauth2/device?user_code={user_code}");
    assert_eq!(answer["verification_uri_complete"], complete.as_str());
    (device_code, user_code)
}

async fn poll(gateway: &Arc<Gateway>, device_code: &str) -> (StatusCode, Value) {
    let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    ask(gateway, &format!("grant_type={grant_type}&device_code={device_code}")).await
}

/// The error code of a poll, a second after the last one.
async fn later(gateway: &Arc<Gateway>, device_code: &str) -> String {
    tokio::time::advance(Duration::from_secs(1)).await;
    let (status, answer) = poll(gateway, device_code).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    answer["error"].as_str().expect("an error code").to_owned()
}

async fn enter(gateway: &Arc<Gateway>, user_code: &str, answer: &str) -> StatusCode {
    send(gateway, form("/oauth2/device"), &format!("user_code={user_code}&{answer}")).await.status()
}

const ALLOW: &str = "username=bob&password=pass%20word&decision=allow";

#[tokio::test(start_paused = true)]
async fn device_waits_for_the_user_and_its_code_works_once() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let (device_code, user_code) = start(&gateway).await;
    assert_eq!(later(&gateway, &device_code).await, "authorization_pending");
    assert_eq!(later(&gateway, &device_code).await, "authorization_pending");
    let wrong = "username=bob&password=wrong&decision=allow";
    assert_eq!(enter(&gateway, &user_code, wrong).await, StatusCode::FORBIDDEN);
    assert_eq!(enter(&gateway, "BBBB-BBBB", ALLOW).await, StatusCode::NOT_FOUND);
    assert_eq!(later(&gateway, &device_code).await, "authorization_pending");

    let typed = user_code.replace('-', "+").to_lowercase();
    assert_eq!(enter(&gateway, &typed, ALLOW).await, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(1)).await;
    let (token, _) = pair(poll(&gateway, &device_code).await);
    assert_eq!(call(&gateway, &token).await, 0);
    assert_eq!(later(&gateway, &device_code).await, "invalid_grant");
    assert_eq!(enter(&gateway, &user_code, ALLOW).await, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn device_that_asks_too_often_waits_five_seconds_more() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let (device_code, _) = start(&gateway).await;
    assert_eq!(later(&gateway, &device_code).await, "authorization_pending");
    assert_eq!(poll(&gateway, &device_code).await.1["error"], "slow_down");
    assert_eq!(later(&gateway, &device_code).await, "slow_down");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(later(&gateway, &device_code).await, "authorization_pending");
}

#[tokio::test(start_paused = true)]
async fn device_learns_that_the_user_said_no_or_nothing_or_that_the_code_is_not_its_own() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let (device_code, user_code) = start(&gateway).await;
    assert_eq!(enter(&gateway, &user_code, "decision=deny").await, StatusCode::OK);
    assert_eq!(later(&gateway, &device_code).await, "access_denied");

    let (device_code, user_code) = start(&gateway).await;
    assert_eq!(later(&gateway, "another").await, "invalid_grant");
    let theirs = format!("{device_code}&client_id=other&client_secret=secret");
    let theirs = format!("grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code={theirs}");
    let answer = send(&gateway, form("/oauth2/token"), &theirs).await;
    assert!(text(answer).await.contains("invalid_grant"));
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(later(&gateway, &device_code).await, "expired_token");
    assert_eq!(enter(&gateway, &user_code, ALLOW).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn page_shows_the_code_that_came_along_and_needs_a_client_that_is_known() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let shown = send(&gateway, Request::get("/oauth2/device?user_code=%3CWDJB-MJHT"), "").await;
    assert!(text(shown).await.contains("value=\"&lt;WDJB-MJHT\""));
    let request = form("/oauth2/device_authorization").header(HOST, "127.0.0.1:9");
    let refused = send(&gateway, request, "client_id=app&client_secret=wrong").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}
