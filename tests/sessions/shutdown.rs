//! What is under way when sessions leave: it is carried through, and the end of the program waits for it.

use std::future::pending;

use tokio::task::JoinHandle;
use tower_reauth::ErrorKind;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

type Leave = fn(&Users);

/// Every way to leave with which the tokens are revoked.
const REVOKED: [Leave; 4] = [
    |users| drop(users.sessions.logout(&key("alice"))),
    |users| drop(users.sessions.logout_all()),
    // Over the capacity.
    |users| drop(users.insert("bob")),
    // Found to be too old by whoever asks for it.
    |users| assert!(users.sessions.get(&key("alice")).is_none()),
];

/// Sessions of which one is too much, and which end after ten seconds.
fn few(world: World, revoke: bool) -> Users {
    let builder = Sessions::builder().capacity(1).max_lifetime(10 * SECOND);
    Users::new(world, if revoke { builder.revoke_evicted() } else { builder }.build())
}

/// A renewal of alice's whose answer is behind a gate, ten seconds after her login.
async fn renewing(users: &Users) -> (Gate, JoinHandle<Answered>) {
    let gate = Gate::closed();
    users.insert("alice");
    users.world.issuer.next(Answer::tokens().access_token("stray").delivered_behind(&gate));
    let call = tokio::spawn({
        let users = users.clone();
        async move { users.get("alice").await }
    });
    gate.arrived(1).await;
    tokio::time::advance(10 * SECOND).await;
    (gate, call)
}

#[tokio::test(start_paused = true)]
async fn what_a_renewal_brings_in_after_its_session_left_is_revoked() {
    for leave in REVOKED {
        for_every_credential(async |world| {
            let revocable = world.kind != Kind::Custom;
            let users = few(world, true);
            let (gate, call) = renewing(&users).await;
            leave(&users);
            assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
            gate.open();
            settle().await;
            assert_eq!(users.world.issuer.is_alive("stray"), !revocable);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_renewal_brings_in_after_its_session_was_evicted_is_not_revoked_by_default() {
    for_every_credential(async |world| {
        let users = few(world, false);
        let (gate, call) = renewing(&users).await;
        users.insert("bob");
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        gate.open();
        settle().await;
        assert!(users.world.issuer.is_alive("stray"));
        assert!(users.world.issuer.revocations().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_renewals_and_revocations_of_sessions_that_have_left() {
    for leave in REVOKED {
        let users = few(World::new(Kind::Password), true);
        let (gate, call) = renewing(&users).await;
        let revocation = Gate::closed();
        users.world.issuer.next_revocation(Answer::tokens().behind(&revocation));
        leave(&users);
        drop(call.await);
        assert!(!users.sessions.shutdown(SECOND).await, "the renewal is under way");
        gate.open();
        revocation.arrived(1).await;
        assert!(!users.sessions.shutdown(SECOND).await, "the revocation is under way");
        revocation.open();
        assert!(users.sessions.shutdown(SECOND).await);
        assert!(!users.world.issuer.is_alive("stray"));
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_revocation_of_every_session() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::new());
        let owners: Vec<String> = (0..50).map(|number| format!("user-{number}")).collect();
        for owner in &owners {
            users.insert(owner);
            users.get(owner).await.unwrap();
        }
        let gate = Gate::closed();
        users.world.issuer.next_revocation(Answer::tokens().behind(&gate));
        drop(users.sessions.logout_all());
        assert_eq!(users.sessions.shutdown(SECOND).await, !revocable);
        gate.open();
        assert!(users.sessions.shutdown(SECOND).await);
        let alive = |token: &String| users.world.issuer.is_alive(token);
        assert_eq!(users.world.issuer.access_tokens().iter().any(alive), !revocable);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_renewals_of_sessions_that_stay() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("bob");
        let (gate, call) = renewing(&users).await;
        call.abort();
        assert!(!users.sessions.shutdown(SECOND).await);
        gate.open();
        assert!(users.sessions.shutdown(SECOND).await);
        assert_eq!(users.get("alice").await.unwrap().status(), 200);
        assert_eq!(users.world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_login_and_for_what_its_session_begins() {
    let users = Users::new(World::new(Kind::Password), Sessions::new());
    let (login, token) = (Gate::closed(), Gate::closed());
    let log_in = tokio::spawn({
        let (users, login, token) = (users.clone(), login.clone(), token.clone());
        async move {
            let session = users.sessions.get_or_login(key("alice"), {
                let users = users.clone();
                || async move {
                    login.pass().await;
                    let session = users.session("alice");
                    users.world.issuer.next(Answer::tokens().delivered_behind(&token));
                    let fetching = session.clone();
                    tokio::spawn(async move { fetching.token().await.map(|_| ()) });
                    users.world.issuer.arrived(1).await;
                    Ok(session)
                }
            });
            session.await.map(|_| ())
        }
    });
    login.arrived(1).await;
    assert!(!users.sessions.shutdown(SECOND).await, "the login is under way");
    let ending = tokio::spawn({
        let sessions = users.sessions.clone();
        async move { sessions.shutdown(60 * SECOND).await }
    });
    login.open();
    log_in.await.unwrap().unwrap();
    settle().await;
    assert!(!ending.is_finished(), "its token request is under way");
    token.open();
    assert!(ending.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn shutdown_has_nothing_to_wait_for_while_nothing_is_under_way() {
    let users = Users::new(World::new(Kind::Password), Sessions::new());
    assert!(users.sessions.shutdown(Duration::ZERO).await);
    users.insert("alice");
    users.get("alice").await.unwrap();
    assert!(users.sessions.shutdown(Duration::ZERO).await);
    // What was given back is the caller's.
    users.world.issuer.next(Answer::never());
    let older = users.insert("alice").unwrap();
    older.forget();
    assert!(users.sessions.shutdown(Duration::ZERO).await);
    let login = users.sessions.get_or_login(key("carol"), pending::<Result<Session, Error>>);
    assert!(tokio::time::timeout(SECOND, login).await.is_err());
    assert!(!users.sessions.shutdown(SECOND).await);
}
