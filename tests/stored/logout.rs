//! A logout here, a logout elsewhere, a later login.

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ErrorKind, Record, RefreshTokenGrant, Session, Status};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn logout_marks_the_record_and_revokes_what_stands_there() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    two.get().await.unwrap();
    household.issuer.revoke_all();
    // The pair in the store is newer than the one that this process holds.
    two.get().await.unwrap();
    let newest = household.issuer.last_refresh_token();
    one.session.logout().await.unwrap();
    assert!(!household.issuer.is_redeemable(&newest));
    let mark = household.store.record(KEY).unwrap();
    assert!(mark.is_logged_out() && mark.refresh_token().is_none() && mark.access_token().is_none());
}

#[tokio::test(start_paused = true)]
async fn logout_elsewhere_is_seen_within_thirty_seconds_of_traffic() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    let mut api = two.api();
    call(&mut api, get("/orders")).await.unwrap();
    one.session.logout().await.unwrap();
    household.issuer.accept(&household.issuer.last_access_token());
    for _ in 0..16 {
        advance(2 * SECOND).await;
        let _ = call(&mut api, get("/orders")).await;
        tokio::task::yield_now().await;
    }
    assert!(two.is(Status::LoggedOut));
    assert_eq!(two.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn logout_elsewhere_ends_a_rejected_call_and_nothing_is_asked_for() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    two.get().await.unwrap();
    one.session.logout().await.unwrap();
    assert_eq!(two.status_of_a_call().await, 401);
    assert!(two.is(Status::LoggedOut));
    assert_eq!(household.issuer.token_requests(), 1);
    // The next start of a process that has nothing else is logged out as well.
    let three = household.process(household.stored());
    assert_eq!(three.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
    // One with a credential of its own begins anew.
    assert_eq!(household.process(household.password()).status_of_a_call().await, 200);
}

#[tokio::test(start_paused = true)]
async fn save_that_meets_a_mark_revokes_the_pair() {
    let household = Household::new();
    let one = household.logged_in().await;
    let two = household.process(household.stored());
    two.get().await.unwrap();
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let call = tokio::spawn({
        let two = two.clone();
        async move { two.status_of_a_call().await }
    });
    household.issuer.arrived(2).await;
    one.session.logout().await.unwrap();
    let late = household.issuer.last_refresh_token();
    gate.open();
    assert_eq!(call.await.unwrap(), 401);
    assert!(two.is(Status::LoggedOut));
    assert!(!household.issuer.is_redeemable(&late));
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn logout_of_a_session_that_never_looked_removes_and_revokes() {
    let household = Household::new();
    household.logged_in().await;
    let token = household.issuer.last_refresh_token();
    household.process(household.stored()).session.logout().await.unwrap();
    assert!(household.store.record(KEY).unwrap().is_logged_out());
    assert!(!household.issuer.is_redeemable(&token));
}

#[tokio::test(start_paused = true)]
async fn removal_that_fails_is_reported_and_tried_again() {
    let household = Household::new();
    let process = household.logged_in().await;
    household.store.fails(Fails::Everything);
    assert_eq!(process.session.logout().await.unwrap_err().kind(), ErrorKind::Store);
    household.store.fails(Fails::Nothing);
    assert!(process.session.shutdown(20 * SECOND).await);
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn later_login_of_the_same_named_owner_is_taken_over_and_any_other_ends_the_session() {
    for (named, second, status) in
        [(true, "alice", Status::Active), (true, "bob", Status::LoggedOut), (false, "", Status::LoggedOut)]
    {
        let household = Household::new();
        let session = |owner: &str| {
            let builder = Session::builder(household.stored()).store(household.store.clone(), KEY);
            household.process_with(if named { builder.owner(owner).build() } else { builder.build() })
        };
        let log_in = async |process: &Process| {
            let token = household.issuer.mint_refresh_token(USERNAME);
            process.session.login(RefreshTokenGrant::new(household.issuer.endpoint(), token));
            process.get().await.unwrap();
        };
        let one = session("alice");
        log_in(&one).await;
        let two = session(second);
        log_in(&two).await;
        household.issuer.revoke(&household.issuer.access_tokens()[0]);
        let _ = one.get().await;
        assert!(one.is(status), "{named} {second}: {:?}", one.session.status());
        assert!(two.is(Status::Active));
    }
}

#[tokio::test(start_paused = true)]
async fn removal_that_succeeds_later_revokes_what_stood_there() {
    for fails in [Fails::Everything, Fails::Saves] {
        let household = Household::new();
        household.logged_in().await;
        let token = household.issuer.last_refresh_token();
        let process = household.process(household.stored());
        household.store.fails(fails);
        assert_eq!(process.session.logout().await.unwrap_err().kind(), ErrorKind::Store);
        household.store.fails(Fails::Nothing);
        assert!(process.session.shutdown(20 * SECOND).await);
        assert!(household.store.record(KEY).unwrap().is_logged_out());
        assert!(!household.issuer.is_redeemable(&token), "{fails:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn logout_ends_a_login_that_began_when_the_clock_was_ahead() {
    let household = Household::new();
    household.logged_in().await;
    let text = household.store.record(KEY).unwrap().to_json().expose_secret().to_owned();
    let epoch = household.store.record(KEY).unwrap().version().epoch();
    let ahead = text.replace(&format!("\"epoch\":{epoch}"), &format!("\"epoch\":{}", epoch + 3_600_000));
    household.store.put(KEY, Record::from_json(&ahead).unwrap());
    household.process(household.stored()).session.logout().await.unwrap();
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}
