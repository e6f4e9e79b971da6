//! The gateway that the examples and other tests stand on keeps WSO2's rules.

mod assertions;
mod codes;
mod devices;
mod proofs;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::gateway::{Gateway, Options, Regime};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use http::{StatusCode, header::WWW_AUTHENTICATE};
use serde_json::Value;
use tower::ServiceExt;

const LOGIN: &str = "grant_type=password&username=bob&password=pass%20word";

fn options(regime: Regime) -> Options {
    Options::new(regime).user("bob", "pass word").client("app", "s+ cret").client("other", "secret")
}

async fn send(gateway: &Arc<Gateway>, request: http::request::Builder, body: &str) -> Response {
    let request: Request = request.body(Body::from(body.to_owned())).expect("the test builds a valid request");
    gateway.router().oneshot(request).await.expect("a router is infallible")
}

async fn text(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("the body is short and in memory");
    String::from_utf8_lossy(&body).into_owned()
}

fn form(path: &str) -> http::request::Builder {
    Request::post(path).header("content-type", "application/x-www-form-urlencoded")
}

/// Sends a token request of the client `app`, and gives back the status and the answer.
async fn ask(gateway: &Arc<Gateway>, body: &str) -> (StatusCode, Value) {
    let body = format!("{body}&client_id=app&client_secret=s%2B+cret");
    let response = send(gateway, form("/oauth2/token"), &body).await;
    (response.status(), serde_json::from_str(&text(response).await).expect("token answers are JSON"))
}

/// Logs bob in, and gives back the access and the refresh token.
async fn log_in(gateway: &Arc<Gateway>, scope: &str) -> (String, String) {
    pair(ask(gateway, &format!("{LOGIN}&scope={scope}")).await)
}

fn pair((status, answer): (StatusCode, Value)) -> (String, String) {
    assert_eq!(status, StatusCode::OK, "{answer}");
    let text = |name: &str| answer[name].as_str().expect("a string").to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn refresh(gateway: &Arc<Gateway>, refresh_token: &str) -> (StatusCode, Value) {
    ask(gateway, &format!("grant_type=refresh_token&refresh_token={refresh_token}")).await
}

async fn revoke(gateway: &Arc<Gateway>, client: &str, token: &str) -> Response {
    send(gateway, form("/oauth2/revoke"), &format!("token={token}&{client}")).await
}

/// WSO2's code of the answer to a call with this token, or 0.
async fn call(gateway: &Arc<Gateway>, token: &str) -> u64 {
    let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    let response = send(gateway, request.header("accept", "application/json"), "").await;
    let answer: Value = serde_json::from_str(&text(response).await).expect("JSON was asked for");
    answer["code"].as_str().map_or(0, |code| code.parse().expect("codes are numbers"))
}

#[tokio::test(start_paused = true)]
async fn opaque_regime_hands_out_the_same_token_with_what_is_left_of_its_life() {
    let gateway = Gateway::new(options(Regime::Opaque));
    let first = ask(&gateway, LOGIN).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    let second = ask(&gateway, LOGIN).await;
    assert_eq!((&first.1["expires_in"], &second.1["expires_in"]), (&3600.into(), &3000.into()));
    let (first, second) = (pair(first), pair(second));
    assert_eq!(first, second);
    tokio::time::advance(Duration::from_secs(3000)).await;
    assert_eq!(call(&gateway, &first.0).await, 900_903);
    assert_ne!(log_in(&gateway, "").await, first);
}

#[tokio::test]
async fn jwt_regime_revokes_the_token_that_was_there() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let first = log_in(&gateway, "orders").await;
    let second = log_in(&gateway, "orders").await;
    assert_eq!(call(&gateway, &first.0).await, 900_904);
    assert_eq!(refresh(&gateway, &first.1).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(call(&gateway, &second.0).await, 0);
}

#[tokio::test]
async fn beside_regime_lets_the_old_token_live() {
    let gateway = Gateway::new(options(Regime::Beside));
    let first = log_in(&gateway, "orders").await;
    let second = log_in(&gateway, "orders").await;
    assert_ne!(first, second);
    assert_eq!((call(&gateway, &first.0).await, call(&gateway, &second.0).await), (0, 0));
}

#[tokio::test]
async fn only_a_device_scope_has_a_token_of_its_own() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let tablet = log_in(&gateway, "orders+device_tablet").await;
    let desktop = log_in(&gateway, "orders+desktop").await;
    assert_eq!(call(&gateway, &tablet.0).await, 0);
    // `desktop` is no scope that it knows: what is left is the slot of `orders`.
    log_in(&gateway, "orders").await;
    assert_eq!(call(&gateway, &desktop.0).await, 900_904);
    assert_eq!(call(&gateway, &tablet.0).await, 0);
}

#[tokio::test]
async fn refresh_ends_the_old_pair_and_its_refresh_token_works_once() {
    for regime in [Regime::Opaque, Regime::Jwt, Regime::Beside] {
        let gateway = Gateway::new(options(regime));
        let old = log_in(&gateway, "orders").await;
        let new = pair(refresh(&gateway, &old.1).await);
        assert_eq!((call(&gateway, &old.0).await, call(&gateway, &new.0).await), (900_904, 0));
        let (status, answer) = refresh(&gateway, &old.1).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
        assert_eq!(call(&gateway, &new.0).await, 0);
    }
}

#[tokio::test]
async fn refresh_token_that_comes_again_ends_its_login_and_no_other() {
    let gateway = Gateway::new(options(Regime::Beside).reuse_detection());
    let other = log_in(&gateway, "orders").await;
    let first = log_in(&gateway, "orders").await;
    let second = pair(refresh(&gateway, &first.1).await);
    let third = pair(refresh(&gateway, &second.1).await);
    let foreign = "grant_type=refresh_token&client_id=other&client_secret=secret";
    send(&gateway, form("/oauth2/token"), &format!("{foreign}&refresh_token={}", first.1)).await;
    assert_eq!(call(&gateway, &third.0).await, 0);
    assert_eq!(refresh(&gateway, &first.1).await.0, StatusCode::BAD_REQUEST);
    assert_eq!((call(&gateway, &third.0).await, call(&gateway, &other.0).await), (900_904, 0));
    assert_eq!(refresh(&gateway, &third.1).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&gateway, &other.1).await.0, StatusCode::OK);
}

#[tokio::test]
async fn unpersisted_regime_ends_nothing_but_the_token_that_is_revoked() {
    let gateway = Gateway::new(options(Regime::Unpersisted));
    let first = log_in(&gateway, "orders").await;
    let second = log_in(&gateway, "orders").await;
    let third = pair(refresh(&gateway, &first.1).await);
    assert_eq!(refresh(&gateway, &first.1).await.0, StatusCode::OK, "a refresh token is good for more than one");
    for (access, _) in [&first, &second, &third] {
        assert_eq!(call(&gateway, access).await, 0);
    }
    let app = "client_id=app&client_secret=s%2B+cret";
    let answer = revoke(&gateway, app, &first.1).await;
    assert_eq!(answer.headers()["RevokedRefreshToken"], first.1);
    assert!(!answer.headers().contains_key("RevokedAccessToken"));
    assert_eq!((call(&gateway, &first.0).await, refresh(&gateway, &first.1).await.0), (0, StatusCode::BAD_REQUEST));
    revoke(&gateway, app, &first.0).await;
    revoke(&gateway, app, &second.0).await;
    assert_eq!((call(&gateway, &first.0).await, call(&gateway, &second.0).await), (900_904, 900_904));
    assert_eq!((call(&gateway, &third.0).await, refresh(&gateway, &second.1).await.0), (0, StatusCode::OK));
    assert_eq!(revoke(&gateway, app, &first.0).await.status(), StatusCode::OK);
    assert_eq!(gateway.counters().revocations, 3);
}

#[tokio::test]
async fn revoking_either_token_ends_both_and_names_them_in_the_answer() {
    let app = "client_id=app&client_secret=s%2B%20cret";
    for which in [0, 1] {
        let gateway = Gateway::new(options(Regime::Jwt));
        let (access, refreshing) = log_in(&gateway, "orders").await;
        let token = [&access, &refreshing][which];
        let foreign = revoke(&gateway, "client_id=other&client_secret=secret", token).await;
        assert_eq!((foreign.status(), call(&gateway, &access).await), (StatusCode::OK, 0));
        let answer = revoke(&gateway, app, token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["RevokedAccessToken"], access);
        assert_eq!(answer.headers()["RevokedRefreshToken"], refreshing);
        assert_eq!(call(&gateway, &access).await, 900_904);
        assert_eq!(refresh(&gateway, &refreshing).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(revoke(&gateway, app, token).await.status(), StatusCode::OK);
        assert_eq!(gateway.counters().revocations, 1);
    }
}

#[tokio::test]
async fn client_authenticates_by_form_or_by_form_encoded_basic_but_not_by_both() {
    let gateway = Gateway::new(options(Regime::Jwt));
    // base64 of `app:s%2B+cret`
    let basic = || form("/oauth2/token").header("authorization", "Basic YXBwOnMlMkIrY3JldA==");
    let client_credentials = "grant_type=client_credentials";
    let answer = send(&gateway, basic(), client_credentials).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!text(answer).await.contains("refresh_token"));
    let both = send(&gateway, basic(), "grant_type=client_credentials&client_id=app&client_secret=s%2B+cret").await;
    assert_eq!(both.status(), StatusCode::BAD_REQUEST);
    for header in ["Basic", "Basic !", "Basic YXBw", "Basic YXBwOndyb25n", "Bearer x"] {
        let wrong = send(&gateway, form("/oauth2/token").header("authorization", header), client_credentials).await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{header}");
        assert!(wrong.headers().contains_key(WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn bad_token_requests_are_told_what_is_wrong() {
    let gateway = Gateway::new(options(Regime::Jwt));
    for (body, code) in [
        ("grant_type=password&username=bob&password=wrong", "invalid_grant"),
        ("grant_type=password&username=eve&password=pass+word", "invalid_grant"),
        ("grant_type=password&username=bob", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=x", "invalid_grant"),
        ("grant_type=implicit", "unsupported_grant_type"),
        ("x=y", "invalid_request"),
        ("grant_type=password&grant_type=password", "invalid_request"),
    ] {
        let (status, answer) = ask(&gateway, body).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &code.into()), "{body}");
    }
    for body in ["", "\u{0}%%", "&&&=", "grant_type=%ff"] {
        let status = send(&gateway, form("/oauth2/token"), body).await.status();
        assert!(status.is_client_error(), "{body}");
    }
    gateway.set_outage(true);
    let (status, answer) = ask(&gateway, LOGIN).await;
    assert_eq!((status, &answer["error"]), (StatusCode::INTERNAL_SERVER_ERROR, &"server_error".into()));
}

#[tokio::test]
async fn changed_password_ends_every_token_of_its_user_and_of_nobody_else() {
    let gateway = Gateway::new(options(Regime::Beside).user("eve", "apple"));
    let (token, refreshing) = log_in(&gateway, "orders").await;
    let eve = pair(ask(&gateway, "grant_type=password&username=eve&password=apple").await).0;
    let change = async |password: &str| {
        let body = format!("username=bob&password={password}&new_password=new");
        send(&gateway, form("/account/password"), &body).await.status()
    };
    assert_eq!((change("wrong").await, call(&gateway, &token).await), (StatusCode::FORBIDDEN, 0));
    assert_eq!((change("pass%20word").await, call(&gateway, &token).await), (StatusCode::OK, 900_904));
    assert_eq!(refresh(&gateway, &refreshing).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&gateway, LOGIN).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&gateway, "grant_type=password&username=bob&password=new").await.0, StatusCode::OK);
    assert_eq!(call(&gateway, &eve).await, 0);
}

#[tokio::test]
async fn user_information_names_whom_a_good_token_stands_for() {
    let gateway = Gateway::new(options(Regime::Jwt));
    let (token, _) = log_in(&gateway, "orders").await;
    let who = async |token: &str| {
        let request = Request::get("/oauth2/userinfo").header("authorization", format!("Bearer {token}"));
        let response = send(&gateway, request, "").await;
        (response.status(), text(response).await)
    };
    assert_eq!(who(&token).await, (StatusCode::OK, r#"{"sub":"bob"}"#.to_owned()));
    gateway.revoke_all();
    assert_eq!(who(&token).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn faults_are_json_or_xml_with_a_challenge() {
    let gateway = Gateway::new(options(Regime::Jwt));
    assert_eq!(call(&gateway, "unknown").await, 900_901);
    let missing = send(&gateway, Request::get("/orders").header("accept", "*/*"), "").await;
    assert_eq!(missing.status(), StatusCode::UNAUTHORIZED);
    let challenge = missing.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("OAuth2 realm=\"WSO2 API Manager 4\", error=\"invalid_token\""), "{challenge}");
    assert!(text(missing).await.contains("<ams:code>900902</ams:code>"));
}

#[tokio::test]
async fn journal_counts_and_the_observer_hears_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let gateway = Gateway::new(options(Regime::Jwt).observer(move |seen| told.lock().unwrap().push(seen.to_string())));
    let (dead, _) = log_in(&gateway, "orders").await;
    let (good, _) = log_in(&gateway, "orders").await;
    for (token, id) in [(&dead, "1"), (&dead, "1"), (&good, "1"), (&good, "1"), (&good, "2")] {
        let request = Request::post("/orders").header("authorization", format!("Bearer {token}"));
        send(&gateway, request.header("x-request-id", id), "an order").await;
    }
    let counters = gateway.counters();
    assert_eq!(counters.token_requests("password"), 2);
    assert_eq!((counters.rejected, counters.replayed, counters.accepted), (2, 1, 3));
    assert_eq!(gateway.orders(), 3);
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "hands out token 1 (password)",
            "hands out token 2 (password); token 1 is dead now",
            "rejects token 1: 401, 900904 access token inactive",
            "rejects token 1: 401, 900904 access token inactive",
            "takes token 2, and the call that it had rejected",
            "takes token 2",
            "takes token 2",
        ]
    );
}

#[tokio::test]
async fn order_is_echoed_and_stop_ends_the_server() {
    let running = crate::gateway::start(options(Regime::Jwt)).await.unwrap();
    let (token, _) = log_in(running.gateway(), "orders").await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = Request::post(running.url("/orders")).header("authorization", format!("Bearer {token}"));
    let request = request.body("2 pears".to_owned()).unwrap();
    let answer = client.request(request.clone()).await.unwrap().map(Body::new);
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(text(answer).await, "2 pears");
    running.stop().await.unwrap();
    assert!(client.request(request).await.unwrap_err().is_connect());
}
