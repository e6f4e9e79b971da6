//! Servers and origins that never accept are not asked again and again.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};
use tower_reauth::{ErrorKind, NoReplay, Origins, ReauthLayer, RefreshTokenGrant, Session};

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
    for _ in 0..5 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!((error.oauth_code(), error.status()), (Some("invalid_grant"), Some(StatusCode::BAD_REQUEST)));
        advance(Duration::from_secs(60)).await;
    }
    assert_eq!(issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn origins_that_reject_what_cannot_be_replayed_do_not_burn_the_session() {
    let broken = ["https://one.example", "https://two.example", "https://three.example"];
    for count in 1..=broken.len() {
        let world = World::new(Kind::ClientCredentials);
        world.resource.reject_at("/broken");
        let origins = Origins::any_of(broken.into_iter().chain([ORIGIN])).unwrap();
        let api = ReauthLayer::new(world.session.clone(), origins).layer(world.resource.clone());
        let start = Instant::now();
        for origin in broken.iter().take(count).cycle() {
            if start.elapsed() > Duration::from_secs(10 * 60) {
                break;
            }
            let mut request = post(&format!("{origin}/broken"), "body");
            request.extensions_mut().insert(NoReplay);
            assert_eq!(api.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
            advance(Duration::from_secs(2)).await;
        }
        let requests = world.issuer.token_requests();
        assert!(requests < 25 * count, "{requests} token requests for {count} origins that never accept");

        // The other origin heals.
        world.issuer.revoke_all();
        assert_eq!(api.clone().oneshot(get("/orders")).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn origin_that_takes_what_cannot_be_replayed_is_not_left_alone() {
    let world = World::new(Kind::ClientCredentials);
    world.get("/orders").await.unwrap();
    for _ in 0..5 {
        world.issuer.revoke_all();
        for status in [StatusCode::UNAUTHORIZED, StatusCode::OK] {
            let mut request = post("/orders", "body");
            request.extensions_mut().insert(NoReplay);
            assert_eq!(world.send(request).await.unwrap().status(), status);
            assert!(world.session.shutdown(Duration::from_secs(1)).await);
        }
        advance(Duration::from_secs(300)).await;
    }
    assert_eq!(world.issuer.token_requests(), 6);
}
