//! One login per key, however many ask for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::future::join_all;
use tokio::{task::JoinHandle, time::Instant};
use tower_reauth::{ErrorKind, Grant, Status, TokenSet, grant_fn};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A grant that is not asked.
fn never() -> impl Grant {
    grant_fn(|_context| async { TokenSet::new("token") })
}

/// Logs this owner in for real, and counts that.
async fn log_in(users: Users, owner: &'static str, logins: Arc<AtomicUsize>) -> Result<Session, Error> {
    logins.fetch_add(1, Ordering::SeqCst);
    let session = users.session(owner);
    session.token().await?;
    Ok(session)
}

/// A login of alice that waits behind a gate for the answer of the server, which has logged her in already.
async fn under_way(users: &Users, logins: &Arc<AtomicUsize>) -> (Gate, JoinHandle<Result<Session, Error>>) {
    let gate = Gate::closed();
    users.world.issuer.next(Answer::tokens().delivered_behind(&gate));
    let (users, logins) = (users.clone(), logins.clone());
    let login = tokio::spawn(async move {
        users.sessions.get_or_login(key("alice"), || log_in(users.clone(), "alice", logins)).await
    });
    gate.arrived(1).await;
    (gate, login)
}

#[tokio::test(start_paused = true)]
async fn thousand_who_ask_for_a_key_share_one_login() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let logins = Arc::new(AtomicUsize::new(0));
        let ask = || users.sessions.get_or_login(key("alice"), || log_in(users.clone(), "alice", logins.clone()));
        for session in join_all((0..1000).map(|_| ask())).await {
            assert_eq!(session.unwrap().status(), Status::Active);
        }
        assert_eq!((logins.load(Ordering::SeqCst), users.world.issuer.token_requests()), (1, 1));
        // And whoever comes later finds the session.
        ask().await.unwrap();
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        assert_eq!(users.get("alice").await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logins_of_two_keys_do_not_wait_for_each_other() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let logins = Arc::new(AtomicUsize::new(0));
        let (gate, alice) = under_way(&users, &logins).await;
        users.sessions.get_or_login(key("bob"), || log_in(users.clone(), "bob", logins.clone())).await.unwrap();
        gate.open();
        alice.await.unwrap().unwrap();
        assert_eq!(logins.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn login_is_carried_through_when_everybody_leaves() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let logins = Arc::new(AtomicUsize::new(0));
        let gate = Gate::closed();
        users.world.issuer.next(Answer::tokens().behind(&gate));
        for _ in 0..3 {
            let ask = users.sessions.get_or_login(key("alice"), || log_in(users.clone(), "alice", logins.clone()));
            let gave_up = tokio::time::timeout(Duration::from_millis(10), ask).await;
            assert!(gave_up.is_err());
        }
        gate.open();
        settle().await;
        assert_eq!(users.sessions.get(&key("alice")).unwrap().status(), Status::Active);
        assert_eq!((logins.load(Ordering::SeqCst), users.world.issuer.token_requests()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_login_is_everybody_s_failure_and_the_next_caller_tries_again() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let logins = Arc::new(AtomicUsize::new(0));
        users.world.issuer.next(Answer::error(400, "invalid_scope"));
        let ask = || users.sessions.get_or_login(key("alice"), || log_in(users.clone(), "alice", logins.clone()));
        for session in join_all((0..10).map(|_| ask())).await {
            assert_eq!(session.unwrap_err().kind(), ErrorKind::Misconfigured);
        }
        assert_eq!((logins.load(Ordering::SeqCst), users.sessions.len()), (1, 0));
        ask().await.unwrap();
        assert_eq!(logins.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn login_that_panics_is_an_error_and_the_next_caller_tries_again() {
    let sessions = Sessions::<Key>::new();
    let calls = (0..3).map(|_| sessions.get_or_login(key("alice"), || async { panic!("on purpose") }));
    for outcome in join_all(calls).await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::RenewalLost);
    }
    let session = sessions.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await.unwrap();
    assert_eq!(session.status(), Status::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn logout_overtakes_a_login_that_is_under_way() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::new());
        let (gate, waiting) = under_way(&users, &Arc::default()).await;
        users.sessions.logout(&key("alice")).await.unwrap();
        gate.open();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        assert!(users.sessions.is_empty());
        settle().await;
        assert_eq!(users.world.issuer.is_alive(&users.world.issuer.last_access_token()), !revocable);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn session_that_is_put_in_place_overtakes_a_login_that_is_under_way() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let (gate, waiting) = under_way(&users, &Arc::default()).await;
        users.sessions.insert(key("alice"), users.session("bob"));
        gate.open();
        let session = waiting.await.unwrap().unwrap();
        assert_eq!(session.status(), Status::Idle, "the one that was put in place");
        users.get("alice").await.unwrap();
        assert_eq!(users.last_owner(), "bob");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn session_that_its_login_puts_in_place_itself_goes_on() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        let session = users.sessions.get_or_login(key("alice"), || {
            let users = users.clone();
            async move {
                let session = users.session("alice");
                users.sessions.insert(key("alice"), session.clone());
                Ok(session)
            }
        });
        assert_eq!(session.await.unwrap().status(), Status::Idle);
        assert_eq!(users.get("alice").await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn session_that_ended_is_logged_in_anew() {
    let sessions = Sessions::builder().idle_timeout(Duration::from_secs(60)).build();
    let fresh = || async { Ok(Session::new(grant_fn(|_context| async { TokenSet::new("token") }))) };
    let first = sessions.get_or_login(key("alice"), fresh).await.unwrap();
    first.token().await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(sessions.get_or_login(key("alice"), fresh).await.unwrap().status(), Status::Idle);
    assert_eq!(first.status(), Status::LoggedOut);
}

#[test]
fn login_without_a_runtime_or_without_timers_is_an_error() {
    let sessions = Sessions::<Key>::new();
    let login = || sessions.get_or_login(key("alice"), || async { Ok(Session::logged_out()) });
    assert_eq!(futures::executor::block_on(login()).unwrap_err().kind(), ErrorKind::NoRuntime);
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(without_timers.block_on(login()).unwrap_err().kind(), ErrorKind::NoRuntime);
}

#[test]
fn login_whose_runtime_goes_away_is_an_error_and_another_runtime_tries_again() {
    let sessions = Sessions::<Key>::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let mut waiting = Box::pin(sessions.get_or_login(key("alice"), std::future::pending::<Result<Session, Error>>));
    first.block_on(async { assert!(futures::poll!(&mut waiting).is_pending()) });
    drop(first);
    assert_eq!(futures::executor::block_on(waiting).unwrap_err().kind(), ErrorKind::RenewalLost);
    runtime().block_on(sessions.get_or_login(key("alice"), || async { Ok(Session::logged_out()) })).unwrap();
}

#[tokio::test(start_paused = true)]
async fn caller_waits_for_a_login_half_a_minute_and_the_login_goes_on() {
    let (sessions, gate, began) = (Sessions::<Key>::new(), Gate::closed(), Instant::now());
    let ask = async |after: Duration| {
        tokio::time::sleep(after).await;
        let gate = gate.clone();
        let login = sessions.get_or_login(key("alice"), || async move {
            gate.pass().await;
            Ok(Session::new(never()))
        });
        (login.await.unwrap_err().kind(), began.elapsed().as_secs())
    };
    let outcomes = join_all([0, 10].map(|seconds| ask(seconds * SECOND))).await;
    assert_eq!(outcomes, [(ErrorKind::WaitedTooLong, 30), (ErrorKind::WaitedTooLong, 40)]);
    gate.open();
    settle().await;
    assert_eq!(sessions.get(&key("alice")).unwrap().status(), Status::Idle);
    assert_eq!(gate.arrivals(), 1);
}

#[tokio::test(start_paused = true)]
async fn login_that_never_ends_is_given_up_and_the_next_caller_tries_again() {
    let sessions = Sessions::<Key>::new();
    let secret = Arc::new(());
    let held = secret.clone();
    let hangs = move || async move {
        let _held = held;
        std::future::pending::<Result<Session, Error>>().await
    };
    assert_eq!(sessions.get_or_login(key("alice"), hangs).await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
    tokio::time::sleep(85 * SECOND).await;
    // Whoever came late learns why it ended.
    let late = sessions.get_or_login(key("alice"), std::future::pending::<Result<Session, Error>>);
    assert_eq!(late.await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(Arc::strong_count(&secret), 1);
    assert!(sessions.shutdown(SECOND).await);
    sessions.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await.unwrap();
}

#[test]
fn login_on_a_runtime_that_nobody_drives_any_more_is_overtaken_when_it_is_overdue() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (first, second) = (runtime(), runtime());
    let sessions = Sessions::<Key>::new();
    let (left, fresh) = (Session::new(never()), Session::new(never()));
    let late = left.clone();
    let mut waiting = Box::pin(sessions.get_or_login(key("alice"), || async { Ok(late) }));
    first.block_on(async { assert!(futures::poll!(&mut waiting).is_pending()) });
    let ask = || {
        let fresh = fresh.clone();
        sessions.get_or_login(key("alice"), || async { Ok(fresh) })
    };
    second.block_on(async {
        assert_eq!(ask().await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
        tokio::time::advance(90 * SECOND).await;
        assert_eq!(ask().await.unwrap().status(), Status::Idle);
    });
    // What the late one brings in is thrown away, and its caller gets the session that is in place.
    first.block_on(waiting).unwrap();
    assert_eq!((left.status(), fresh.status()), (Status::LoggedOut, Status::Idle));
}

#[tokio::test(start_paused = true)]
async fn login_that_asks_for_its_own_key_is_an_error_at_once() {
    let sessions = Sessions::<Key>::new();
    let began = Instant::now();
    let inner = sessions.clone();
    let login = sessions.get_or_login(key("alice"), || async move {
        inner.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await
    });
    let error = login.await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::SelfLogin, Duration::ZERO));
    assert!(error.to_string().contains("make the session in the login, and return it"), "{error}");

    // By way of another one's login.
    let (outer, inner) = (sessions.clone(), sessions.clone());
    let login = sessions.get_or_login(key("alice"), || async move {
        let login_of_bob =
            || async move { inner.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await };
        outer.get_or_login(key("bob"), login_of_bob).await
    });
    assert_eq!((login.await.unwrap_err().kind(), began.elapsed()), (ErrorKind::SelfLogin, Duration::ZERO));

    // Another one's session may be asked for, and a session that is in place.
    let inner = sessions.clone();
    let login = sessions.get_or_login(key("alice"), || async move {
        inner.get_or_login(key("bob"), || async { Ok(Session::logged_out()) }).await?;
        inner.insert(key("alice"), Session::new(never()));
        inner.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await
    });
    assert_eq!(login.await.unwrap().status(), Status::Idle);
}

#[tokio::test(start_paused = true)]
async fn login_that_asks_for_its_own_key_on_another_task_does_not_wait_for_ever() {
    let sessions = Sessions::<Key>::new();
    let (inner, began) = (sessions.clone(), Instant::now());
    let login = sessions.get_or_login(key("alice"), || async move {
        let asks = async move { inner.get_or_login(key("alice"), || async { Ok(Session::logged_out()) }).await };
        tokio::spawn(asks).await.expect("it does not panic")
    });
    assert_eq!((login.await.unwrap_err().kind(), began.elapsed()), (ErrorKind::WaitedTooLong, 30 * SECOND));
}
