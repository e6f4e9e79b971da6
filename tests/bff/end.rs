//! The end of the server.

use http::Request;
use http_body_util::BodyExt;

use crate::{arguments::LoginKind::Password, browser::Bff};

#[tokio::test]
async fn closing_ends_open_streams_and_revokes_what_is_left() {
    let bff = Bff::start(Password).await;
    let mut alice = bff.alice().await;
    let mut bob = bff.browser();
    bob.log_in("bob", "builder").await;
    let stream = alice.open(Request::get("/events"), "").await.into_body();
    bff.app.close();
    // It would go on for ever.
    let told = stream.collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&told).contains("event: ended"), "the login has not ended yet");
    alice.get("/events").await;
    bff.app.leave().await;
    assert_eq!(bff.gateway.counters().revocations, 2);
    assert!(bff.app.sessions.is_empty());
}
