//! What is sent to a token endpoint and what its answers mean, over an axum server in the same process.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use secrecy::ExposeSecret;
use tower_reauth::{ClientAuth, Error, ErrorKind, Grant, GrantContext, PasswordGrant, TokenEndpoint, TokenSet};

const SECRETS: [&str; 4] = ["s3cret-access", "s3cret-refresh", "s3cret-password", "s3cret-client"];

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// An endpoint that gives one answer to everything, and what it was sent.
fn endpoint(status: u16, headers: &'static [(&'static str, &'static str)], body: Vec<u8>) -> (TokenEndpoint, Seen) {
    let seen = Seen::default();
    let handler = async move |State(seen): State<Seen>, headers_in: HeaderMap, body_in: String| {
        seen.lock().unwrap().push((headers_in, body_in));
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::from(body.clone())).unwrap()
    };
    let router = Router::new().route("/oauth2/token", post(handler)).with_state(Arc::clone(&seen));
    let endpoint = TokenEndpoint::with_body::<Body>(router, "https://gw.example/oauth2/token").unwrap();
    (endpoint, seen)
}

async fn fetch(endpoint: TokenEndpoint) -> Result<TokenSet, Error> {
    let endpoint = endpoint.client_auth(ClientAuth::basic("id", "s3cret-client"));
    PasswordGrant::new(endpoint, "alice", "s3cret-password").fetch(GrantContext::default()).await
}

async fn failure(status: u16, body: impl Into<Vec<u8>>) -> Error {
    let (endpoint, seen) = endpoint(status, &[("location", "https://elsewhere.example/")], body.into());
    let error = fetch(endpoint).await.unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 1, "sent once, and no redirect followed");
    error
}

#[tokio::test]
async fn lifetime_of_any_shape_has_a_documented_meaning() {
    for (member, lifetime) in [
        ("", None),
        (r#","expires_in":3600"#, Some(3600)),
        (r#","expires_in":"3600""#, Some(3600)),
        (r#","expires_in":3600.9"#, Some(3600)),
        (r#","expires_in":null"#, None),
        (r#","expires_in":0"#, Some(0)),
        (r#","expires_in":-3600"#, Some(0)),
        (r#","expires_in":"soon""#, None),
        (r#","expires_in":99999999999999999999999"#, Some(3_155_760_000)),
        (r#","token_type":"bEARER","expires_in":60"#, Some(60)),
    ] {
        let (endpoint, _) = endpoint(200, &[], format!(r#"{{"access_token":"at"{member}}}"#).into());
        let tokens = fetch(endpoint).await.expect(member);
        assert_eq!(tokens.lifetime(), lifetime.map(Duration::from_secs), "{member}");
    }
}

#[tokio::test]
async fn reserved_and_non_ascii_characters_arrive_as_they_were_given() {
    const STRANGE: &str = "a b+c&d=e%f:g/ü€\u{1f511}\"'";
    // What RFC 6749 appendix B makes of it: UTF-8, percent signs, and a plus sign for each space.
    const ENCODED: &str = "a+b%2Bc%26d%3De%25f%3Ag%2F%C3%BC%E2%82%AC%F0%9F%94%91%22%27";
    // `ENCODED:ENCODED` in base64.
    const BASIC: &str = "Basic YStiJTJCYyUyNmQlM0RlJTI1ZiUzQWclMkYlQzMlQkMlRTIlODIlQUMlRjAlOUYlOTQlOTElMjIlMjc6YStiJTJC\
                         YyUyNmQlM0RlJTI1ZiUzQWclMkYlQzMlQkMlRTIlODIlQUMlRjAlOUYlOTQlOTElMjIlMjc=";
    let body = format!("grant_type=password&username={ENCODED}&password={ENCODED}&scope={ENCODED}");
    for (client, header, tail) in [
        (ClientAuth::basic(STRANGE, STRANGE), Some(BASIC), String::new()),
        (ClientAuth::post(STRANGE, STRANGE), None, format!("&client_id={ENCODED}&client_secret={ENCODED}")),
        (ClientAuth::none(STRANGE), None, format!("&client_id={ENCODED}")),
        (ClientAuth::basic_unencoded("id", "ü "), Some("Basic aWQ6w7wg"), String::new()),
    ] {
        let (endpoint, seen) = endpoint(200, &[], r#"{"access_token":"at"}"#.into());
        let grant = PasswordGrant::new(endpoint.client_auth(client), STRANGE, STRANGE).scope(STRANGE);
        grant.fetch(GrantContext::default()).await.unwrap();
        let (headers, sent) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(sent, format!("{body}{tail}"));
        let parsed: Vec<_> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
        assert_eq!(parsed[2], ("password".to_owned(), STRANGE.to_owned()));
        assert_eq!(headers.get("authorization").map(|value| value.to_str().unwrap()), header);
    }
}

#[tokio::test]
async fn each_bad_answer_has_its_own_kind_keeps_its_status_and_shows_no_secret() {
    let token = r#"{"access_token":"s3cret-access"#;
    let huge = format!(r#"{{"access_token":"s3cret-access","padding":"{}"}}"#, "x".repeat(2 << 20));
    for (status, body, kind) in [
        (200, r#"{"error":"invalid_grant","error_description":"s3cret-password is wrong"}"#.into(), ErrorKind::Refused),
        (202, format!(r#"{token}","refresh_token":["s3cret-refresh"]}}"#), ErrorKind::MalformedAnswer),
        (200, "<html>s3cret-password</html>".into(), ErrorKind::NotJson),
        (200, String::new(), ErrorKind::EmptyAnswer),
        (200, token.into(), ErrorKind::MalformedAnswer),
        (200, r#"{"refresh_token":"s3cret-refresh"}"#.into(), ErrorKind::MissingAccessToken),
        (200, format!(r#"{token}\nX: y"}}"#), ErrorKind::InvalidAccessToken),
        (200, format!(r#"{token}é"}}"#), ErrorKind::InvalidAccessToken),
        (200, format!(r#"{token}","token_type":"s3cret-client"}}"#), ErrorKind::UnsupportedTokenType),
        (200, huge, ErrorKind::AnswerTooLarge),
        (307, "s3cret-access".into(), ErrorKind::Redirected),
        (400, r#"{"error":"s3cret access"}"#.into(), ErrorKind::Refused),
        (400, "s3cret-access".into(), ErrorKind::Refused),
        (401, "s3cret-client".into(), ErrorKind::Refused),
        (500, r#"{"error":"invalid_grant","error_description":"s3cret-password"}"#.into(), ErrorKind::Unavailable),
    ] {
        let error = failure(status, body).await;
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error}");
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(shown.contains("https://gw.example/oauth2/token"), "{shown}");
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn other_members_of_an_answer_can_be_read() {
    let (endpoint, _) = endpoint(200, &[], r#"{"access_token":"at","id_token":"s3cret-access","n":[1, 2]}"#.into());
    let tokens = fetch(endpoint).await.unwrap();
    assert_eq!(tokens.extra("id_token").unwrap().expose_secret(), "s3cret-access");
    assert_eq!(tokens.extra("n").unwrap().expose_secret(), "[1, 2]");
    assert!(!format!("{tokens:?}").contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn server_that_asks_for_patience_is_left_alone_by_all_grants_of_the_endpoint() {
    let (endpoint, seen) = endpoint(429, &[("retry-after", "99999")], Vec::new());
    let first = fetch(endpoint.clone()).await.unwrap_err();
    assert_eq!(first.status(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(first.retry_after(), Some(Duration::from_secs(300)));
    for _ in 0..100 {
        let error = fetch(endpoint.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, first.retry_after()));
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    tokio::time::advance(Duration::from_secs(300)).await;
    fetch(endpoint).await.unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn futures_and_endpoints_go_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_shared<T: Send + Sync + Clone + 'static>(value: T) -> T {
        value
    }
    let (endpoint, _) = endpoint(200, &[], r#"{"access_token":"at"}"#.into());
    let endpoint = is_shared(endpoint);
    is_send(endpoint.request(&GrantContext::default(), &[("grant_type", "password")])).await.unwrap();
}
