//! What holds in every schedule. Each function is one execution of one claim, and panics where it does not hold.

use std::time::Duration;

use http::StatusCode;
use secrecy::ExposeSecret;
use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use tower_reauth::{ErrorKind, Grant, Session, Status};

use crate::{
    api::{Caller, Outcome},
    issuer,
    schedule::settled,
    world::{Issued, LIFETIME, World},
};

const FOREVER: Duration = Duration::from_secs(1 << 32);
/// Past the limit of a renewal, and past the pause that follows when it was given up.
const OVERDUE: Duration = Duration::from_secs(122);
const PAUSE: Duration = Duration::from_secs(2);
const OK: Outcome = Ok(StatusCode::OK);
const UNAUTHORIZED: Outcome = Ok(StatusCode::UNAUTHORIZED);

/// Calls without a token: one token request, all are answered, and whoever was answered finds the session active.
pub fn cold_calls_share_one_request(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        for calls in spawn_calls(cold(&world, &session, callers), 1) {
            assert_eq!(outcomes(calls).await, [OK]);
            assert_eq!(session.status(), Status::Active);
        }
        settled(async {
            assert!(session.shutdown(FOREVER).await);
            assert_eq!(world.requests(1), 1, "one token request");
            assert_told(&session, Status::Active);
        })
        .await;
    });
}

/// Calls with one revoked token, some of them late: one renewal, all are answered, and none is sent with the old token
/// after one was answered with the new one.
pub fn rejected_calls_share_one_renewal(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let callers = revoked(&world, &session, callers).await;
        for calls in spawn_calls(callers, 2) {
            assert_eq!(outcomes(calls).await, [OK, OK]);
        }
        settled(async {
            assert_eq!(world.requests(1), 2, "one renewal");
            assert_eq!(session.status(), Status::Active);
        })
        .await;
    });
}

/// A renewal that somebody asks for while others call with a copy of the token: once it is given out, no call begins with
/// the older one.
pub fn calls_after_a_renewal_carry_its_token(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let callers = copied(&world, &session, callers).await;
        let first = session.token().await.expect("there is one").generation();
        let renewal = spawn({
            let (world, session) = (world.clone(), session.clone());
            async move {
                let token = session.renew(first).await.expect("there is a newer one");
                world.told(Issued::parse(token.token_set().access_token().expose_secret()));
            }
        });
        for calls in spawn_calls(callers, 2) {
            assert_eq!(outcomes(calls).await, [OK, OK]);
        }
        renewal.await.expect("nobody aborts this");
        settled(async {
            assert_eq!(world.requests(1), 2, "one renewal");
        })
        .await;
    });
}

/// Calls inside the window ahead of the end of a token that has been revoked: the renewal that the first of them starts in
/// the background is the one that all are answered by.
pub fn rejected_calls_join_a_renewal_ahead(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let callers = revoked(&world, &session, callers).await;
        tokio::time::advance(LIFETIME.mul_f64(0.85));
        for calls in spawn_calls(callers, 1) {
            assert_eq!(outcomes(calls).await, [OK]);
        }
        settled(async {
            assert_eq!(world.requests(1), 2, "one renewal");
        })
        .await;
    });
}

/// The caller that may have started the renewal is dropped: the others are answered, by one token request.
pub fn a_dropped_caller_costs_the_others_nothing(others: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let victim = spawn_calls(cold(&world, &session, 1), 1).remove(0);
        let others = spawn_calls(cold(&world, &session, others), 1);
        let abort = victim.abort_handle();
        let change = meanwhile(move || abort.abort());
        for calls in others {
            assert_eq!(outcomes(calls).await, [OK]);
        }
        let _ = victim.await;
        change.await;
        settled(async {
            assert_eq!(cold(&world, &session, 1)[0].call().await, OK);
            assert_eq!(world.requests(1), 1, "the answer is kept");
            assert_eq!(session.status(), Status::Active);
        })
        .await;
    });
}

/// All who wait are told of a failure, and it is not tried again at once.
pub fn a_failure_is_everybodys(callers: usize) {
    block_on(async {
        let world = World::default();
        let session = Session::new(world.failing_grant(1));
        for calls in spawn_calls(cold(&world, &session, callers), 1) {
            assert_eq!(outcomes(calls).await, [Err(ErrorKind::Unavailable)]);
        }
        settled(async {
            assert_eq!(world.requests(1), 1, "one token request");
            assert_eq!(session.status(), Status::Idle);
        })
        .await;
    });
}

/// The runtime goes away: whoever waits is told, and a call after a pause starts afresh.
pub fn a_flight_that_dies_leaves_nobody_waiting(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let calls = spawn_calls(cold(&world, &session, callers), 1);
        let change = meanwhile(tokio::runtime::shut_down);
        for calls in calls {
            let outcomes = outcomes(calls).await;
            assert!(matches!(outcomes[0], OK | Err(ErrorKind::RenewalLost)), "{outcomes:?}");
        }
        change.await;
        settled(async {
            tokio::runtime::reset();
            tokio::time::advance(PAUSE);
            assert_eq!(cold(&world, &session, 1)[0].call().await, OK);
            assert_eq!(session.status(), Status::Active);
        })
        .await;
    });
}

/// The waiting time runs out: a call ends, the renewal goes on, and its answer is kept.
pub fn a_renewal_outlives_those_who_waited_too_long(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let calls = spawn_calls(cold(&world, &session, callers), 1);
        let change = meanwhile(|| tokio::time::advance(Duration::from_secs(31)));
        for calls in calls {
            let outcomes = outcomes(calls).await;
            assert!(matches!(outcomes[0], OK | Err(ErrorKind::WaitedTooLong)), "{outcomes:?}");
        }
        change.await;
        settled(async {
            assert_eq!(cold(&world, &session, 1)[0].call().await, OK);
            assert_eq!(world.requests(1), 1, "the answer is kept");
        })
        .await;
    });
}

/// Nobody drives the runtime any more, and the limit of a renewal passes: whoever waits is told, and a call after a pause
/// starts afresh.
pub fn a_flight_that_nobody_drives_is_given_up(callers: usize) {
    block_on(async {
        let world = World::default();
        let session = patient(world.grant(1));
        let calls = spawn_calls(cold(&world, &session, callers), 1);
        let change = meanwhile({
            let world = world.clone();
            move || {
                world.left_alone();
                tokio::runtime::leave_alone();
                tokio::time::advance(OVERDUE);
            }
        });
        for calls in calls {
            let outcomes = outcomes(calls).await;
            assert!(matches!(outcomes[0], OK | Err(ErrorKind::RenewalLost | ErrorKind::TimedOut)), "{outcomes:?}");
        }
        change.await;
        settled(async {
            tokio::time::advance(PAUSE);
            assert_eq!(cold(&world, &session, 1)[0].call().await, OK);
            assert_eq!(session.status(), Status::Active);
            tokio::runtime::drive();
            assert!(session.shutdown(FOREVER).await);
        })
        .await;
    });
}

/// A flight that was given up goes on while another one is under way: it clears nothing of that one, and nobody gets an
/// older token than somebody had before.
pub fn a_late_landing_changes_nothing_of_others(callers: usize) {
    let world = World::default();
    let session = patient(world.grant(1));
    goes_on_late(callers, &world, &session);
}

/// As the one above, with a flight that fails in the end.
pub fn a_late_failure_changes_nothing_of_others(callers: usize) {
    let world = World::default();
    let session = patient(world.grant_that_fails_once(1));
    goes_on_late(callers, &world, &session);
}

fn goes_on_late(callers: usize, world: &World, session: &Session) {
    block_on(async {
        settled(async {
            let first = spawn_calls(cold(world, session, 1), 1).remove(0);
            while world.requests(1) == 0 {
                yield_now().await;
            }
            world.left_alone();
            tokio::runtime::leave_alone();
            tokio::time::advance(OVERDUE);
            match outcomes(first).await[0] {
                Err(ErrorKind::RenewalLost) => {}
                // In a sample, the flight may have landed before.
                outcome => {
                    assert!(matches!(outcome, OK | Err(ErrorKind::Unavailable)), "{outcome:?}");
                    return tokio::time::advance(PAUSE);
                }
            }
            let _ = cold(world, session, 1)[0].call().await;
            assert_eq!(world.requests(1), 1, "nothing is sent before the pause is over");
            tokio::time::advance(PAUSE);
        })
        .await;
        let calls = spawn_calls(cold(world, session, callers), 1);
        let change = meanwhile(tokio::runtime::drive);
        for calls in calls {
            assert_eq!(outcomes(calls).await, [OK]);
        }
        change.await;
        settled(async {
            assert!(session.shutdown(FOREVER).await);
            assert_eq!(cold(world, session, 1)[0].call().await, OK);
            assert!(world.requests(1) <= 2, "one token request beside the late one");
        })
        .await;
    });
}

/// Nobody drives the runtime any more when the first of those who wait were woken: the others are woken by them.
pub fn the_woken_wake_the_others(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let mut status = session.subscribe();
        let calls = spawn_calls(cold(&world, &session, callers), 1);
        let change = spawn(async move {
            status.changed().await.expect("the session is there");
            tokio::runtime::leave_alone();
        });
        for calls in calls {
            assert_eq!(outcomes(calls).await, [OK]);
        }
        change.await.expect("nobody aborts this");
        settled(async {
            assert_eq!(world.requests(1), 1, "one token request");
            tokio::runtime::drive();
            assert!(session.shutdown(FOREVER).await);
        })
        .await;
    });
}

/// No call that begins after `logout` has returned is sent, no replay is, and the session stays logged out.
pub fn nothing_is_sent_after_logout(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let calls = spawn_calls(revoked(&world, &session, callers).await, 2);
        let change = logout(&world, &session);
        for calls in calls {
            assert_fit(&outcomes(calls).await);
        }
        change.await;
        settled(async {
            assert!(session.shutdown(FOREVER).await);
            assert_eq!(cold(&world, &session, 1)[0].call().await, Err(ErrorKind::LoggedOut));
            assert_told(&session, Status::LoggedOut);
            assert!(world.requests(1) <= 2, "one renewal");
        })
        .await;
    });
}

/// As the one above, while somebody renews a token that others call with a copy of.
pub fn nothing_is_sent_with_a_copy_after_logout(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let callers = copied(&world, &session, callers).await;
        let first = session.token().await.expect("there is one").generation();
        let renewal = spawn({
            let session = session.clone();
            async move { drop(session.renew(first).await) }
        });
        let calls = spawn_calls(callers, 2);
        let change = logout(&world, &session);
        for calls in calls {
            assert_fit(&outcomes(calls).await);
        }
        change.await;
        renewal.await.expect("nobody aborts this");
        settled(async {
            assert!(session.shutdown(FOREVER).await);
            assert_told(&session, Status::LoggedOut);
        })
        .await;
    });
}

/// A login during the renewal of an older one: every call stays with its login, the older answer is thrown away, and the
/// newer login has one token request.
pub fn logins_do_not_mix(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let calls = spawn_calls(revoked(&world, &session, callers).await, 2);
        let change = meanwhile({
            let (world, session) = (world.clone(), session.clone());
            move || {
                session.login(world.grant(2));
                world.ended(1);
            }
        });
        end_in_second_login(&world, &session, calls, change).await;
    });
}

/// Everything at once: calls, one of which is dropped, a logout and a login.
pub fn logout_login_and_a_dropped_caller(callers: usize) {
    block_on(async {
        let (world, session) = logged_in();
        let mut calls = spawn_calls(revoked(&world, &session, callers).await, 2);
        let victim = calls.remove(0);
        let change = meanwhile({
            let (world, session, victim) = (world.clone(), session.clone(), victim.abort_handle());
            move || {
                victim.abort();
                drop(session.logout());
                world.ended(1);
                session.login(world.grant(2));
            }
        });
        let change = async {
            change.await;
            let _ = victim.await;
        };
        end_in_second_login(&world, &session, calls, change).await;
    });
}

/// What a renewal brings in after a logout is revoked: no token of an ended login is left alive at the server.
pub fn a_stray_token_is_revoked(callers: usize) {
    block_on(async {
        let world = World::default();
        let session = Session::new(issuer::password_grant(&world));
        // So that there is somebody to tell.
        drop(session.subscribe());
        let calls = spawn_calls(cold(&world, &session, callers), 1);
        let change = logout(&world, &session);
        for calls in calls {
            assert_fit(&outcomes(calls).await);
        }
        change.await;
        settled(async {
            assert!(session.shutdown(FOREVER).await);
            for number in 1..=world.requests(1) {
                assert!(world.is_revoked(Issued { login: 1, number }), "a token outlived its login");
            }
            assert_told(&session, Status::LoggedOut);
        })
        .await;
    });
}

fn logged_in() -> (World, Session) {
    let world = World::default();
    let session = Session::new(world.grant(1));
    // So that there is somebody to tell.
    drop(session.subscribe());
    (world, session)
}

/// A session whose callers wait until the renewal is overdue.
fn patient(grant: impl Grant) -> Session {
    Session::builder(grant).waiting_time(FOREVER).build()
}

fn cold(world: &World, session: &Session, callers: usize) -> Vec<Caller> {
    (0..callers).map(|_| Caller::new(world, session)).collect()
}

/// Callers that hold a copy of the session's first token.
async fn copied(world: &World, session: &Session, callers: usize) -> Vec<Caller> {
    let mut callers = cold(world, session, callers);
    settled(async {
        for caller in &mut callers {
            // A service makes its copy when it is used for the second time.
            for _ in 0..2 {
                assert_eq!(caller.call().await, OK);
            }
        }
    })
    .await;
    callers
}

/// Callers that hold a copy of the session's first token, which is revoked.
async fn revoked(world: &World, session: &Session, callers: usize) -> Vec<Caller> {
    let callers = copied(world, session, callers).await;
    world.revoke(Issued { login: 1, number: 1 });
    callers
}

fn spawn_calls(callers: Vec<Caller>, calls: usize) -> Vec<JoinHandle<Vec<Outcome>>> {
    let spawn_one = |mut caller: Caller| {
        spawn(async move {
            let mut outcomes = Vec::new();
            for _ in 0..calls {
                outcomes.push(caller.call().await);
            }
            outcomes
        })
    };
    callers.into_iter().map(spawn_one).collect()
}

async fn outcomes(calls: JoinHandle<Vec<Outcome>>) -> Vec<Outcome> {
    calls.await.expect("nobody aborts these")
}

/// Of calls whose login may end under them.
fn assert_fit(outcomes: &[Outcome]) {
    let fit = |outcome: &Outcome| matches!(*outcome, OK | UNAUTHORIZED | Err(ErrorKind::LoggedOut));
    assert!(outcomes.iter().all(fit), "{outcomes:?}");
}

/// Something that happens on a task of its own.
fn meanwhile(change: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> {
    let change = spawn(async move { change() });
    async { change.await.expect("nobody aborts this") }
}

/// When nothing is under way: the status is this one, and so is the one that was told last.
fn assert_told(session: &Session, status: Status) {
    assert_eq!(session.status(), status);
    assert_eq!(*session.subscribe().borrow(), status, "the status that was told");
}

fn logout(world: &World, session: &Session) -> impl Future<Output = ()> {
    let (world, session) = (world.clone(), session.clone());
    meanwhile(move || {
        drop(session.logout());
        world.ended(1);
    })
}

async fn end_in_second_login(
    world: &World,
    session: &Session,
    calls: Vec<JoinHandle<Vec<Outcome>>>,
    change: impl Future<Output = ()>,
) {
    for calls in calls {
        assert_fit(&outcomes(calls).await);
    }
    change.await;
    settled(async {
        assert!(session.shutdown(FOREVER).await);
        let token = session.token().await.expect("the second login gets its token");
        assert_eq!(token.token_set().access_token().expose_secret(), "2-1");
        assert_eq!(cold(world, session, 1)[0].call().await, OK);
        assert_told(session, Status::Active);
        assert_eq!(world.requests(2), 1, "one token request");
    })
    .await;
}
