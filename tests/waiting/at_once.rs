//! Case 76: requests that no renewal can help don't wait for it.

use futures::future::join_all;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_reauth::ErrorKind;

use super::*;

#[tokio::test(start_paused = true)]
async fn rejection_of_a_request_that_can_not_be_replayed_comes_at_once_and_the_renewal_goes_on() {
    for_every_credential(async |world| {
        with_dead_token(&world).await;
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let start = Instant::now();
        for response in join_all((0..100).map(|_| world.send(not_replayable("/orders")))).await {
            let response = response.unwrap();
            assert_eq!(failure(&response).kind(), ErrorKind::NotReplayable);
            assert_eq!(text(response).await, "rejected");
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        gate.arrived(1).await;
        gate.open();
        // Nobody waits when the answer comes.
        sleep(SECOND).await;
        assert_eq!(world.send(not_replayable("/orders")).await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 101));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn layer_without_replays_passes_rejections_at_once() {
    for_every_credential(async |world| {
        with_dead_token(&world).await;
        world.issuer.next(Answer::tokens().after(5 * SECOND));
        let api = world.layer().max_replays(0).layer(world.resource.clone());
        let start = Instant::now();
        assert_eq!(failure(&api.clone().oneshot(get("/orders")).await.unwrap()).kind(), ErrorKind::NotReplayable);
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(6 * SECOND).await;
        assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn turn_among_the_damped_is_not_waited_for_in_vain() {
    for_every_credential(async |world| {
        let session = tower_reauth::Session::builder(world.grant()).renewals_per_minute(Some(1)).build();
        let world = world.with_session(session);
        with_dead_token(&world).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        advance(57 * SECOND).await;
        world.issuer.revoke_all();
        let start = Instant::now();
        assert_eq!(failure(&world.send(not_replayable("/orders")).await.unwrap()).kind(), ErrorKind::NotReplayable);
        assert_eq!(start.elapsed(), Duration::ZERO);
        // One that can be replayed waits for it.
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(start.elapsed().as_secs(), 3);
    })
    .await;
}

/// The renewal that nobody waited for brings the same token: the origin is left alone nevertheless.
#[tokio::test(start_paused = true)]
async fn origin_that_makes_others_renew_for_nothing_is_left_alone() {
    for_every_credential(async |world| {
        world.session.token().await.unwrap();
        world.issuer.always(Answer::tokens().access_token(world.issuer.last_access_token()));
        world.resource.reject_at("/");
        let api = world.api();
        assert_eq!(
            failure(&api.clone().oneshot(not_replayable("/orders")).await.unwrap()).kind(),
            ErrorKind::NotReplayable
        );
        sleep(Duration::from_millis(1)).await;
        assert_eq!(
            failure(&api.clone().oneshot(not_replayable("/orders")).await.unwrap()).kind(),
            ErrorKind::CoolingDown
        );
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

fn with_ahead_renewal(kind: Kind) -> bool {
    // Off for the password.
    !matches!(kind, Kind::Password | Kind::TokenExchange)
}

#[tokio::test(start_paused = true)]
async fn request_that_can_not_be_replayed_waits_two_seconds_for_a_fresh_token_inside_the_ahead_window() {
    for (takes, waits, fresh) in [(1, 1, true), (20, 2, false), (3600, 2, false)] {
        for_every_credential(async |world| {
            if !with_ahead_renewal(world.kind) {
                return;
            }
            // However long a call may wait otherwise.
            let session = tower_reauth::Session::builder(world.grant()).wait_through_pauses(60 * SECOND).build();
            let world = world.with_session(session);
            world.get("/orders").await.unwrap();
            let first = world.issuer.last_access_token();
            advance(2_900 * SECOND).await;
            world.issuer.next(Answer::tokens().delivered_after(takes * SECOND));
            let start = Instant::now();
            assert_eq!(world.send(not_replayable("/orders")).await.unwrap().status(), if fresh { 200 } else { 401 });
            assert_eq!(start.elapsed().as_secs(), waits);
            // The issuer kills the present token when it makes the next one, which is why it rejects it here.
            assert_eq!(world.resource.last().token() == Some(&first), !fresh);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn pause_of_a_session_is_not_waited_for_inside_the_ahead_window() {
    for_every_credential(async |world| {
        if !with_ahead_renewal(world.kind) {
            return;
        }
        let session = tower_reauth::Session::builder(world.grant()).wait_through_pauses(60 * SECOND).build();
        let world = world.with_session(session);
        world.get("/orders").await.unwrap();
        advance(2_900 * SECOND).await;
        world.issuer.always(Answer::status(503, "").header("retry-after", "20"));
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(world.send(not_replayable("/orders")).await.unwrap().status(), 200);
        }
        assert_eq!((start.elapsed(), world.issuer.token_requests()), (Duration::ZERO, 2));
    })
    .await;
}
