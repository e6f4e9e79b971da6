//! A store that is down, full or slow.

use tokio::time::{Instant, advance, sleep};
use tower_reauth::{ErrorKind, Status};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn save_that_fails_keeps_calls_going_and_is_made_good() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let call = tokio::spawn({
        let process = process.clone();
        async move { process.status_of_a_call().await }
    });
    household.issuer.arrived(2).await;
    household.store.fails(Fails::Saves);
    gate.open();
    assert_eq!(call.await.unwrap(), 200);
    // What nobody else has may be spent, and nobody else may spend what it replaced.
    assert!(household.store.is_leased(KEY));
    household.issuer.revoke_all();
    assert_eq!(process.status_of_a_call().await, 200);
    assert!(household.store.is_leased(KEY));
    household.store.fails(Fails::Nothing);
    advance(10 * SECOND).await;
    assert!(process.session.shutdown(10 * SECOND).await);
    assert!(!household.store.is_leased(KEY));
    let next = household.process(household.stored());
    assert_eq!(next.status_of_a_call().await, 200);
    assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn stored_refresh_token_is_never_spent_without_the_store() {
    let household = Household::new();
    let process = household.logged_in().await;
    for fails in [Fails::Saves, Fails::Everything] {
        household.store.fails(fails);
        household.issuer.revoke_all();
        assert_eq!(process.status_of_a_call().await, 401);
        assert_eq!(household.issuer.token_requests(), 1);
    }
    household.store.fails(Fails::Nothing);
    advance(61 * SECOND).await;
    assert_eq!(process.status_of_a_call().await, 200);
    assert_eq!(household.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn store_that_works_again_ends_the_pause_within_a_second() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.store.fails(Fails::Everything);
    household.issuer.revoke_all();
    for _ in 0..20 {
        assert_eq!(process.status_of_a_call().await, 401);
        advance(5 * SECOND).await;
    }
    household.store.fails(Fails::Nothing);
    advance(SECOND).await;
    assert_eq!(process.status_of_a_call().await, 200);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_a_session_uses_its_own_grant_and_saves_what_that_brings() {
    let household = Household::new();
    household.store.fails(Fails::Everything);
    let process = household.process(household.password());
    assert_eq!(process.status_of_a_call().await, 200);
    household.issuer.revoke_all();
    household.store.fails(Fails::Nothing);
    advance(10 * SECOND).await;
    assert!(process.session.shutdown(10 * SECOND).await);
    assert_eq!(process.status_of_a_call().await, 200);
    assert_eq!(household.store.record(KEY).unwrap().version().number(), 2);
}

#[tokio::test(start_paused = true)]
async fn store_that_never_answers_holds_a_call_for_two_seconds_at_a_step() {
    let household = Household::new();
    household.store.takes(3600 * SECOND);
    let process = household.process(household.password());
    let began = Instant::now();
    assert_eq!(process.status_of_a_call().await, 200);
    assert!(began.elapsed() <= 4 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn process_without_a_credential_of_its_own_waits_two_seconds_for_a_store_that_hangs() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.issuer.revoke_all();
    household.store.takes(3600 * SECOND);
    let began = Instant::now();
    assert_eq!(process.status_of_a_call().await, 401);
    assert_eq!((began.elapsed(), household.issuer.token_requests()), (2 * SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn store_that_is_slow_is_waited_for_at_each_step() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.issuer.revoke_all();
    household.store.takes(SECOND * 19 / 10);
    let began = Instant::now();
    assert_eq!(process.status_of_a_call().await, 200);
    // Look, lease, look again, claim, save.
    assert!(began.elapsed() <= 10 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn wait_for_another_process_is_one_wait_of_the_calls_own_clock() {
    let household = Household::new();
    household.logged_in().await;
    advance(3601 * SECOND).await;
    household.issuer.next(Answer::never());
    let (slow, waiting) = (household.process(household.stored()), household.process(household.stored()));
    let hung = tokio::spawn(async move { slow.get().await });
    household.issuer.arrived(2).await;
    let began = Instant::now();
    assert_eq!(waiting.get().await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
    assert_eq!(began.elapsed().as_secs(), 30);
    assert!(waiting.is(Status::Idle));
    let _ = hung.await;
}

#[tokio::test(start_paused = true)]
async fn holder_of_the_lease_that_sends_nothing_is_passed_over() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.store.take_lease(KEY);
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!(process.status_of_a_call().await, 200);
    assert!((10..13).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_claim_is_not_taken_from_the_token_request_that_follows() {
    let household = Household::new();
    household.logged_in().await;
    advance(3601 * SECOND).await;
    let gate = Gate::closed();
    household.issuer.next(Answer::never());
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let (dead, next) = (household.process(household.stored()), household.process(household.stored()));
    let hung = tokio::spawn(async move { dead.get().await });
    household.issuer.arrived(2).await;
    advance(5 * SECOND).await;
    assert_eq!(next.get().await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
    // The claim ends five seconds before the renewal that waits for it would have.
    household.issuer.arrived(3).await;
    sleep(20 * SECOND).await;
    gate.open();
    assert_eq!(next.status_of_a_call().await, 200);
    assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (3, 0));
    let _ = hung.await;
}
