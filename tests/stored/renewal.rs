//! Look, lease, look again, spend, save, tell.

use futures::future::join_all;
use tokio::time::{Instant, advance};
use tower_reauth::{ErrorKind, RefreshTokenGrant, Session, Status};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn token_that_another_process_renewed_is_adopted_after_a_rejection() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    two.get().await.unwrap();
    household.issuer.revoke_all();
    assert_eq!(one.status_of_a_call().await, 200);
    assert_eq!(two.status_of_a_call().await, 200);
    assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn eight_processes_renew_an_expired_token_by_one_request() {
    let household = Household::new();
    household.logged_in().await;
    let processes: Vec<_> = (0..8).map(|_| household.process(household.stored())).collect();
    for process in &processes {
        process.get().await.unwrap();
    }
    for round in 2..6 {
        advance(3595 * SECOND).await;
        let statuses = join_all(processes.iter().map(|process| process.status_of_a_call())).await;
        assert_eq!(statuses, [200; 8]);
        assert_eq!(household.issuer.token_requests(), round);
    }
    assert_eq!((household.issuer.dead_refresh_tokens(), household.issuer.peak()), (0, 1));
    assert!(!household.store.is_leased(KEY));
}

#[tokio::test(start_paused = true)]
async fn adopted_token_that_is_dead_as_well_leads_to_one_renewal_in_the_same_call() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    two.get().await.unwrap();
    household.issuer.revoke_all();
    one.get().await.unwrap();
    household.issuer.revoke_all();
    assert_eq!(two.status_of_a_call().await, 200);
    assert_eq!(household.issuer.token_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn eight_processes_send_a_wrong_password_once() {
    let household = Household::new();
    household.issuer.always_to("password", Answer::error(400, "invalid_grant"));
    let processes: Vec<_> = (0..8).map(|_| household.process(household.password())).collect();
    for _ in 0..10 {
        for failed in join_all(processes.iter().map(Process::get)).await {
            assert_eq!(failed.unwrap_err().kind(), ErrorKind::Refused);
        }
        advance(20 * SECOND).await;
    }
    assert!(processes.iter().all(|process| process.is(Status::Refused)));
    assert_eq!(household.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn late_living_pair_wins_over_a_refused_refresh_token() {
    let household = Household::new();
    household.logged_in().await;
    advance(3601 * SECOND).await;
    let (slow, quick) = (household.process(household.stored()), household.process(household.stored()));
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let held = tokio::spawn({
        let slow = slow.clone();
        async move { slow.get().await }
    });
    household.issuer.arrived(2).await;
    // It waits until the other's claim is over, and is refused then: the token was spent.
    let refused = quick.get().await;
    assert!(refused.is_err(), "{refused:?}");
    gate.open();
    let _ = held.await;
    advance(61 * SECOND).await;
    assert_eq!((quick.status_of_a_call().await, slow.status_of_a_call().await), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn claim_that_took_until_its_end_to_be_written_is_not_made_use_of() {
    let household = Household::new();
    household.logged_in().await;
    household.issuer.revoke_all();
    let session = Session::builder(household.stored()).store(household.store.clone(), KEY).renewal_limit(SECOND);
    let slow = household.process_with(session.build());
    let gate = Gate::closed();
    household.store.hold(Step::Save, &gate);
    let call = tokio::spawn({
        let slow = slow.clone();
        async move { slow.status_of_a_call().await }
    });
    // As if its process had been stopped: another one may have renewed by now.
    advance(SECOND / 2).await;
    advance(SECOND).await;
    gate.open();
    assert_eq!((call.await.unwrap(), household.issuer.token_requests()), (401, 1));
    advance(10 * SECOND).await;
    assert_eq!((slow.status_of_a_call().await, household.issuer.token_requests()), (200, 2));
}

/// As when a process is killed after the answer and before the save: nobody has the pair that is in force.
#[tokio::test(start_paused = true)]
async fn login_whose_pair_nobody_has_is_refused_within_a_minute() {
    let household = Household::new();
    household.logged_in().await;
    let spent = household.store.record(KEY).unwrap().refresh_token().unwrap().clone();
    Session::new(RefreshTokenGrant::new(household.issuer.endpoint(), spent)).token().await.unwrap();
    advance(3601 * SECOND).await;
    let process = household.process(household.stored());
    let began = Instant::now();
    while !process.is(Status::Refused) {
        assert_eq!(process.get().await.unwrap_err().kind(), ErrorKind::Refused);
        advance(SECOND).await;
    }
    assert!(began.elapsed() <= 60 * SECOND, "{:?}", began.elapsed());
    assert_eq!(household.issuer.dead_refresh_tokens(), 2);
}

/// Case 95: an hour, in which the token expires every second.
#[tokio::test(start_paused = true)]
async fn eight_processes_renew_a_token_of_a_second_for_an_hour_by_one_request_each() {
    let household = Household::new();
    household.issuer.always(Answer::tokens().with_refresh_token().expires_in(1));
    household.logged_in().await;
    let processes: Vec<_> = (0..8).map(|_| household.process(household.stored())).collect();
    for second in 1..3600 {
        advance(SECOND).await;
        let statuses = join_all(processes.iter().map(Process::status_of_a_call)).await;
        assert_eq!(statuses, [200; 8]);
        assert_eq!(household.issuer.token_requests(), second + 1);
    }
    assert_eq!((household.issuer.dead_refresh_tokens(), household.issuer.peak()), (0, 1));
    assert!(processes.iter().all(|process| process.is(Status::Active)));
}
