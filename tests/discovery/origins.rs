//! At which origins the endpoints may be.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::{ErrorKind, Origins};

use super::server::{FIRST, Server, TOKEN, ask, metadata, with};
use crate::support::Trace;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ELSEWHERE: &str = "https://tokens.example/token";

#[tokio::test(start_paused = true)]
async fn first_metadata_may_name_another_origin_and_the_next_one_no_more() {
    let _trace = Trace::start();
    let server = Server::new();
    server.says(FIRST, metadata(ELSEWHERE));
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    for (next, goes_to) in [
        // To the issuer's own origin, within the origin, and back.
        (TOKEN, TOKEN),
        ("https://tokens.example/v2", "https://tokens.example/v2"),
        ("https://evil.example/token", "https://tokens.example/v2"),
        ("https://tokens.example:8443/token", "https://tokens.example/v2"),
        ("https://TOKENS.example:443/token", "https://TOKENS.example:443/token"),
    ] {
        let trace = Trace::start();
        server.says(FIRST, metadata(next));
        advance(DAY).await;
        ask(&endpoint).await.unwrap();
        assert_eq!(server.posts().last().unwrap(), goes_to);
        let told = trace.events("metadata not renewed");
        assert_eq!(told.len(), usize::from(next != goes_to), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_move_is_told_with_its_origin_and_the_remedy() {
    let trace = Trace::start();
    for members in [
        r#""token_endpoint":"https://evil.example/token""#.to_owned(),
        format!(r#""token_endpoint":"{TOKEN}","revocation_endpoint":"https://evil.example/r""#),
        format!(r#""token_endpoint":"{TOKEN}","mtls_endpoint_aliases":{{"token_endpoint":"https://evil.example/t"}}"#),
    ] {
        let server = Server::new();
        let endpoint = server.endpoint();
        ask(&endpoint).await.unwrap();
        server.says(FIRST, with(&members));
        advance(DAY).await;
        ask(&endpoint).await.unwrap();
        assert_eq!(server.posts(), [TOKEN, TOKEN]);
        let told = trace.events("metadata not renewed").pop().unwrap();
        assert!(told.starts_with("WARN"), "{told}");
        let why = "has moved an endpoint to https://evil.example:443; if that is right, allow it with `TokenEndpoint::endpoint_origins`";
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn allowed_origin_may_be_moved_to() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint().endpoint_origins(Origins::only("https://tokens.example").unwrap());
    ask(&endpoint).await.unwrap();
    server.says(FIRST, metadata(ELSEWHERE));
    advance(DAY).await;
    ask(&endpoint).await.unwrap();
    server.says(FIRST, metadata("https://evil.example/token"));
    advance(DAY).await;
    ask(&endpoint).await.unwrap();
    assert_eq!(server.posts(), [TOKEN, ELSEWHERE, ELSEWHERE]);
}

#[tokio::test(start_paused = true)]
async fn what_is_allowed_holds_for_the_first_metadata_too() {
    let _trace = Trace::start();
    let server = Server::new();
    server.says(FIRST, metadata(ELSEWHERE));
    let allowed = |origin| server.endpoint().endpoint_origins(Origins::only(origin).unwrap());
    let error = ask(&allowed("https://other.example")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Discovery);
    assert!(error.to_string().contains("has an endpoint at https://tokens.example:443; if that is right"), "{error}");
    assert_eq!(server.posts(), [""; 0]);
    ask(&allowed("https://tokens.example")).await.unwrap();
    server.says(FIRST, metadata(TOKEN));
    ask(&allowed("https://other.example")).await.unwrap();
    assert_eq!(server.posts(), [ELSEWHERE, TOKEN], "the issuer's own origin is always allowed");
}
