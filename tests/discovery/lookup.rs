//! Where metadata is looked for, and what is said where it is not there.

use tower_reauth::{ErrorKind, TokenEndpoint};

use super::server::{FIRST, ISSUER, SECOND, Says, Server, TOKEN, ask, metadata, with};
use crate::support::{Broken, Trace, never_hangs};

#[tokio::test(start_paused = true)]
async fn metadata_is_fetched_with_the_first_token_request_and_once() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    assert_eq!(server.fetches(), 0);
    for _ in 0..3 {
        ask(&endpoint).await.unwrap();
        ask(&endpoint.clone().parameter("a", "b")).await.unwrap();
    }
    let asked = server.asked();
    assert_eq!(asked[0], format!("GET {FIRST}"));
    assert_eq!(asked[1..], vec![format!("POST {TOKEN}"); 6]);
    let headers = &server.headers()[0];
    assert_eq!(headers["accept"], "application/json");
    assert!(!headers.contains_key("authorization"), "the client's secret stays here");
}

#[tokio::test(start_paused = true)]
async fn second_place_is_asked_where_the_first_has_no_metadata() {
    let _trace = Trace::start();
    for nothing in [
        Says::Status(400),
        Says::Status(401),
        Says::Status(403),
        Says::Status(404),
        Says::Status(405),
        Says::Status(410),
        Says::With(302, "location", "https://elsewhere.example/"),
        Says::Text("<html>".into()),
        Says::Text(String::new()),
        Says::Text(r#"{"status":404,"message":"no such page"}"#.into()),
    ] {
        let server = Server::bare();
        server.says(FIRST, nothing);
        server.says(SECOND, metadata(TOKEN));
        ask(&server.endpoint()).await.unwrap();
        assert_eq!(server.asked(), [format!("GET {FIRST}"), format!("GET {SECOND}"), format!("POST {TOKEN}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn second_place_is_not_asked_where_the_server_is_in_trouble_or_lies() {
    let _trace = Trace::start();
    let too_large = format!("{{\"a\":\"{}\"}}", "a".repeat(300 * 1024));
    for (says, kind, why) in [
        (Says::Status(500), ErrorKind::Unavailable, "in trouble"),
        (Says::Status(503), ErrorKind::Unavailable, "in trouble"),
        (Says::Status(429), ErrorKind::Unavailable, "asks to wait"),
        (Says::Status(408), ErrorKind::Unavailable, "asks to wait"),
        (Says::Broken, ErrorKind::Transport, "could not be reached"),
        (Says::Never, ErrorKind::TimedOut, "no answer within 10s"),
        (Says::Text(too_large), ErrorKind::Discovery, "larger than 262144 bytes"),
        (Says::Text("{".into()), ErrorKind::Discovery, "is cut off"),
        (with("\"a\":1"), ErrorKind::Discovery, "has no `token_endpoint`"),
    ] {
        let server = Server::bare();
        server.says(FIRST, says);
        server.says(SECOND, metadata(TOKEN));
        let error = never_hangs(ask(&server.endpoint())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.is_transient() && error.host() == Some("issuer.example"), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the discovery of {ISSUER} failed at {FIRST}: ")), "{text}");
        assert!(text.contains(why), "{text}");
        assert_eq!(server.asked(), [format!("GET {FIRST}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn error_says_what_was_found_at_both_places() {
    let _trace = Trace::start();
    let server = Server::bare();
    server.says(SECOND, Says::With(301, "location", "https://elsewhere.example/hunter2"));
    let error = ask(&server.endpoint()).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Discovery, 301));
    assert_eq!(
        error.to_string(),
        format!(
            "the discovery of {ISSUER} failed at {SECOND}: the answer is a redirect, which is not followed; and at {FIRST} \
             there is no metadata (status 301); check the issuer, and what its metadata says: it is fetched again at the next \
             attempt"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_slash_at_the_end_counts_in_the_issuer_and_not_in_the_address() {
    let _trace = Trace::start();
    for (issuer, first, second) in [
        (
            "https://a.example",
            "https://a.example/.well-known/oauth-authorization-server",
            "https://a.example/.well-known/openid-configuration",
        ),
        (
            "https://a.example/",
            "https://a.example/.well-known/oauth-authorization-server",
            "https://a.example/.well-known/openid-configuration",
        ),
        (
            "https://a.example:8443/b/c/",
            "https://a.example:8443/.well-known/oauth-authorization-server/b/c",
            "https://a.example:8443/b/c/.well-known/openid-configuration",
        ),
        (
            "http://[::1]:81/b",
            "http://[::1]:81/.well-known/oauth-authorization-server/b",
            "http://[::1]:81/b/.well-known/openid-configuration",
        ),
    ] {
        let server = Server::bare();
        let endpoint = TokenEndpoint::discover(server.clone(), issuer).unwrap();
        ask(&endpoint).await.unwrap_err();
        assert_eq!(server.asked(), [format!("GET {first}"), format!("GET {second}")]);
    }
    let server = Server::bare();
    server.says(FIRST, Says::Text(format!(r#"{{"issuer":"{ISSUER}/","token_endpoint":"{TOKEN}"}}"#)));
    let error = ask(&server.endpoint()).await.unwrap_err();
    assert!(error.to_string().contains("by a slash at the end"), "{error}");
}

#[test]
fn issuer_that_cannot_be_one_is_refused_and_not_repeated() {
    let _trace = Trace::start();
    for text in [
        "",
        "a.example",
        "http://a.example",
        "ftp://a.example",
        "https://",
        "https://a.example?hunter2",
        "https://a.example/#hunter2",
        "https://u:hunter2@a.example",
    ] {
        let service = tower::service_fn(async |_: http::Request<http_body_util::Full<bytes::Bytes>>| {
            Err::<http::Response<http_body_util::Full<bytes::Bytes>>, _>(Broken)
        });
        let error = TokenEndpoint::discover(service, text).err().unwrap_or_else(|| panic!("{text} passed"));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("the issuer "), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
