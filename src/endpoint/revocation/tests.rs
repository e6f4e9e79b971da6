//! Tests of revocations.

use std::{error::Error as _, time::Duration};

use http::{StatusCode, header::AUTHORIZATION};
use tokio::time::Instant;

use super::*;
use crate::{
    context::GrantContext,
    endpoint::{
        ClientAuth,
        script::{Script, answer},
    },
};

fn token() -> SecretString {
    "hunter2 &".into()
}

#[tokio::test]
async fn revocation_carries_token_hint_and_client_and_nothing_else() {
    let script = Script::new([answer(200, &[("revokedaccesstoken", "hunter2")], ""), answer(200, &[], "ok")]);
    let endpoint = script.endpoint().client_auth(ClientAuth::basic("id", "hunter2")).parameter("resource", "a");
    endpoint.revoke(&token(), TokenKind::Refresh, &GrantContext::default()).await.unwrap();
    let (parts, body) = script.last();
    assert_eq!(parts.uri, "http://localhost/revoke");
    assert_eq!(parts.headers[AUTHORIZATION], "Basic aWQ6aHVudGVyMg==");
    assert_eq!(body, "token=hunter2+%26&token_type_hint=refresh_token");

    let endpoint = endpoint.client_auth(ClientAuth::post("id", "s"));
    endpoint.revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap();
    assert_eq!(script.last().1, "token=hunter2+%26&token_type_hint=access_token&client_id=id&client_secret=s");
}

#[tokio::test]
async fn nothing_is_sent_without_an_address() {
    let script = Script::new([]);
    let mut endpoint = script.endpoint();
    assert!(endpoint.revokes());
    endpoint = endpoint.set(|settings| settings.revocation = None);
    assert!(!endpoint.revokes());
    endpoint.revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn busy_server_is_asked_three_times_with_pauses_between() {
    let script = Script::new([answer(503, &[], ""), answer(429, &[], ""), answer(200, &[], "")]);
    let start = Instant::now();
    script.endpoint().revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap();
    assert_eq!((script.sends(), start.elapsed()), (3, Duration::from_secs(1 + 2)));

    let script = Script::new((0..3).map(|_| answer(503, &[("retry-after", "300")], "")));
    let start = Instant::now();
    let error = script.endpoint().revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap_err();
    assert_eq!((script.sends(), start.elapsed()), (3, Duration::from_secs(30 + 30)));
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotRevoked, Some(StatusCode::SERVICE_UNAVAILABLE)));
}

#[tokio::test]
async fn other_failure_is_final_and_keeps_its_cause() {
    for (status, content_type, body, code) in [
        (400, "application/json", r#"{"error":"unsupported_token_type"}"#, Some("unsupported_token_type")),
        (401, "application/json", r#"{"error":"invalid_client"}"#, Some("invalid_client")),
        // LemonLDAP::NG, which has no revocation.
        (401, "application/json; charset=utf-8", r#"{"result":0,"error":"9"}"#, Some("9")),
        (500, "text/plain", "hunter2", None),
        (302, "text/html", "hunter2", None),
        (200, "Text/HTML; charset=utf-8", "<html>hunter2", None),
        (200, "application/json", " \n<!DOCTYPE html>hunter2", None),
        (200, "", "\u{feff}<html>hunter2", None),
        (200, "application/json", r#"{"error":"invalid_client"}"#, Some("invalid_client")),
        (202, "application/x-www-form-urlencoded", "error=invalid_client", Some("invalid_client")),
    ] {
        let script = Script::new([answer(status, &[("content-type", content_type)], body)]);
        let error = script.endpoint().revoke(&token(), TokenKind::Refresh, &GrantContext::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.oauth_code()), (ErrorKind::NotRevoked, code), "{status}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(error.source().is_some());
        let message = error.to_string();
        assert!(
            message.starts_with("the revocation of the refresh token failed at http://localhost/revoke: "),
            "{message}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn description_of_a_failure_does_not_repeat_the_token() {
    let body = r#"{"error":"invalid_request","error_description":"hunter2+%26 of \"id\" is none"}"#;
    let script = Script::new([answer(400, &[], body)]);
    let error = script.endpoint().revoke(&token(), TokenKind::Refresh, &GrantContext::default()).await.unwrap_err();
    assert_eq!(error.description_untrusted(), Some("[redacted] of \"id\" is none"));
}

#[tokio::test]
async fn description_of_a_failure_repeats_no_token_of_the_session() {
    let body = r#"{"error":"invalid_request","error_description":"hunter2+%26 is not of other-token-4711"}"#;
    let script = Script::new([answer(400, &[], body)]);
    let context = GrantContext::default().holding(|| vec!["other-token-4711".into()]);
    let error = script.endpoint().revoke(&token(), TokenKind::Refresh, &context).await.unwrap_err();
    assert_eq!(error.description_untrusted(), Some("[redacted] is not of [redacted]"));
}

#[tokio::test]
async fn any_2xx_that_is_no_error_and_no_page_says_that_it_is_done() {
    for (status, content_type, body) in [
        (200, "text/html", ""),
        (200, "text/html", "OK"),
        (200, "application/json", "{}"),
        (200, "application/json", r#"{"error":null}"#),
        (200, "application/json", r#"{"result":"hunter2"#),
        (202, "text/plain", "later"),
        (204, "", ""),
    ] {
        let script = Script::new([answer(status, &[("content-type", content_type)], body)]);
        script.endpoint().revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn pause_of_the_token_endpoint_does_not_hold_up_a_revocation() {
    let script = Script::new([answer(429, &[("retry-after", "40")], ""), answer(200, &[], "")]);
    let endpoint = script.endpoint();
    endpoint.request(&GrantContext::default(), &[]).await.unwrap_err();
    let start = Instant::now();
    endpoint.revoke(&token(), TokenKind::Access, &GrantContext::default()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
