//! The layer against servers that others wrote: django-oauth-toolkit, alone and behind nginx and Apache, and those of
//! `servers`; `grants` compares them all, and `dpop` has those that bind tokens to a key. `.ci/peers` runs them.
//!
//! django-oauth-toolkit kills a whole grant when one of its refresh tokens is used twice, and the refresh token of every access
//! token that is revoked.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod connections;
mod discovery;
mod dpop;
mod endurance;
mod gateways;
mod grants;
mod peer;
#[cfg(unix)]
#[path = "../process_support/mod.rs"]
mod process_support;
#[cfg(unix)]
mod processes;
mod proxy;
mod refusals;
mod servers;

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use tower_reauth::{ErrorKind, Status};

use self::peer::Peer;

#[tokio::test]
async fn password_login_and_work() {
    let peer = Peer::new();
    let tablet = peer.device();

    for _ in 0..3 {
        assert_eq!(tablet.get(&peer.orders()).await.unwrap(), StatusCode::OK);
    }
    assert_eq!(tablet.asked(), ["password"]);
    assert_eq!(tablet.session.status(), Status::Active);
}

#[tokio::test]
async fn token_revoked_behind_the_layers_back_work_goes_on() {
    let peer = Peer::new();
    let tablet = peer.device();
    let (access_token, _) = tablet.tokens().await;

    peer.revoke(&access_token).await;
    assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);

    assert_eq!(tablet.get(&peer.orders()).await.unwrap(), StatusCode::OK);
    assert_eq!(tablet.asked(), ["password", "refresh_token", "password"]);
}

#[tokio::test]
async fn refresh_under_100_concurrent_callers_is_one_token_request() {
    let peer = Peer::new();
    let tablet = peer.device();
    let (access_token, refresh_token) = tablet.tokens().await;
    peer.expire(&access_token).await;
    assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);

    let uri = peer.orders();
    let answers = join_all((0..100).map(|_| tablet.get(&uri))).await;

    for answer in answers {
        assert_eq!(answer.unwrap(), StatusCode::OK);
    }
    assert_eq!(tablet.asked(), ["password", "refresh_token"]);

    // The grant lives: its next refresh token is still good for a refresh.
    let token = tablet.session.token().await.unwrap();
    tablet.session.renew(token.generation()).await.unwrap();
    assert_eq!(tablet.asked(), ["password", "refresh_token", "refresh_token"]);
    // And this server is what the page says: one second use of the first refresh token would have ended all that.
    assert_eq!(peer.redeem(&refresh_token).await, StatusCode::BAD_REQUEST);
    assert_eq!(peer.status_of(&tablet.tokens().await.0).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_password_is_refused_once() {
    let peer = Peer::new();
    let tablet = peer.device_with_password("not bob's".to_owned());

    for minutes in [0, 0, 1, 5, 15] {
        // Only for a moment: time that stands still while a real server works would jump to the next time-out.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
        tokio::time::resume();
        let error = tablet.get(&peer.orders()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    assert_eq!(tablet.asked(), ["password"]);
    assert_eq!(tablet.session.status(), Status::Refused);
}

#[tokio::test]
async fn logout_revokes_at_the_server() {
    let peer = Peer::new();
    let tablet = peer.device();
    let (access_token, refresh_token) = tablet.tokens().await;
    assert_eq!(peer.status_of(&access_token).await, StatusCode::OK);

    tablet.session.logout().await.unwrap();

    assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(peer.redeem(&refresh_token).await, StatusCode::BAD_REQUEST);
    assert_eq!(tablet.get(&peer.orders()).await.unwrap_err().kind(), ErrorKind::LoggedOut);
    assert_eq!(tablet.asked(), ["password", "revoke refresh_token", "revoke access_token"]);
}
