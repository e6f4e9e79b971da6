//! A login that ends, or begins, while something is under way.

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ErrorKind, Record, RefreshTokenGrant, Session, Status, TokenSet};

use super::world::*;
use crate::support::*;

/// A renewal whose tokens are just being saved, and the gate of that.
async fn saving(household: &Household, process: &Process) -> (Gate, tokio::task::JoinHandle<()>) {
    let (answer, save) = (Gate::closed(), Gate::closed());
    let requests = household.issuer.token_requests();
    household.issuer.revoke_all();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&answer));
    let call = tokio::spawn({
        let process = process.clone();
        async move { drop(process.get().await) }
    });
    household.issuer.arrived(requests + 1).await;
    household.store.hold(Step::Save, &save);
    answer.open();
    save.arrived(1).await;
    (save, call)
}

#[tokio::test(start_paused = true)]
async fn logout_during_the_save_revokes_what_was_to_be_saved() {
    let household = Household::new();
    let process = household.logged_in().await;
    let (save, call) = saving(&household, &process).await;
    process.session.logout().await.unwrap();
    save.open();
    call.await.unwrap();
    assert!(process.session.shutdown(60 * SECOND).await);
    assert!(!household.issuer.is_redeemable(&household.issuer.last_refresh_token()));
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn mark_that_meets_the_save_of_a_dropped_session_has_the_pair_revoked() {
    let household = Household::new();
    let other = household.logged_in().await;
    let process = household.process(household.stored());
    process.get().await.unwrap();
    let (save, call) = saving(&household, &process).await;
    call.abort();
    let _ = call.await;
    drop(process);
    other.session.logout().await.unwrap();
    save.open();
    never_hangs(household.issuer.revocations_arrived(4)).await;
    assert!(!household.issuer.is_redeemable(&household.issuer.last_refresh_token()));
}

#[tokio::test(start_paused = true)]
async fn save_of_a_login_that_took_anothers_place_does_not_undo_its_logout() {
    let household = Household::new();
    let process = household.logged_in().await;
    advance(SECOND).await;
    process
        .session
        .login(RefreshTokenGrant::new(household.issuer.endpoint(), household.issuer.mint_refresh_token(USERNAME)));
    let (save, call) = saving(&household, &process).await;
    process.session.logout().await.unwrap();
    save.open();
    call.await.unwrap();
    assert!(process.session.shutdown(60 * SECOND).await);
    assert!(household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn claim_that_meets_a_logout_leaves_no_record() {
    let household = Household::new();
    let token = household.issuer.mint_refresh_token(USERNAME);
    let process = household.process(RefreshTokenGrant::new(household.issuer.endpoint(), token));
    let save = Gate::closed();
    household.store.hold(Step::Save, &save);
    let call = tokio::spawn({
        let process = process.clone();
        async move { drop(process.get().await) }
    });
    save.arrived(1).await;
    process.session.logout().await.unwrap();
    save.open();
    call.await.unwrap();
    assert!(process.session.shutdown(60 * SECOND).await);
    assert!(household.store.record(KEY).is_none_or(|record| record.is_logged_out()));
}

#[tokio::test(start_paused = true)]
async fn logout_revokes_the_pair_that_could_not_be_saved() {
    let household = Household::new();
    let process = household.logged_in().await;
    let (save, call) = saving(&household, &process).await;
    household.store.fails(Fails::Saves);
    save.open();
    call.await.unwrap();
    household.store.fails(Fails::Nothing);
    process.session.logout().await.unwrap();
    assert!(!household.issuer.is_redeemable(&household.issuer.last_refresh_token()));
}

#[tokio::test(start_paused = true)]
async fn removal_that_comes_late_leaves_a_later_login_alone() {
    let household = Household::new();
    household.logged_in().await;
    advance(SECOND).await;
    let process = household.process(household.stored());
    household.store.fails(Fails::Everything);
    assert_eq!(process.session.logout().await.unwrap_err().kind(), ErrorKind::Store);
    advance(SECOND).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    process
        .session
        .login(RefreshTokenGrant::new(household.issuer.endpoint(), household.issuer.mint_refresh_token(USERNAME)));
    household.store.fails(Fails::Nothing);
    process.get().await.unwrap();
    assert!(process.session.shutdown(60 * SECOND).await);
    assert!(!household.store.record(KEY).unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_foreign_record_are_not_sent_to_our_endpoint() {
    let household = Household::new();
    let alice = household.process_with(
        Session::builder(household.password()).store(household.store.clone(), KEY).owner("alice").build(),
    );
    alice.get().await.unwrap();
    let bob = household
        .process_with(Session::builder(household.stored()).store(household.store.clone(), KEY).owner("bob").build());
    bob.session.login(RefreshTokenGrant::new(household.issuer.endpoint(), "of-bob"));
    bob.session.logout().await.unwrap();
    let sent = household.issuer.revocations();
    assert!(sent.iter().all(|sent| sent.parameter("token") == Some("of-bob")), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn save_that_meets_a_login_is_not_taken_for_that_logins() {
    let household = Household::new();
    let token = household.issuer.mint_refresh_token("alice");
    let tokens = TokenSet::new("from-elsewhere").unwrap().with_lifetime(600 * SECOND).with_refresh_token(&*token);
    let session =
        Session::builder(household.stored()).store(household.store.clone(), KEY).record(tokens).unwrap().build();
    let process = household.process_with(session);
    let save = Gate::closed();
    household.store.hold(Step::Save, &save);
    let saved = tokio::spawn({
        let session = process.session.clone();
        async move { session.save().await }
    });
    save.arrived(1).await;
    advance(SECOND).await;
    process
        .session
        .login(RefreshTokenGrant::new(household.issuer.endpoint(), household.issuer.mint_refresh_token("bob")));
    save.open();
    let _ = saved.await.unwrap();
    let first = household.store.record(KEY).unwrap().version();
    process.get().await.unwrap();
    assert!(household.store.record(KEY).unwrap().version().epoch() > first.epoch());
}

#[tokio::test(start_paused = true)]
async fn save_fails_while_the_store_is_down() {
    let household = Household::new();
    let process = household.logged_in().await;
    let (save, call) = saving(&household, &process).await;
    household.store.fails(Fails::Everything);
    save.open();
    call.await.unwrap();
    let saved = tokio::time::timeout(60 * SECOND, process.session.save()).await.expect("an answer");
    assert_eq!(saved.unwrap_err().kind(), ErrorKind::Store);
}

#[tokio::test(start_paused = true)]
async fn session_that_began_with_a_record_sees_a_logout_elsewhere_within_thirty_seconds() {
    let household = Household::new();
    let one = household.logged_in().await;
    let text = one.session.record().unwrap().to_json();
    let record = Record::from_json(text.expose_secret()).unwrap();
    let session =
        Session::builder(household.stored()).store(household.store.clone(), KEY).record(record).unwrap().build();
    let two = household.process_with(session);
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
}

#[test]
fn pair_whose_runtime_stopped_before_it_was_saved_is_saved_by_the_next() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let household = Household::new();
    let first = runtime();
    let process = first.block_on(async {
        let process = household.logged_in().await;
        let (save, call) = saving(&household, &process).await;
        household.store.fails(Fails::Saves);
        save.open();
        call.await.unwrap();
        process
    });
    drop(first);
    assert!(household.store.is_leased(KEY));
    household.store.fails(Fails::Nothing);
    runtime().block_on(process.session.save()).unwrap();
    assert_eq!(household.store.record(KEY).unwrap().version(), process.session.record().unwrap().version());
    assert!(!household.store.is_leased(KEY));
}
