//! Cases 14, 15 and 18: callers come, give up and leave, and the flight goes on.

use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};
use tokio_test::{assert_pending, task};
use tower::ServiceExt;
use tower_reauth::{ErrorKind, Session, Status};

use super::*;

#[tokio::test(start_paused = true)]
async fn flight_outlives_the_caller_that_started_it() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let mut starter = task::spawn(world.api().oneshot(get("/orders")));
        assert_pending!(starter.poll());
        world.issuer.arrived(1).await;
        let mut waiter = task::spawn(world.api().oneshot(get("/orders")));
        assert_pending!(waiter.poll());
        drop(starter);
        gate.open();
        assert_eq!(waiter.await.unwrap().status(), 200);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn answer_is_kept_when_all_callers_have_gone() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = crowd(&world, "/orders", 10).await;
        world.issuer.arrived(1).await;
        calls.iter().for_each(JoinHandle::abort);
        for call in calls {
            assert!(call.await.unwrap_err().is_cancelled());
        }
        gate.open();
        assert!(world.session.shutdown(Duration::from_secs(1)).await);
        assert_eq!(world.session.status(), Status::Active);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rotated_refresh_token_is_kept_when_the_rejected_caller_has_gone() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        let gate = Gate::closed();
        // The old refresh token is spent by now, and only the answer holds the new one.
        world.issuer.next(Answer::tokens().delivered_behind(&gate));
        let mut caller = task::spawn(world.api().oneshot(get("/orders")));
        assert_pending!(caller.poll());
        gate.arrived(1).await;
        drop(caller);
        gate.open();
        assert!(world.session.shutdown(Duration::from_secs(1)).await);
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (3, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn token_future_can_be_dropped_and_the_answer_is_kept() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let mut token = task::spawn(world.session.token());
        assert_pending!(token.poll());
        world.issuer.arrived(1).await;
        drop(token);
        gate.open();
        world.session.token().await.unwrap();
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiters_leave_after_the_waiting_time_and_the_late_answer_is_kept() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::tokens().delivered_after(Duration::from_secs(100)));
        let start = Instant::now();
        // New callers join the flight that is under way: nothing is sent a second time.
        for round in 1..=3 {
            for answer in answers(crowd(&world, "/orders", 10).await).await {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::WaitedTooLong);
            }
            assert!(start.elapsed().abs_diff(Duration::from_secs(30 * round)) < Duration::from_secs(1));
            assert_eq!(world.issuer.token_requests(), 1);
        }
        // The fourth round gets the answer.
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert!(start.elapsed().abs_diff(Duration::from_secs(100)) < Duration::from_secs(1));
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejected_callers_get_their_rejection_after_the_waiting_time_and_the_late_answer_is_kept() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.issuer.next(Answer::tokens().delivered_after(Duration::from_secs(50)));
        let start = Instant::now();
        let response = world.get("/orders").await.unwrap();
        assert!(start.elapsed().abs_diff(Duration::from_secs(30)) < Duration::from_secs(1));
        assert_eq!((response.status().as_u16(), failure(&response).kind()), (401, ErrorKind::WaitedTooLong));
        // Nobody waits when the answer comes.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (2, 0));
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (3, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn flight_without_an_answer_ends_at_its_own_limit_and_the_next_call_tries_again() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::never());
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
        }
        let last = world.get("/orders").await.unwrap_err();
        assert!([ErrorKind::TimedOut, ErrorKind::WaitedTooLong].contains(&last.kind()));
        assert!(world.session.shutdown(Duration::from_secs(1)).await);
        assert!(start.elapsed().abs_diff(Duration::from_secs(120)) < Duration::from_secs(2));
        assert_eq!(world.issuer.token_requests(), 1);
        tokio::time::sleep(AFTER_BACKOFF).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_time_and_renewal_limit_are_the_session_s_own() {
    for_every_credential(async |world| {
        let session = Session::builder(world.grant())
            .waiting_time(Duration::from_secs(3))
            .renewal_limit(Duration::from_secs(10))
            .build();
        let world = world.with_session(session);
        world.issuer.next(Answer::never());
        let start = Instant::now();
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
        assert!(start.elapsed().abs_diff(Duration::from_secs(3)) < Duration::from_secs(1));
        assert!(world.session.shutdown(Duration::from_secs(60)).await);
        assert!(start.elapsed().abs_diff(Duration::from_secs(10)) < Duration::from_secs(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_one_after_the_other_start_no_further_token_request() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::tokens().after(Duration::from_secs(20)));
        for _ in 0..100 {
            let call = tokio::time::timeout(Duration::from_millis(100), world.get("/orders"));
            assert!(call.await.is_err());
        }
        assert_eq!(world.issuer.token_requests(), 1);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.issuer.peak()), (1, 1));
    })
    .await;
}
