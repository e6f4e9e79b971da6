//! Cases 3, 4 and 13: a rejection is healed by one renewal and one replay.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::*;
use http::{Response, header::WWW_AUTHENTICATE};
use tokio::spawn;
use tower::{Layer, ServiceExt};
use tower_reauth::{ErrorKind, NoReplay, RenewalFailed};

#[tokio::test(start_paused = true)]
async fn rejection_is_healed_by_one_renewal_and_one_replay() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        let response = world.send(post("/orders", "two of them")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.extensions().get::<RenewalFailed>().is_none());
        assert_eq!(text(response).await, "accepted");
        assert_eq!(world.issuer.token_requests(), 2);
        let [_, rejected, replayed] = world.resource.seen().try_into().unwrap();
        assert_eq!((rejected.method, rejected.uri, rejected.body), (replayed.method, replayed.uri, replayed.body));
        assert_ne!(rejected.headers["authorization"], replayed.headers["authorization"]);
        assert_eq!(replayed.status.unwrap(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_that_says_nothing_is_healed_too() {
    for_every_credential(async |world| {
        world.resource.reject_with(|| {
            let mut response = Response::<_>::default();
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
            response
        });
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn token_after_token_is_healed_on_one_service() {
    for_every_credential(async |world| {
        let mut api = world.api();
        for round in 1..=5 {
            assert_eq!(call(&mut api, get("/orders")).await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), round);
            world.issuer.revoke_all();
        }
        assert_eq!(world.issuer.dead_refresh_tokens(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn second_rejection_is_returned_after_exactly_two_sends() {
    for_every_credential(async |world| {
        let rejections = Arc::new(AtomicUsize::new(0));
        world.resource.reject_with(move || {
            let number = rejections.fetch_add(1, Ordering::SeqCst) + 1;
            Response::builder()
                .status(401)
                .header(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)
                .header("x-number", number)
                .body(format!("rejection {number}").into())
                .unwrap()
        });
        world.resource.reject_at("/strict");
        let response = world.get("/strict").await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["x-number"], "2");
        let failed = response.extensions().get::<RenewalFailed>().unwrap();
        assert_eq!(failed.error().kind(), ErrorKind::RejectedAgain);
        assert_eq!(text(response).await, "rejection 2");
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 2));
        let [first, second] = world.resource.tokens().try_into().unwrap();
        assert_ne!(first, second);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn replays_are_as_many_as_the_layer_was_told() {
    for replays in [0, 1, 2, 3] {
        for_every_credential(async |world| {
            world.resource.reject_at("/strict");
            let api = world.layer().max_replays(replays).layer(world.resource.clone());
            assert_eq!(api.oneshot(get("/strict")).await.unwrap().status(), 401);
            assert_eq!(world.resource.count(), replays as usize + 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_replay_gets_its_rejection_and_the_next_call_the_new_token() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        let mut request = get("/orders");
        request.extensions_mut().insert(NoReplay);
        let response = world.send(request).await.unwrap();
        assert_eq!(response.status(), 401);
        let failed = response.extensions().get::<RenewalFailed>().unwrap();
        assert_eq!(failed.error().kind(), ErrorKind::NotReplayable);
        assert_eq!(text(response).await, "rejected");
        assert_eq!(world.resource.count(), 2);
        // The renewal goes on behind it.
        assert!(world.session.shutdown(std::time::Duration::from_secs(1)).await);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn late_rejection_of_an_old_token_does_not_renew() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/slow", &gate);
        let late = spawn(world.api().oneshot(get("/slow")));
        gate.arrived(1).await;
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        gate.open();
        assert_eq!(late.await.unwrap().unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.count_at("/slow"), 2);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn late_rejection_is_healed_when_the_current_token_has_died_too() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/slow", &gate);
        let late = spawn(world.api().oneshot(get("/slow")));
        gate.arrived(1).await;
        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        gate.open();
        assert_eq!(late.await.unwrap().unwrap().status(), 200);
        // One renewal for the second token, one more replay, and the call has seen all three tokens.
        assert_eq!(world.issuer.token_requests(), 3);
        let of_the_call: Vec<_> = world.resource.seen().into_iter().filter(|seen| seen.uri.path() == "/slow").collect();
        let tokens: Vec<_> = of_the_call.iter().filter_map(|seen| seen.token()).collect();
        assert_eq!(tokens, world.issuer.access_tokens());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejection_of_the_old_token_during_the_renewal_of_the_new_one_waits_for_it() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/slow", &gate);
        let late = spawn(world.api().oneshot(get("/slow")));
        gate.arrived(1).await;
        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
        // The second token dies, and its renewal is under way when the first token's rejection comes in.
        world.issuer.revoke_all();
        let renewal = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&renewal));
        let other = spawn(world.api().oneshot(get("/orders")));
        renewal.arrived(1).await;
        gate.open();
        while world.resource.seen().iter().filter(|seen| seen.uri.path() == "/slow").any(|seen| seen.status.is_none()) {
            tokio::task::yield_now().await;
        }
        renewal.open();
        assert_eq!(other.await.unwrap().unwrap().status(), 200);
        assert_eq!(late.await.unwrap().unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 3);
        assert_eq!(world.resource.count_at("/slow"), 2);
    })
    .await;
}
