//! Sessions of many users that a store keeps.

use std::time::Duration;

use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error, ErrorKind, Origins, PasswordGrant, ReauthLayer, RefreshTokenGrant, ResponseBody, Session, Sessions,
    SessionsBuilder, StoreKey,
};

use super::world::*;
use crate::support::*;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key(&'static str);

const MINUTE: Duration = Duration::from_secs(60);

/// One replica.
fn replica(household: &Household) -> SessionsBuilder<Key> {
    let endpoint = household.issuer.endpoint();
    let resume = move |_: &Key| Session::builder(RefreshTokenGrant::stored(endpoint.clone()));
    Sessions::builder().store(household.store.clone(), |key: &Key| StoreKey::new(key.0), resume)
}

fn session(household: &Household, user: &str) -> Session {
    Session::new(PasswordGrant::new(household.issuer.endpoint(), user, PASSWORD))
}

async fn get_as(
    household: &Household,
    sessions: &Sessions<Key>,
    key: &Key,
) -> Result<Response<ResponseBody<Full<bytes::Bytes>>>, Error> {
    let api = ReauthLayer::new(sessions, Origins::only(ORIGIN).unwrap()).layer(household.resource.clone());
    let (mut head, body) = get("/orders").into_parts();
    head.extensions.insert(key.clone());
    api.oneshot(Request::from_parts(head, body)).await
}

async fn log_in(household: &Household, sessions: &Sessions<Key>, key: &Key) {
    let session = session(household, key.0);
    let login = || async move { session.token().await.map(|_| session) };
    sessions.get_or_login(key.clone(), login).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn key_that_another_replica_knows_is_looked_up_once_for_all_who_ask() {
    let household = Household::new();
    let (one, two) = (replica(&household).build(), replica(&household).build());
    log_in(&household, &one, &Key("alice")).await;
    let before = household.store.loads();
    let calls = (0..50).map(|_| get_as(&household, &two, &Key("alice")));
    for response in join_all(calls).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(household.issuer.token_requests(), 1);
    // The calls' own look, and that of the task which puts the session in place.
    assert!(household.store.loads() - before <= 3, "{}", household.store.loads() - before);
    tokio::task::yield_now().await;
    assert!(two.get(&Key("alice")).is_some());
    assert_eq!(household.resource.tokens().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn users_get_their_own_tokens() {
    let household = Household::new();
    let (one, two) = (replica(&household).build(), replica(&household).build());
    for user in ["alice", "bob"] {
        log_in(&household, &one, &Key(user)).await;
    }
    for user in ["bob", "alice"] {
        get_as(&household, &two, &Key(user)).await.unwrap();
        let token = household.resource.last().token().unwrap().to_owned();
        assert_eq!(household.issuer.owner_of(&token).as_deref(), Some(user));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_key_is_logged_out_and_holds_no_place() {
    let household = Household::new();
    let sessions = replica(&household).build();
    for _ in 0..3 {
        assert_eq!(get_as(&household, &sessions, &Key("nobody")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert!(sessions.look_up(&Key("nobody")).await.unwrap().is_none());
    }
    tokio::task::yield_now().await;
    assert!(sessions.is_empty());
    assert_eq!((household.issuer.token_requests(), household.store.history().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn logout_of_a_key_that_only_the_store_knows_revokes_and_removes() {
    let household = Household::new();
    log_in(&household, &replica(&household).build(), &Key("alice")).await;
    let token = household.issuer.last_refresh_token();
    let sessions = replica(&household).build();
    sessions.logout(&Key("alice")).await.unwrap();
    assert!(household.store.record("alice").unwrap().is_logged_out());
    assert!(!household.issuer.is_redeemable(&token));
}

#[tokio::test(start_paused = true)]
async fn nothing_brings_a_key_back_before_its_removal_is_confirmed() {
    let household = Household::new();
    let sessions = replica(&household).build();
    log_in(&household, &sessions, &Key("alice")).await;
    let gate = Gate::closed();
    household.store.hold(Step::Save, &gate);
    let logout = sessions.logout(&Key("alice"));
    gate.arrived(1).await;
    assert!(!household.store.record("alice").unwrap().is_logged_out());
    for _ in 0..3 {
        assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert!(sessions.look_up(&Key("alice")).await.unwrap().is_none());
    }
    gate.open();
    logout.await.unwrap();
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
    // A later login is a login.
    log_in(&household, &sessions, &Key("alice")).await;
    assert_eq!(get_as(&household, &replica(&household).build(), &Key("alice")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn session_that_was_evicted_for_room_comes_back_and_one_that_is_too_old_does_not() {
    let household = Household::new();
    let sessions = replica(&household).capacity(1).max_lifetime(60 * MINUTE).build();
    log_in(&household, &sessions, &Key("alice")).await;
    log_in(&household, &sessions, &Key("bob")).await;
    assert!(sessions.get(&Key("alice")).is_none());
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap().status(), 200);
    for _ in 0..3 {
        advance(19 * MINUTE).await;
        get_as(&household, &sessions, &Key("alice")).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
    advance(3 * MINUTE).await;
    for sessions in [sessions, replica(&household).max_lifetime(60 * MINUTE).build()] {
        assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
    }
    assert_eq!(household.resource.count_of(401), 0);
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_the_records_and_is_told_to_the_others() {
    let household = Household::new();
    let (one, two) = (replica(&household).build(), replica(&household).build());
    log_in(&household, &one, &Key("alice")).await;
    // Two hours of use elsewhere.
    for _ in 0..12 {
        advance(10 * MINUTE).await;
        assert_eq!(get_as(&household, &one, &Key("alice")).await.unwrap().status(), 200);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(get_as(&household, &two, &Key("alice")).await.unwrap().status(), 200);
    advance(31 * MINUTE).await;
    for sessions in [one, two] {
        assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn inserted_session_is_saved_and_one_with_a_store_of_its_own_keeps_that() {
    let household = Household::new();
    let sessions = replica(&household).build();
    let alice = session(&household, "alice");
    alice.token().await.unwrap();
    sessions.insert(Key("alice"), alice);
    let elsewhere = MemoryStore::new();
    let grant = PasswordGrant::new(household.issuer.endpoint(), "bob", PASSWORD);
    let bob = Session::builder(grant).store(elsewhere.clone(), "own").build();
    bob.token().await.unwrap();
    sessions.insert(Key("bob"), bob);
    assert!(sessions.shutdown(10 * SECOND).await);
    assert!(household.store.record("alice").is_some() && household.store.record("bob").is_none());
    assert!(elsewhere.record("own").is_some());
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_fails_unknown_keys_with_a_clear_error_and_keeps_nobody_from_a_login() {
    let household = Household::new();
    household.store.fails(Fails::Everything);
    let sessions = replica(&household).build();
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(sessions.look_up(&Key("alice")).await.unwrap_err().kind(), ErrorKind::Store);
    log_in(&household, &sessions, &Key("alice")).await;
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap().status(), 200);
    household.store.fails(Fails::Nothing);
    assert!(sessions.shutdown(60 * SECOND).await);
    assert_eq!(get_as(&household, &replica(&household).build(), &Key("alice")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn owner_that_the_application_names_holds_for_sessions_that_are_put_in_place() {
    let household = Household::new();
    let named = || {
        let endpoint = household.issuer.endpoint();
        let resume = move |key: &Key| Session::builder(RefreshTokenGrant::stored(endpoint.clone())).owner(key.0);
        Sessions::<Key>::builder().store(household.store.clone(), |key: &Key| StoreKey::new(key.0), resume).build()
    };
    let sessions = named();
    let grant = PasswordGrant::new(household.issuer.endpoint(), "alice", PASSWORD);
    let alice = Session::builder(grant).owner("alice").build();
    alice.token().await.unwrap();
    sessions.insert(Key("alice"), alice);
    assert!(sessions.shutdown(10 * SECOND).await);
    assert_eq!(get_as(&household, &named(), &Key("alice")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn eviction_here_ends_no_login_that_is_in_use_elsewhere() {
    let household = Household::new();
    let (one, two) = (replica(&household).revoke_evicted().build(), replica(&household).build());
    log_in(&household, &one, &Key("alice")).await;
    for _ in 0..5 {
        advance(10 * MINUTE).await;
        assert_eq!(get_as(&household, &two, &Key("alice")).await.unwrap().status(), 200);
        tokio::time::sleep(SECOND).await;
    }
    assert!(one.get(&Key("alice")).is_none());
    assert!(one.shutdown(10 * SECOND).await);
    assert_eq!(household.issuer.revocations().len(), 0);
    assert_eq!(get_as(&household, &two, &Key("alice")).await.unwrap().status(), 200);
    // At its end it is removed, and revoked where that was asked for.
    for (sessions, revoked) in [(replica(&household).build(), 0), (replica(&household).revoke_evicted().build(), 2)] {
        let key = Key(if revoked == 0 { "bob" } else { "carol" });
        log_in(&household, &sessions, &key).await;
        for _ in 0..12 * 6 {
            advance(10 * MINUTE).await;
            let _ = get_as(&household, &sessions, &key).await;
            tokio::task::yield_now().await;
        }
        assert!(sessions.shutdown(10 * SECOND).await);
        assert!(household.store.record(key.0).unwrap().is_logged_out());
        assert_eq!(household.issuer.revocations().len(), revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn session_that_was_put_in_place_while_the_store_was_down_still_looks_for_news() {
    let household = Household::new();
    let sessions = replica(&household).build();
    let alice = session(&household, "alice");
    alice.token().await.unwrap();
    household.store.fails(Fails::Everything);
    sessions.insert(Key("alice"), alice);
    advance(10 * SECOND).await;
    household.store.fails(Fails::Nothing);
    assert!(sessions.shutdown(60 * SECOND).await);
    replica(&household).build().logout(&Key("alice")).await.unwrap();
    household.issuer.accept(&household.issuer.last_access_token());
    for _ in 0..4 {
        advance(16 * SECOND).await;
        let _ = get_as(&household, &sessions, &Key("alice")).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap_err().kind(), ErrorKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn look_up_of_a_key_that_nobody_has_is_nothing_for_all_who_ask_at_once() {
    let household = Household::new();
    let sessions = replica(&household).build();
    for found in join_all((0..10).map(|_| sessions.look_up(&Key("nobody")))).await {
        assert!(found.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_fails_all_who_ask_at_once_and_logs_nobody_out() {
    let household = Household::new();
    let sessions = replica(&household).build();
    for time in [Duration::ZERO, SECOND] {
        household.store.takes(time);
        household.store.fails(Fails::Everything);
        for found in join_all((0..10).map(|_| sessions.look_up(&Key("alice")))).await {
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Store);
        }
        for answer in join_all((0..10).map(|_| get_as(&household, &sessions, &Key("alice")))).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Store);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn session_that_was_logged_out_elsewhere_leaves_its_key_to_the_next_login() {
    let household = Household::with_news();
    let (one, two) = (replica(&household).build(), replica(&household).build());
    log_in(&household, &one, &Key("alice")).await;
    assert_eq!(get_as(&household, &two, &Key("alice")).await.unwrap().status(), 200);
    settled().await;
    assert!(two.get(&Key("alice")).is_some());
    one.logout(&Key("alice")).await.unwrap();
    settled().await;
    advance(SECOND).await;
    settled().await;
    assert!(two.get(&Key("alice")).is_none());
    assert!(two.look_up(&Key("alice")).await.unwrap().is_none());
    log_in(&household, &two, &Key("alice")).await;
    assert_eq!(get_as(&household, &two, &Key("alice")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_saved_when_its_session_was_evicted_is_saved_all_the_same_and_found_by_whoever_comes_back() {
    let household = Household::new();
    let sessions = replica(&household).capacity(1).build();
    log_in(&household, &sessions, &Key("alice")).await;
    let saved = household.store.record("alice").unwrap();
    // Its refresh token is spent, and the one that came for it stands in memory alone.
    household.store.fails(Fails::Saves);
    household.issuer.revoke_all();
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap().status(), 200);
    let requests = household.issuer.token_requests();
    sessions.insert(Key("bob"), session(&household, "bob"));
    assert!(sessions.get(&Key("alice")).is_none());
    assert_eq!(household.store.record("alice").unwrap().version(), saved.version());
    household.store.fails(Fails::Nothing);
    assert_eq!(get_as(&household, &sessions, &Key("alice")).await.unwrap().status(), 200);
    assert_ne!(household.store.record("alice").unwrap().version(), saved.version());
    assert_eq!(household.issuer.token_requests(), requests, "with the tokens that waited to be saved");
}
