//! Cases 11, 12, 16 and 19: however many come, one token request is made.

use std::time::Duration;

use bytes::Bytes;
use tokio::spawn;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt};
use tower_reauth::{Origins, ReauthLayer};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_calls_make_one_token_request() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.arrived(1).await;
        assert_eq!(world.resource.count(), 0);
        gate.open();
        all_accepted(calls).await;
        assert_eq!((world.issuer.token_requests(), world.issuer.peak()), (1, 1));
        assert_eq!(world.resource.count(), CROWD);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_in_flight_with_a_revoked_token_make_one_renewal_and_are_all_replayed() {
    for_every_credential(async |world| {
        world.get("/first").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/orders", &gate);
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.arrived(CROWD).await;
        world.issuer.revoke_all();
        let renewal = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&renewal));
        gate.open();
        renewal.arrived(1).await;
        settle().await;
        renewal.open();
        all_accepted(calls).await;
        assert_eq!((world.issuer.token_requests(), world.issuer.peak()), (2, 1));
        assert_eq!((world.resource.count_of(401), world.resource.count_of(200)), (CROWD, CROWD + 1));
        // Each body was sent twice: to the rejection, and to the replay.
        let mut bodies: Vec<_> = world.resource.seen().into_iter().skip(1).map(|seen| seen.body).collect();
        bodies.sort();
        let mut expected: Vec<_> = (0..2 * CROWD).map(|number| Bytes::from((number / 2).to_string())).collect();
        expected.sort();
        assert_eq!(bodies, expected);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_go_on_in_the_order_in_which_they_came() {
    for_every_credential(async |world| {
        let bodies = || world.resource.seen().into_iter().map(|seen| seen.body).collect::<Vec<_>>();
        let in_order: Vec<_> = (0..CROWD).map(|number| Bytes::from(number.to_string())).collect();
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.open();
        all_accepted(calls).await;
        assert_eq!(bodies(), in_order);

        world.issuer.revoke_all();
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.open();
        all_accepted(calls).await;
        assert_eq!(bodies()[2 * CROWD..], in_order);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejections_that_come_in_waves_make_one_renewal() {
    for_every_credential(async |world| {
        world.get("/first").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/orders", &gate);
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.arrived(CROWD).await;
        world.issuer.revoke_all();
        for _ in 0..10 {
            gate.admit(CROWD / 10);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        gate.open();
        all_accepted(calls).await;
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.count(), 1 + 2 * CROWD);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_forced_renewals_at_once_make_one_flight() {
    for_every_credential(async |world| {
        world.get("/first").await.unwrap();
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = (0..CROWD).map(|_| spawn(world.api().oneshot(forced("/orders")))).collect();
        settle().await;
        gate.open();
        all_accepted(calls).await;
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.count(), 1 + CROWD);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn layers_and_clones_that_share_a_session_share_its_renewal() {
    for_every_credential(async |world| {
        let origins = || Origins::only(ORIGIN).unwrap();
        let one = ReauthLayer::new(world.session.clone(), origins()).layer(world.resource.clone());
        let other = ReauthLayer::new(world.session.clone(), origins()).max_replays(2).layer(world.resource.clone());
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls: Vec<_> = [&one, &other, &one, &other]
            .map(|api| spawn(api.clone().oneshot(get("/orders"))))
            .into_iter()
            .chain([spawn(world.api().oneshot(get("/orders")))])
            .collect();
        settle().await;
        gate.open();
        all_accepted(calls).await;
        assert_eq!(world.issuer.token_requests(), 1);

        let held = Gate::closed();
        world.resource.hold("/held", &held);
        let calls: Vec<_> = [&one, &other, &one, &other].map(|api| spawn(api.clone().oneshot(get("/held")))).into();
        held.arrived(4).await;
        world.issuer.revoke_all();
        held.open();
        all_accepted(calls).await;
        assert_eq!((world.issuer.token_requests(), world.issuer.peak()), (2, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn callers_of_token_and_renew_share_the_flight_of_the_layers() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let mut token = task::spawn(world.session.token());
        assert_pending!(token.poll());
        let calls = crowd(&world, "/orders", 10).await;
        gate.open();
        all_accepted(calls).await;
        let first = assert_ready!(token.poll()).unwrap();

        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
        // It has been renewed already.
        let second = world.session.renew(first.generation()).await.unwrap();
        assert_ne!(first.generation(), second.generation());
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}
