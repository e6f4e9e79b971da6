//! Cases 16 and 17: a flight that fails or dies hangs nobody, and the next call starts afresh.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    spawn,
    time::Instant,
};
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};
use tower_reauth::{ErrorKind, Session, TokenSet, Wso2Classifier, grant_fn};

use super::*;

#[tokio::test(start_paused = true)]
async fn failed_flight_gives_all_cold_callers_the_same_error_and_the_next_call_tries_again() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::status(500, "oops"));
        let errors: Vec<_> = answers(crowd(&world, "/orders", CROWD).await).await;
        let errors: Vec<_> = errors.into_iter().map(|answer| answer.unwrap_err()).collect();
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unavailable && error.status().unwrap() == 500));
        assert!(errors.iter().all(|error| error.to_string() == errors[0].to_string()));
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 0));
        tokio::time::sleep(AFTER_BACKOFF).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_during_the_backoff_fail_at_once_and_send_nothing() {
    for_every_credential(async |world| {
        if world.kind == Kind::Password {
            // It is spaced by rules of its own.
            return;
        }
        world.issuer.next(Answer::status(500, "oops").header("retry-after", "7"));
        let first = world.get("/orders").await.unwrap_err();
        assert_eq!(first.retry_after(), Some(Duration::from_secs(7)));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = Instant::now();
        for answer in answers(crowd(&world, "/orders", CROWD).await).await {
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.retry_after()), (first.kind(), Some(Duration::from_secs(2))));
        }
        assert_eq!((before.elapsed(), world.issuer.token_requests()), (Duration::ZERO, 1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_flight_hands_all_rejected_callers_their_own_rejection_with_the_same_cause() {
    for_every_credential(async |world| {
        world.get("/first").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/orders", &gate);
        let calls = crowd(&world, "/orders", CROWD).await;
        gate.arrived(CROWD).await;
        world.issuer.revoke_all();
        let renewal = Gate::closed();
        world.issuer.next(Answer::broken().behind(&renewal));
        gate.open();
        renewal.arrived(1).await;
        settle().await;
        renewal.open();
        for answer in answers(calls).await {
            let response = answer.unwrap();
            assert_eq!((response.status().as_u16(), failure(&response).kind()), (401, ErrorKind::Transport));
            assert_eq!(text(response).await, "rejected");
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 1 + CROWD));
        tokio::time::sleep(AFTER_BACKOFF).await;
        assert_eq!(world.get("/first").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_forced_renewals_that_fail_make_one_flight_and_leave_the_token_in_place() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let gate = Gate::closed();
        world.issuer.next(Answer::status(500, "oops").behind(&gate));
        let calls = (0..CROWD).map(|_| spawn(world.api().oneshot(forced("/orders")))).collect();
        settle().await;
        gate.open();
        for answer in answers(calls).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 1));
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_flight_gives_cold_callers_an_error_and_a_call_after_a_pause_starts_afresh() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::panic());
        for answer in answers(crowd(&world, "/orders", 10).await).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::RenewalLost);
        }
        let error = world.get("/orders").await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RenewalLost, Some(Duration::from_secs(1))));
        assert_eq!(world.issuer.token_requests(), 1);
        tokio::time::sleep(AFTER_BACKOFF).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_flight_hands_rejected_callers_their_rejection() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.issuer.next(Answer::panic());
        let response = world.get("/orders").await.unwrap();
        assert_eq!((response.status().as_u16(), failure(&response).kind()), (401, ErrorKind::RenewalLost));
        tokio::time::sleep(AFTER_BACKOFF).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_before_it_returns_a_future_only_loses_the_flight() {
    let calls = Arc::new(AtomicUsize::new(0));
    let session = Session::new(grant_fn(move |_context| {
        assert_ne!(calls.fetch_add(1, Ordering::SeqCst), 0, "the first call panics");
        async { TokenSet::new("a-token") }
    }));
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::RenewalLost);
    tokio::time::sleep(AFTER_BACKOFF).await;
    session.token().await.unwrap();
}

/// A runtime on this thread, whose tasks move only while it blocks on something.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

#[test]
fn flight_that_dies_with_its_runtime_releases_its_waiters_and_a_call_after_a_pause_starts_afresh() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (first, second) = (runtime(), runtime());
        world.issuer.next(Answer::never());
        first.spawn(world.api().oneshot(get("/orders")));
        first.block_on(world.issuer.arrived(1));
        let mut waiter = task::spawn(world.api().oneshot(get("/orders")));
        second.block_on(async { assert_pending!(waiter.poll()) });
        assert_eq!(world.issuer.token_requests(), 1);
        drop(first);
        assert_eq!(second.block_on(waiter).unwrap_err().kind(), ErrorKind::RenewalLost);
        second.block_on(async { tokio::time::sleep(AFTER_BACKOFF).await });
        assert_eq!(second.block_on(world.get("/orders")).unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    }
}

#[test]
fn a_session_goes_on_when_the_runtime_that_it_began_on_is_gone() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        for _ in 0..3 {
            assert_eq!(runtime().block_on(world.get("/orders")).unwrap().status(), 200);
            world.issuer.revoke_all();
        }
        assert_eq!(world.issuer.token_requests(), 3);
    }
}

#[test]
fn without_a_runtime_a_call_that_needs_a_renewal_fails_and_nothing_panics() {
    use futures::executor::block_on;
    for kind in Kind::ALL {
        let world = World::new(kind);
        assert_eq!(block_on(world.get("/orders")).unwrap_err().kind(), ErrorKind::NoRuntime);
        assert_eq!(block_on(world.send(forced("/orders"))).unwrap_err().kind(), ErrorKind::NoRuntime);
        assert_eq!(block_on(world.session.token()).unwrap_err().kind(), ErrorKind::NoRuntime);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (0, 0));

        let token = runtime().block_on(world.session.token()).unwrap();
        assert_eq!(block_on(world.session.renew(token.generation())).unwrap_err().kind(), ErrorKind::NoRuntime);
        // A good token needs none.
        assert_eq!(block_on(world.get("/orders")).unwrap().status(), 200);
        world.issuer.revoke_all();
        for response in [
            block_on(world.get("/orders")).unwrap(),
            // Looks into the body, which takes a clock where there is one.
            block_on(
                world.layer().classify(Wso2Classifier::new()).layer(world.resource.clone()).oneshot(get("/orders")),
            )
            .unwrap(),
        ] {
            assert_eq!(response.status(), 401);
            assert_eq!(block_on(text(response)), "rejected");
        }
        let response = block_on(world.get("/orders")).unwrap();
        assert_eq!(failure(&response).kind(), ErrorKind::NoRuntime);
        assert_eq!(world.issuer.token_requests(), 1);
    }
}
