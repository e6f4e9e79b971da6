//! Tests of token requests.

mod ends;
mod pauses;

use std::{
    convert::Infallible,
    error::Error as _,
    future::pending,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{Full, StreamBody};
use tokio::time::{Instant, advance};

use super::*;
use crate::{
    endpoint::{
        ClientAuth,
        script::{Script, TOKEN, answer},
    },
    error::TokenVerdict,
    identity::SessionId,
};

fn context() -> GrantContext {
    GrantContext::new(SessionId(7), Some(r#"{"a":1}"#.into()), None)
}

async fn ask(endpoint: &TokenEndpoint) -> Result<TokenSet, Error> {
    endpoint.request(&GrantContext::default(), &[("grant_type", "password")]).await
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[tokio::test]
async fn request_is_a_form_that_names_its_session_and_its_client() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    let endpoint = script.endpoint().client_auth(ClientAuth::basic("id", "hunter2")).parameter("resource", "https://a");
    endpoint.request(&context(), &[("grant_type", "password"), ("scope", "a b")]).await.unwrap();

    let (parts, body) = script.last();
    assert_eq!(parts.method, Method::POST);
    assert_eq!(parts.uri, "http://localhost/token?key=hunter2");
    assert_eq!(parts.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(parts.headers[ACCEPT], "application/json");
    assert_eq!(parts.headers[AUTHORIZATION], "Basic aWQ6aHVudGVyMg==");
    assert!(parts.headers[AUTHORIZATION].is_sensitive());
    assert_eq!(parts.extensions.get(), Some(&SessionId(7)));
    assert_eq!(body, "grant_type=password&scope=a+b&claims=%7B%22a%22%3A1%7D&resource=https%3A%2F%2Fa");
}

#[tokio::test]
async fn tokens_come_with_any_2xx_as_a_form_and_of_a_type_that_is_accepted() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let bot = r#"{"access_token":"at","token_type":"bot"}"#;
    let script = Script::new([
        answer(201, &[], TOKEN),
        answer(202, &form, "access_token=at"),
        answer(401, &form, "error=invalid_client"),
        answer(200, &[], bot),
        answer(200, &[], bot),
    ]);
    let endpoint = script.endpoint();
    ask(&endpoint).await.unwrap();
    ask(&endpoint).await.unwrap();
    assert_eq!(ask(&endpoint).await.unwrap_err().oauth_code(), Some("invalid_client"));
    assert_eq!(ask(&endpoint).await.unwrap_err().kind(), ErrorKind::UnsupportedTokenType);
    let tokens = ask(&endpoint.accept_token_type("Bot")).await.unwrap();
    assert_eq!(tokens.header_value(), "Bearer at");
}

#[tokio::test]
async fn no_client_was_set_so_none_is_sent() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    ask(&script.endpoint()).await.unwrap();
    let (parts, body) = script.last();
    assert!(!parts.headers.contains_key(AUTHORIZATION));
    assert_eq!(body, "grant_type=password");
}

#[tokio::test]
async fn refresh_sends_no_scope_and_repeats_the_endpoints_parameters() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    let endpoint =
        script.endpoint().client_auth(ClientAuth::none("id")).parameter("resource", "a").parameter("resource", "b");
    endpoint.refresh(&GrantContext::default(), || Ok("r t".into())).await.unwrap();
    assert_eq!(script.last().1, "grant_type=refresh_token&refresh_token=r+t&resource=a&resource=b&client_id=id");
}

#[tokio::test]
async fn parameter_of_the_request_wins_over_the_endpoints_own() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    let endpoint = script.endpoint().parameter("scope", "a").parameter("claims", "b");
    endpoint.request(&context(), &[("scope", "mine"), ("claims", "own")]).await.unwrap();
    assert_eq!(script.last().1, "scope=mine&claims=own");
}

#[tokio::test]
async fn claims_that_are_asked_for_win_over_the_endpoints_own() {
    let script = Script::new([answer(200, &[], TOKEN), answer(200, &[], TOKEN)]);
    let endpoint = script.endpoint().parameter("claims", "b");
    endpoint.request(&context(), &[]).await.unwrap();
    assert_eq!(script.last().1, "claims=%7B%22a%22%3A1%7D");
    endpoint.request(&GrantContext::default(), &[]).await.unwrap();
    assert_eq!(script.last().1, "claims=b");
}

#[tokio::test]
async fn what_stands_where_a_code_or_a_type_should_is_not_told_if_it_is_a_secret() {
    for body in [r#"{"error":"correct-horse"}"#, r#"{"access_token":"a","token_type":"correct-horse"}"#] {
        let script = Script::new([answer(200, &[], body)]);
        let parameters = [("grant_type", "password"), ("password", "correct-horse")];
        let error = script.endpoint().request(&context(), &parameters).await.unwrap_err();
        assert_eq!(error.oauth_code(), None);
        assert!(!format!("{error} {error:?}").contains("horse"), "{error}");
    }
}

#[tokio::test]
async fn description_holds_nothing_of_the_request_and_keeps_what_is_public() {
    let body =
        r#"{"error":"invalid_target","error_description":"orders of id at https://api: hunter2, sesame-1, s4711, r"}"#;
    let script = Script::new([answer(400, &[], body)]);
    let endpoint = script.endpoint().client_auth(ClientAuth::post("id", "s4711")).parameter("assertion", "sesame-1");
    let parameters = [("scope", "orders"), ("resource", "https://api"), ("x", "r")];
    let error = endpoint.request(&context(), &parameters).await.unwrap_err();
    // The last one is short and stands in other words.
    let told = "o[redacted]de[redacted]s of id at https://api: [redacted], [redacted], [redacted], [redacted]";
    assert_eq!(error.description_untrusted(), Some(told));
}

#[tokio::test]
async fn error_names_the_request_and_the_address_without_its_query() {
    let script = Script::new([
        answer(400, &[], r#"{"error":"invalid_grant","error_description":"hunter2"}"#),
        answer(404, &[], ""),
    ]);
    let error = ask(&script.endpoint()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token request with grant type `password` failed at http://localhost/token: the server refused the \
         credentials (status 400, invalid_grant); ask the user to log in again once the session's status is `Refused`"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
    let error = script.endpoint().refresh(&context(), || Ok("hunter2".into())).await.unwrap_err();
    assert!(error.to_string().starts_with("the refresh failed at http://localhost/token: "), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn body_of_a_failure_decides_nothing_beyond_its_code() {
    for (status, body, kind, code) in [
        (400, r#"{"error":"brand_new"}"#, ErrorKind::Refused, Some("brand_new")),
        (400, r#"{"error":"hunter2 with space"}"#, ErrorKind::Refused, None),
        (400, r#"{"error":["hunter2"]}"#, ErrorKind::Refused, None),
        (400, r#"{"error":"invalid_gr"#, ErrorKind::Refused, None),
        (400, r#"{"error":"Bad Request"}"#, ErrorKind::Refused, None),
        (401, r#"{"error":"unauthorized"}"#, ErrorKind::Refused, None),
        (400, r#"{"error":{"code":"slow_down","message":"hunter2"}}"#, ErrorKind::Unavailable, Some("slow_down")),
        (400, r#"{"error":{"code":400,"message":"TOKEN_EXPIRED"}}"#, ErrorKind::Refused, Some("TOKEN_EXPIRED")),
        (
            400,
            r#"{"error":{"code":400,"message":"hunter2 is wrong","status":"DENIED"}}"#,
            ErrorKind::Refused,
            Some("DENIED"),
        ),
        (400, r#"{"error":{"message":"hunter2 is wrong"}}"#, ErrorKind::Refused, None),
        (401, "<html>hunter2", ErrorKind::Refused, None),
        (403, "\u{feff}\r\n <html>hunter2", ErrorKind::UnexpectedStatus, None),
        (401, r#"{"error":"invalid_client"}"#, ErrorKind::Misconfigured, Some("invalid_client")),
        (500, r#"{"error":"invalid_grant"}"#, ErrorKind::Unavailable, Some("invalid_grant")),
        (201, r#"{"access_token":"hunter2","error":"invalid_grant"}"#, ErrorKind::Refused, Some("invalid_grant")),
        (204, "", ErrorKind::EmptyAnswer, None),
        (307, r#"{"error":"invalid_grant"}"#, ErrorKind::Redirected, None),
    ] {
        let script = Script::new([answer(status, &[("location", "https://hunter2/")], body)]);
        let error = ask(&script.endpoint()).await.unwrap_err();
        assert_eq!((error.kind(), error.oauth_code()), (kind, code), "{status} {body}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn session_that_authorizes_its_own_request_is_told_so() {
    let service = tower::service_fn(async |_: Request<Full<Bytes>>| {
        Err::<Response<Full<Bytes>>, _>(Error::new(ErrorKind::SelfAuthorization, "recursion"))
    });
    let error = ask(&TokenEndpoint::new(service, "http://localhost/token").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SelfAuthorization);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let script = Script::new([]);
    let endpoint = script.endpoint();
    let error = tokio_test::task::spawn(ask(&endpoint)).poll().map(Result::unwrap_err);
    assert!(matches!(error, Poll::Ready(error) if error.kind() == ErrorKind::NoRuntime));
}

#[tokio::test]
async fn each_exchange_has_a_client_of_its_own_that_was_polled_ready() {
    let clones = Arc::new(AtomicUsize::new(0));
    let strict = Strict { ready: false, clones: Arc::clone(&clones) };
    // `String` is no body that takes bytes, so the client is adapted as a user would.
    let service = tower::ServiceExt::map_request(strict, |_: Request<Full<Bytes>>| Request::new(String::new()));
    let endpoint = TokenEndpoint::new(service, "http://localhost/token").unwrap();
    for _ in 0..3 {
        ask(&endpoint).await.unwrap();
    }
    assert!(clones.load(Ordering::Relaxed) >= 3);
}

#[tokio::test(start_paused = true)]
async fn service_that_is_not_ready_was_sent_nothing() {
    for readiness in [Poll::Pending, Poll::Ready(Err("no room"))] {
        let endpoint = TokenEndpoint::new(Unready { readiness }, "http://localhost/token").unwrap();
        let error = ask(&endpoint).await.unwrap_err();
        assert_eq!(error.verdict(SessionId::default()), TokenVerdict::Unsent, "{error}");
    }
}

/// Never lets a request in.
#[derive(Clone)]
struct Unready {
    readiness: Poll<Result<(), &'static str>>,
}

impl tower::Service<Request<Full<Bytes>>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = std::future::Pending<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.readiness
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        panic!("called before it was ready")
    }
}

/// Panics unless each call was preceded by a `poll_ready` of the same clone.
struct Strict {
    ready: bool,
    clones: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self { ready: false, clones: Arc::clone(&self.clones) }
    }
}

impl tower::Service<Request<String>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        Box::pin(async { Ok(Response::new(TOKEN.to_owned())) })
    }
}
