//! A store that tells each process what the others do, more or less.

use std::sync::Arc;

use futures::future::join_all;
use secrecy::ExposeSecret;
use tokio::time::{Instant, advance, sleep};
use tower_reauth::{
    ErrorKind, News, Record, RefreshTokenGrant, Session, Sessions, Status, StoreKey, TokenStore, Version,
};

use super::world::*;
use crate::support::*;

/// A login that two processes have, neither of which does anything.
async fn two_idle(household: &Household) -> (Process, Process) {
    let (one, two) = (household.logged_in().await, household.process(household.stored()));
    two.get().await.unwrap();
    (one, two)
}

/// A call of this process that has got as far as its flight can without others.
async fn call_of(process: &Process) -> tokio::task::JoinHandle<(u16, Instant)> {
    let process = process.clone();
    let call = tokio::spawn(async move { (process.status_of_a_call().await, Instant::now()) });
    settled().await;
    call
}

#[tokio::test(start_paused = true)]
async fn logout_elsewhere_is_known_at_once_and_without_a_call() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    let began = Instant::now();
    one.session.logout().await.unwrap();
    settled().await;
    assert!(two.is(Status::LoggedOut));
    assert_eq!(began.elapsed(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn renewal_elsewhere_is_known_at_once_and_without_a_call() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.issuer.revoke_all();
    one.get().await.unwrap();
    settled().await;
    assert_eq!(two.session.record().unwrap().version(), one.session.record().unwrap().version());
    let rejected = household.resource.count_of(401);
    assert_eq!(two.status_of_a_call().await, 200);
    assert_eq!((household.resource.count_of(401), household.issuer.token_requests()), (rejected, 2));
}

#[tokio::test(start_paused = true)]
async fn login_that_is_ended_in_the_middle_of_a_renewal_is_over_at_once_and_the_late_pair_is_revoked() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let call = call_of(&two).await;
    never_hangs(household.issuer.arrived(2)).await;
    // A third one holds the lease by now, for all that the logout knows.
    assert!(household.store.is_leased(KEY));
    one.session.logout().await.unwrap();
    settled().await;
    assert!(two.is(Status::LoggedOut));
    assert_eq!(call.await.unwrap().0, 401);
    let late = household.issuer.last_refresh_token();
    gate.open();
    assert!(two.session.shutdown(60 * SECOND).await);
    assert!(!household.issuer.is_redeemable(&late));
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn logout_ends_a_flight_that_waits_for_a_thirds_lease() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.issuer.revoke_all();
    household.store.take_lease(KEY);
    let call = call_of(&two).await;
    sleep(3 * SECOND).await;
    let began = Instant::now();
    one.session.logout().await.unwrap();
    let (status, ended) = call.await.unwrap();
    assert_eq!((status, ended - began), (401, AT_ONCE));
    assert!(two.is(Status::LoggedOut));
    assert_eq!(household.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn lease_that_ends_wakes_the_flight_that_waits_for_it() {
    let household = Household::with_news();
    let process = household.logged_in().await;
    household.issuer.revoke_all();
    household.store.take_lease(KEY);
    let call = call_of(&process).await;
    let loads = household.store.loads();
    // In the middle of a pause between two looks.
    sleep(SECOND * 37 / 10).await;
    assert_eq!(household.store.loads() - loads, 6, "after 0.1, 0.3, 0.7, 1.5, 2.5 and 3.5 s");
    let loads = household.store.loads();
    household.store.end_lease(KEY);
    let freed = Instant::now();
    let (status, ended) = call.await.unwrap();
    assert_eq!((status, ended - freed), (200, AT_ONCE));
    // Those before and after the lease.
    assert_eq!(household.store.loads() - loads, 2);
}

#[tokio::test(start_paused = true)]
async fn save_wakes_the_flight_that_waits_for_anothers_claim() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let calls = [call_of(&one).await, call_of(&two).await];
    sleep(SECOND * 37 / 10).await;
    gate.open();
    let answered = Instant::now();
    for call in calls {
        let (status, ended) = call.await.unwrap();
        assert_eq!((status, ended - answered), (200, AT_ONCE));
    }
    assert_eq!(household.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn save_wakes_the_flight_that_waits_for_a_lease_which_never_ends() {
    let household = Household::with_news();
    let process = household.logged_in().await;
    household.issuer.revoke_all();
    household.store.take_lease(KEY);
    let call = call_of(&process).await;
    sleep(SECOND * 37 / 10).await;
    let old = household.store.record(KEY).unwrap();
    let (number, token) = (old.version().number(), household.issuer.last_access_token());
    let text = old.to_json().expose_secret().replace(&token, "of-another-process");
    let text = text.replace(&format!("\"number\":{number}"), &format!("\"number\":{}", number + 1));
    household.issuer.accept("of-another-process");
    let (newer, began) = (Record::from_json(&text).unwrap(), Instant::now());
    household.store.save(&KEY.into(), &newer, Some(old.version())).await.unwrap();
    let (status, ended) = call.await.unwrap();
    assert_eq!((status, ended - began), (200, AT_ONCE));
    assert_eq!(household.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn word_that_comes_between_a_look_and_the_wait_is_not_lost() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.store.hold(Step::Lease, &gate);
    let call = call_of(&two).await;
    // It has looked, and asks for the lease. Before it knows that it has to wait, there is what it will wait for.
    never_hangs(gate.arrived(1)).await;
    assert_eq!(one.status_of_a_call().await, 200);
    household.store.take_lease(KEY);
    let began = Instant::now();
    gate.open();
    let (status, ended) = call.await.unwrap();
    assert_eq!((status, ended - began), (200, AT_ONCE));
}

#[tokio::test(start_paused = true)]
async fn lost_messages_cost_a_second_at_most() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.store.messages(Messages::GetLost);
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let calls = [call_of(&one).await, call_of(&two).await];
    sleep(SECOND * 37 / 10).await;
    gate.open();
    let answered = Instant::now();
    for call in calls {
        let (status, ended) = call.await.unwrap();
        assert!(status == 200 && ended - answered <= SECOND, "{:?}", ended - answered);
    }
}

#[tokio::test(start_paused = true)]
async fn logout_elsewhere_of_which_no_word_comes_is_seen_at_the_next_look() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.store.messages(Messages::GetLost);
    one.session.logout().await.unwrap();
    household.issuer.accept(&household.issuer.last_access_token());
    settled().await;
    assert!(two.is(Status::Active));
    let mut api = two.api();
    for _ in 0..2 {
        advance(2 * SECOND).await;
        let _ = call(&mut api, get("/orders")).await;
        settled().await;
    }
    assert!(two.is(Status::LoggedOut));
}

#[tokio::test(start_paused = true)]
async fn logout_is_seen_at_the_next_look_while_a_renewal_hangs() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.store.messages(Messages::GetLost);
    // Due, and still good.
    advance(3000 * SECOND).await;
    household.issuer.next(Answer::never());
    let mut api = two.api();
    call(&mut api, get("/orders")).await.unwrap();
    never_hangs(household.issuer.arrived(2)).await;
    one.session.logout().await.unwrap();
    household.issuer.accept(&household.issuer.last_access_token());
    for _ in 0..3 {
        advance(2 * SECOND).await;
        let _ = call(&mut api, get("/orders")).await;
        settled().await;
    }
    assert!(two.is(Status::LoggedOut));
}

#[tokio::test(start_paused = true)]
async fn eight_processes_renew_by_one_request_whatever_becomes_of_the_messages() {
    for messages in [Messages::Arrive, Messages::GetLost, Messages::Repeat(3), Messages::Late(SECOND * 13 / 10)] {
        let household = Household::with_news();
        household.store.messages(messages);
        household.logged_in().await;
        let processes: Vec<_> = (0..8).map(|_| household.process(household.stored())).collect();
        for process in &processes {
            process.get().await.unwrap();
        }
        for round in 2..12 {
            household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).after(SECOND / 3));
            if round % 2 == 0 {
                advance(3595 * SECOND).await;
            } else {
                household.issuer.revoke_all();
            }
            let statuses = join_all(processes.iter().map(|process| process.status_of_a_call())).await;
            assert_eq!(statuses, [200; 8], "{messages:?}");
            assert_eq!(household.issuer.token_requests(), round, "{messages:?}");
            advance(60 * SECOND).await;
        }
        assert_eq!((household.issuer.dead_refresh_tokens(), household.issuer.peak()), (0, 1), "{messages:?}");
        assert!(!household.store.is_leased(KEY));
    }
}

#[tokio::test(start_paused = true)]
async fn news_that_come_together_are_one_look_and_those_that_come_meanwhile_one_more() {
    let household = Household::with_news();
    let process = household.logged_in().await;
    let before = household.store.loads();
    let gate = Gate::closed();
    household.store.hold(Step::Load, &gate);
    let version = |number| Version::from_parts(household.store.record(KEY).unwrap().version().epoch(), number, 1);
    for number in 7..27 {
        household.store.tell(KEY, News::Saved(version(number)));
    }
    never_hangs(gate.arrived(1)).await;
    for number in 7..27 {
        household.store.tell(KEY, News::Saved(version(number)));
    }
    gate.open();
    settled().await;
    assert_eq!(household.store.loads() - before, 1);
    advance(SECOND / 10).await;
    settled().await;
    assert_eq!(household.store.loads() - before, 2);
    assert!(process.is(Status::Active));
}

#[tokio::test(start_paused = true)]
async fn own_saves_and_what_is_known_lead_to_no_look() {
    let household = Household::with_news();
    let process = household.logged_in().await;
    settled().await;
    let before = household.store.loads();
    household.issuer.revoke_all();
    process.get().await.unwrap();
    settled().await;
    // Before the lease, and after it.
    assert_eq!(household.store.loads() - before, 2);
    household.store.tell(KEY, News::Saved(household.store.record(KEY).unwrap().version()));
    settled().await;
    assert_eq!(household.store.loads() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn session_listens_from_its_first_use_of_the_store_until_its_login_ends_or_it_is_dropped() {
    let household = Household::with_news();
    let process = household.process(household.stored());
    assert_eq!(household.store.ears(), 0);
    process
        .session
        .login(RefreshTokenGrant::new(household.issuer.endpoint(), household.issuer.mint_refresh_token(USERNAME)));
    process.get().await.unwrap();
    household.issuer.revoke_all();
    process.get().await.unwrap();
    assert_eq!(household.store.ears(), 1);
    let two = household.process(household.stored());
    two.get().await.unwrap();
    assert_eq!(household.store.ears(), 2);
    drop(two);
    settled().await;
    assert_eq!(household.store.ears(), 1);
    process.session.logout().await.unwrap();
    assert_eq!(household.store.ears(), 0);
    process.session.login(household.password());
    process.get().await.unwrap();
    assert_eq!(household.store.ears(), 1);
    process.session.forget();
    assert_eq!(household.store.ears(), 0);
}

#[tokio::test(start_paused = true)]
async fn news_from_a_thread_without_a_runtime_are_looked_at_all_the_same() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    household.store.messages(Messages::GetLost);
    one.session.logout().await.unwrap();
    household.store.messages(Messages::Arrive);
    let (store, version) = (household.store.clone(), household.store.record(KEY).unwrap().version());
    std::thread::spawn(move || store.tell(KEY, News::Saved(version))).join().unwrap();
    settled().await;
    assert!(two.is(Status::LoggedOut));
}

#[tokio::test(start_paused = true)]
async fn derived_sessions_know_at_once_as_well() {
    let household = Household::with_news();
    let (one, two) = two_idle(&household).await;
    let orders = household.process_with(two.session.for_resource("https://orders.example"));
    drop(two);
    orders.get().await.unwrap();
    one.session.logout().await.unwrap();
    settled().await;
    assert!(orders.is(Status::LoggedOut));
    assert_eq!(orders.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn logout_of_a_key_among_many_is_known_at_once_to_all_replicas() {
    let household = Household::with_news();
    let replica = || {
        let endpoint = household.issuer.endpoint();
        let resume = move |_: &Arc<str>| Session::builder(RefreshTokenGrant::stored(endpoint.clone()));
        let key = |key: &Arc<str>| StoreKey::new(key.as_bytes());
        Sessions::builder().store(household.store.clone(), key, resume).build()
    };
    let replicas = [replica(), replica(), replica()];
    let alice = Arc::<str>::from("alice");
    let session = Session::new(household.password());
    let login = || async move { session.token().await.map(|_| session) };
    replicas[0].get_or_login(alice.clone(), login).await.unwrap();
    let mut sessions = Vec::new();
    for replica in &replicas {
        sessions.push(replica.look_up(&alice).await.unwrap().unwrap());
    }
    settled().await;
    assert_eq!(household.store.ears(), 3);
    replicas[2].logout(&alice).await.unwrap();
    settled().await;
    for (session, replica) in sessions.iter().zip(&replicas) {
        assert_eq!(session.status(), Status::LoggedOut);
        assert!(replica.look_up(&alice).await.unwrap().is_none_or(|found| found.status() == Status::LoggedOut));
    }
    assert_eq!(household.store.ears(), 0);
    // Keys that nobody knows are not listened to.
    assert!(replicas[0].look_up(&Arc::from("nobody")).await.unwrap().is_none());
    assert_eq!(household.store.ears(), 0);
}
