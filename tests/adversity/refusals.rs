//! Servers and origins that never accept are not asked again and again.

use std::{error::Error as _, time::Duration};

use http::StatusCode;
use tokio::time::advance;
use tower_reauth::{Error, ErrorKind, RefreshTokenGrant, Session};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn client_that_is_refused_at_a_refresh_is_probed_and_not_hammered() {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.always(Answer::error(401, "invalid_client"));
    for _ in 0..15 * 60 {
        advance(Duration::from_secs(1)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    // After 60 s, 120 s and 240 s more, and so on.
    assert_eq!(world.issuer.token_requests_of("refresh_token"), 4);
    assert_eq!(world.issuer.token_requests_of("password"), 1);

    world.issuer.always(Answer::tokens());
    advance(Duration::from_secs(15 * 60)).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.issuer.token_requests_of("refresh_token"), 5);

    // The memory ends with a success.
    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn error_of_a_session_without_refresh_token_tells_what_the_server_said() {
    let issuer = Issuer::new();
    let session = Session::new(RefreshTokenGrant::new(issuer.endpoint(), "unknown"));
    let error = session.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let source = error.source().and_then(Error::find).expect("the server's refusal");
    assert_eq!((source.oauth_code(), source.status()), (Some("invalid_grant"), Some(StatusCode::BAD_REQUEST)));
}
