//! Cases 60 to 63: a refresh token that the server will not have, in whatever words.

use std::time::Duration;

use tokio::time::{Instant, advance};
use tower_reauth::{ErrorKind, RenewalFailed, Session, Status};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A session with a password and a refresh token, whose access token has just died.
async fn with_a_password() -> World {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world
}

/// A session with a refresh token alone, whose access token has just died.
async fn alone() -> World {
    let world = World::new(Kind::RefreshToken);
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world
}

fn sent(world: &World, grant_type: &str) -> usize {
    world.issuer.token_requests_of(grant_type)
}

// Case 60: each single answer stands in the table of `answers`.

#[tokio::test(start_paused = true)]
async fn thousand_callers_are_healed_when_the_refresh_token_is_refused_without_a_word() {
    let world = with_a_password().await;
    world.issuer.always_to("refresh_token", Answer::status(400, ""));
    let calls = (0..1_000).map(|_| world.get("/orders"));
    assert!(futures::future::join_all(calls).await.into_iter().all(|response| response.unwrap().status() == 200));
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn refresh_token_alone_is_given_up_after_three_refusals_and_the_user_is_asked() {
    for answer in [Answer::status(400, ""), Answer::error(401, "invalid_request"), Answer::status(403, "")] {
        println!("{answer:?}");
        let world = alone().await;
        let mut status = world.session.subscribe();
        let before = sent(&world, "refresh_token");
        world.issuer.always(answer);
        let start = Instant::now();
        while world.session.status() != Status::Refused {
            // Within the hour the token expires as well.
            assert!(!matches!(world.get("/orders").await, Ok(response) if response.status() == 200));
            advance(SECOND).await;
            assert!(start.elapsed() < 2 * 60 * MINUTE, "nobody is ever asked");
        }
        assert_eq!(*status.borrow_and_update(), Status::Refused);
        assert_eq!(sent(&world, "refresh_token") - before, 3);
        for _ in 0..24 * 60 {
            drop(world.get("/orders").await);
            advance(MINUTE).await;
        }
        assert_eq!(sent(&world, "refresh_token") - before, 3);
    }
}

// Case 61

#[tokio::test(start_paused = true)]
async fn refused_refresh_token_is_kept_while_the_next_rung_fails_unless_its_code_leaves_no_doubt() {
    for (answer, kept) in [(Answer::error(400, "invalid_request"), true), (Answer::error(400, "invalid_grant"), false)]
    {
        let world = with_a_password().await;
        let token = world.issuer.last_refresh_token();
        world.issuer.next(answer);
        world.issuer.next(Answer::status(500, ""));
        assert_eq!(world.get("/orders").await.unwrap().status(), 401);
        assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (1, 2));
        // What is there is revoked at the end.
        world.session.logout().await.unwrap();
        let revoked = world.issuer.revocations().iter().any(|one| one.parameter("token") == Some(&*token));
        assert_eq!(revoked, kept);
    }
}

#[tokio::test(start_paused = true)]
async fn kept_refresh_token_stands_back_for_the_password_and_has_its_turn_when_that_is_refused_for_good() {
    let world = with_a_password().await;
    world.issuer.next(Answer::error(400, "invalid_request"));
    world.issuer.always_to("password", Answer::error(400, "invalid_grant"));
    world.issuer.always_to("refresh_token", Answer::error(400, "invalid_request"));
    assert_eq!(world.get("/orders").await.unwrap().status(), 401);
    for _ in 0..59 {
        advance(SECOND).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 401);
    }
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (1, 2));
    // The password is refused for good. The refresh token works again: it was the server that was wrong.
    advance(SECOND).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), 401);
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (1, 3));
    assert_ne!(world.session.status(), Status::Refused);
    world.issuer.always_to("refresh_token", Answer::tokens());
    advance(MINUTE).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (2, 3));
    assert_eq!(world.session.status(), Status::Active);
}

// Case 62

#[tokio::test(start_paused = true)]
async fn refusal_by_a_busy_server_does_not_end_a_session_with_nothing_but_a_refresh_token() {
    let world = alone().await;
    let token = world.issuer.last_refresh_token();
    world.issuer.next(Answer::error(400, "invalid_grant"));
    let calls = (0..100).map(|_| world.get("/orders"));
    for response in futures::future::join_all(calls).await {
        let response = response.unwrap();
        assert_eq!(response.extensions().get::<RenewalFailed>().unwrap().error().kind(), ErrorKind::Refused);
        assert_eq!(text(response).await, "rejected");
    }
    assert_ne!(world.session.status(), Status::Refused);
    advance(2 * SECOND).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*token));
    assert_eq!(world.session.status(), Status::Active);
}

// Case 63

#[tokio::test(start_paused = true)]
async fn refresh_that_breaks_again_and_again_makes_room_for_the_password_after_a_minute() {
    for trouble in [Answer::status(500, ""), Answer::broken(), Answer::status(200, "<html>"), Answer::status(307, "")] {
        println!("{trouble:?}");
        let world = with_a_password().await;
        let token = world.issuer.last_refresh_token();
        world.issuer.always_to("refresh_token", trouble);
        let start = Instant::now();
        while world.get("/orders").await.unwrap().status() != 200 {
            if start.elapsed() < MINUTE {
                assert_eq!(sent(&world, "password"), 1, "{:?}", start.elapsed());
            }
            // Kept all the while.
            assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*token));
            assert!(start.elapsed() < 3 * MINUTE, "never healed");
            advance(SECOND).await;
        }
        assert!(start.elapsed() >= MINUTE && sent(&world, "refresh_token") >= 3);
        assert_eq!(sent(&world, "password"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn panic_after_three_broken_refreshes_says_nothing_of_the_refresh_token() {
    let world = with_a_password().await;
    world.issuer.always_to("refresh_token", Answer::broken());
    while sent(&world, "refresh_token") < 3 {
        world.get("/orders").await.unwrap();
        advance(SECOND).await;
    }
    let broken = Instant::now();
    world.issuer.always_to("refresh_token", Answer::panic());
    while sent(&world, "refresh_token") < 4 {
        world.get("/orders").await.unwrap();
        advance(SECOND).await;
    }
    assert!(broken.elapsed() < MINUTE && sent(&world, "password") == 1, "{:?}", broken.elapsed());
    advance(MINUTE).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn broken_refresh_token_is_tried_again_while_the_password_is_held_back() {
    let world = with_a_password().await;
    world.issuer.always(Answer::status(500, ""));
    for _ in 0..10 * 60 {
        assert_eq!(world.get("/orders").await.unwrap().status(), 401);
        advance(SECOND).await;
    }
    // The password's next turn is minutes away; the refresh token works again.
    let passwords = sent(&world, "password");
    world.issuer.always_to("refresh_token", Answer::tokens());
    advance(MINUTE).await;
    while world.get("/orders").await.unwrap().status() != 200 {
        advance(SECOND).await;
    }
    assert!(sent(&world, "password") <= passwords + 1);
    assert_eq!(world.issuer.last_request().grant_type(), "refresh_token");
}

#[tokio::test(start_paused = true)]
async fn refresh_that_hangs_again_and_again_makes_room_for_the_password_too() {
    let world = World::new(Kind::Password);
    let builder = Session::builder(world.grant()).renewal_limit(30 * SECOND).waiting_time(60 * SECOND);
    let world = world.with_session(builder.build());
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.always_to("refresh_token", Answer::never());
    for _ in 0..3 {
        assert_eq!(world.get("/orders").await.unwrap().status(), 401);
        advance(MINUTE).await;
    }
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (3, 1));
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!((sent(&world, "refresh_token"), sent(&world, "password")), (3, 2));
}
