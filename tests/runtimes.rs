//! Cases 69 to 72 and 106: nothing hangs on a runtime that nobody drives, on one without timers, or on itself.
//!
//! A runtime of the current thread is driven while it blocks on something. Left alone after that, it stands for one that
//! nobody drives any more.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::{
    runtime::{Builder, Runtime},
    spawn,
    task::yield_now,
    time::{Instant, advance, sleep},
};
use tower::{Layer, ServiceExt, buffer::Buffer, service_fn};
use tower_reauth::{
    ErrorKind, ForceRenewal, Origins, PasswordGrant, ReauthLayer, RenewalFailed, Session, Token, TokenEndpoint,
    TokenSet, grant_fn,
};

const CROWD: usize = 1000;
/// The limit of a renewal, and what comes after it.
const LIMIT: Duration = Duration::from_secs(122);
const PAUSE: Duration = Duration::from_secs(1);

/// A runtime whose clock stands still unless it has nothing to do.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Lets everything run that can run without the clock.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Begins a call on a runtime, and stops driving that one when so many token requests have come in all.
fn leave_alone(runtime: &Runtime, world: &World, requests: usize) {
    let mut request = get("/orders");
    request.extensions_mut().insert(ForceRenewal);
    let api = world.api();
    runtime.spawn(async move { api.oneshot(request).await });
    runtime.block_on(world.issuer.arrived(requests));
}

fn access_token(token: &Token) -> String {
    token.token_set().access_token().expose_secret().to_owned()
}

/// Waits for a claim on a thread of its own: a loop without end is a failure, not a hang.
fn never_spins<T: Send + 'static>(claim: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(claim()));
    receiver.recv_timeout(Duration::from_secs(20)).expect("the claim fails, or never ends")
}

// A flight on a runtime that nobody drives

#[test]
fn flight_that_nobody_drives_is_given_up_by_whoever_asks_past_its_limit() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (left_alone, driven) = (runtime(), runtime());
        world.issuer.next(Answer::never());
        leave_alone(&left_alone, &world, 1);
        driven.block_on(async {
            advance(LIMIT).await;
            let error = world.get("/orders").await.unwrap_err();
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RenewalLost, Some(PAUSE)));
            assert_eq!(world.issuer.token_requests(), 1);
            advance(PAUSE).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), 2);
        });
    }
}

#[test]
fn renewal_ahead_that_nobody_drives_is_given_up_while_the_token_is_good() {
    let world = World::new(Kind::ClientCredentials);
    let (left_alone, driven) = (runtime(), runtime());
    world.issuer.next(Answer::tokens().expires_in(10_000));
    left_alone.block_on(world.get("/orders")).unwrap();
    world.issuer.next(Answer::never());
    leave_alone(&left_alone, &world, 2);
    driven.block_on(async {
        advance(Duration::from_secs(8500)).await;
        // Past the limit already: the first call gives it up, the second starts another one.
        for _ in 0..2 {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            settle().await;
            advance(PAUSE).await;
        }
        assert_eq!(world.issuer.token_requests(), 3);
    });
}

#[test]
fn a_thousand_waiters_are_woken_when_their_flight_is_given_up() {
    for kind in Kind::ALL {
        let issuer = Issuer::new();
        let session = Session::builder(kind.grant(&issuer, USERNAME)).waiting_time(Duration::from_secs(3600)).build();
        let world = World { kind, resource: Resource::new(&issuer), issuer, session };
        let (left_alone, driven) = (runtime(), runtime());
        world.issuer.next(Answer::never());
        leave_alone(&left_alone, &world, 1);
        driven.block_on(async {
            let before = Instant::now();
            let calls: Vec<_> = (0..CROWD).map(|_| spawn(world.api().oneshot(get("/orders")))).collect();
            for answer in join_all(calls).await {
                assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::RenewalLost);
            }
            assert!(before.elapsed() < LIMIT, "nobody waits for the own limit");
            assert_eq!(world.issuer.token_requests(), 1);
            sleep(PAUSE).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        });
    }
}

#[test]
fn a_thousand_waiters_are_woken_though_the_runtime_stops_when_the_first_of_them_are() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (left_alone, driven) = (runtime(), runtime());
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        leave_alone(&left_alone, &world, 1);
        let calls = driven.block_on(async {
            let calls: Vec<_> = (0..CROWD).map(|_| spawn(world.api().oneshot(get("/orders")))).collect();
            settle().await;
            calls
        });
        gate.open();
        left_alone.block_on(async {
            while world.session.status() != tower_reauth::Status::Active {
                yield_now().await;
            }
        });
        driven.block_on(async {
            let before = Instant::now();
            for answer in join_all(calls).await {
                assert_eq!(answer.unwrap().unwrap().status(), 200);
            }
            assert_eq!((before.elapsed(), world.issuer.token_requests()), (Duration::ZERO, 1));
        });
    }
}

// A flight that goes on after it was given up

#[test]
fn late_answer_is_kept_while_the_token_that_it_spent_is_in_force() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (left_alone, driven) = (runtime(), runtime());
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().with_refresh_token().delivered_behind(&gate));
        leave_alone(&left_alone, &world, 1);
        driven.block_on(async {
            advance(LIMIT).await;
            assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::RenewalLost);
        });
        gate.open();
        left_alone.block_on(settle());
        driven.block_on(async {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), 1);
            world.issuer.revoke_all();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (2, 0));
        });
    }
}

#[test]
fn late_answer_clears_nothing_of_the_flight_that_followed() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (left_alone, driven) = (runtime(), runtime());
        let (late, second) = (Gate::closed(), Gate::closed());
        world.issuer.next(Answer::status(500, "oops").behind(&late));
        world.issuer.next(Answer::tokens().behind(&second));
        leave_alone(&left_alone, &world, 1);
        let calls = driven.block_on(async {
            advance(LIMIT).await;
            world.get("/orders").await.unwrap_err();
            advance(PAUSE).await;
            let call = spawn(world.api().oneshot(get("/orders")));
            world.issuer.arrived(2).await;
            vec![call]
        });
        late.open();
        left_alone.block_on(settle());
        driven.block_on(async {
            let mut calls = calls;
            calls.push(spawn(world.api().oneshot(get("/orders"))));
            settle().await;
            assert_eq!(world.issuer.token_requests(), 2, "the flight that followed is joined");
            second.open();
            for answer in join_all(calls).await {
                assert_eq!(answer.unwrap().unwrap().status(), 200);
            }
            assert_eq!(world.issuer.token_requests(), 2);
        });
    }
}

#[test]
fn late_answer_is_thrown_away_when_something_newer_has_come() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        let (left_alone, driven) = (runtime(), runtime());
        let gate = Gate::closed();
        left_alone.block_on(world.get("/first")).unwrap();
        world.issuer.next(Answer::tokens().delivered_behind(&gate));
        leave_alone(&left_alone, &world, 2);
        // The refresh token is spent: where there is nothing else, nothing newer comes.
        if kind == Kind::RefreshToken {
            continue;
        }
        let newer = driven.block_on(async {
            advance(LIMIT).await;
            let rejected = world.session.token().await.unwrap().generation();
            assert_eq!(world.session.renew(rejected).await.unwrap_err().kind(), ErrorKind::RenewalLost);
            advance(PAUSE).await;
            access_token(&world.session.renew(rejected).await.unwrap())
        });
        assert_eq!(newer, world.issuer.last_access_token());
        gate.open();
        left_alone.block_on(settle());
        driven.block_on(async {
            assert_eq!(access_token(&world.session.token().await.unwrap()), newer);
            let requests = world.issuer.token_requests();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), requests);
        });
    }
}

#[test]
fn flight_that_was_given_up_sends_nothing_more_and_forgets_no_newer_refresh_token() {
    let world = World::new(Kind::Password);
    let (left_alone, driven) = (runtime(), runtime());
    left_alone.block_on(world.get("/first")).unwrap();
    world.issuer.revoke_all();
    let gate = Gate::closed();
    world.issuer.next(Answer::error(400, "invalid_grant").behind(&gate));
    leave_alone(&left_alone, &world, 2);
    driven.block_on(async {
        advance(LIMIT).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 401);
        advance(PAUSE).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    });
    assert_eq!(world.issuer.token_requests_of("refresh_token"), 2);
    gate.open();
    left_alone.block_on(settle());
    driven.block_on(async {
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    });
    assert_eq!((world.issuer.token_requests_of("refresh_token"), world.issuer.token_requests_of("password")), (3, 1));
}

#[test]
fn what_a_flight_that_was_given_up_brings_after_the_logout_is_revoked() {
    let world = World::new(Kind::Password);
    let (left_alone, driven) = (runtime(), runtime());
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().delivered_behind(&gate));
    leave_alone(&left_alone, &world, 1);
    driven.block_on(async {
        advance(LIMIT).await;
        world.get("/orders").await.unwrap_err();
        world.session.logout().await.unwrap();
    });
    gate.open();
    left_alone.block_on(world.issuer.revocations_arrived(2));
    left_alone.block_on(settle());
    assert!(!world.issuer.is_alive(&world.issuer.last_access_token()));
}

// A flight that dies

#[tokio::test(start_paused = true)]
async fn flights_that_die_leave_a_pause_however_many_calls_come() {
    for patience in [Duration::ZERO, Duration::from_secs(2)] {
        let fetched = Arc::new(AtomicUsize::new(0));
        let count = fetched.clone();
        let session = Session::builder(grant_fn(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { panic!("a bug in a grant") }
        }))
        .wait_through_pauses(patience)
        .build();
        for _ in 0..100 {
            assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::RenewalLost);
        }
        assert!(fetched.load(Ordering::SeqCst) < 10, "{fetched:?}");
    }
}

#[test]
fn runtimes_that_go_away_with_their_flight_leave_a_pause() {
    for kind in Kind::ALL {
        let world = World::new(kind);
        world.issuer.always(Answer::never());
        for _ in 0..100 {
            let runtime = runtime();
            runtime.spawn(world.api().oneshot(get("/orders")));
            runtime.block_on(settle());
        }
        assert!(world.issuer.token_requests() < 10, "{}", world.issuer.token_requests());
    }
}

// Bodies that are always ready

/// Frames without a byte, as many as one asks for.
#[derive(Clone, Copy, Default)]
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

/// Runs this while a task of the same thread moves the clock.
fn while_time_passes<T: Send + 'static, F: Future<Output = T>>(act: impl FnOnce() -> F + Send + 'static) -> T {
    never_spins(|| {
        runtime().block_on(async {
            spawn(async {
                loop {
                    advance(Duration::from_secs(1)).await;
                    yield_now().await;
                }
            });
            act().await
        })
    })
}

#[test]
fn token_answer_of_endless_empty_frames_ends_at_the_time_out() {
    for status in [200, 400, 503] {
        while_time_passes(move || async move {
            let server = service_fn(move |_: Request<Full<Bytes>>| async move {
                Ok::<_, Infallible>(Response::builder().status(status).body(Endless).unwrap())
            });
            let endpoint = TokenEndpoint::new(server, TOKEN_URI).unwrap().timeout(Duration::from_secs(10));
            let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
            let kind = session.token().await.unwrap_err().kind();
            assert!(matches!((status, kind), (503, ErrorKind::Unavailable) | (_, ErrorKind::TimedOut)), "{kind:?}");
        });
    }
}

#[test]
fn revocation_that_is_answered_by_endless_empty_frames_ends_at_the_time_out() {
    for (status, content_type) in [(200, "text/html"), (200, "application/json"), (400, "text/html")] {
        while_time_passes(move || async move {
            let server = service_fn(move |request: Request<Full<Bytes>>| async move {
                let response = Response::builder().status(status).header("content-type", content_type);
                Ok::<_, Infallible>(match request.uri().path() {
                    "/token" => Response::new(Full::from(r#"{"access_token":"t"}"#).left()),
                    _ => response.body(Endless.right()).unwrap(),
                })
            });
            let endpoint = TokenEndpoint::new(server, TOKEN_URI).unwrap().revocation(REVOCATION_URI).unwrap();
            let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
            session.token().await.unwrap();
            let _ = session.logout().await;
        });
    }
}

#[test]
fn rejection_of_endless_empty_frames_goes_to_the_caller_and_the_next_call_has_the_new_token() {
    while_time_passes(|| async {
        let world = World::new(Kind::ClientCredentials);
        world.get("/orders").await.unwrap();
        let resource = world.resource.clone();
        let api = world.layer().layer(service_fn(move |request: Request<Full<Bytes>>| {
            let resource = resource.clone();
            async move {
                let response = resource.oneshot(request).await.unwrap();
                let rejected = response.status() == 401;
                Ok::<_, Infallible>(response.map(|body| if rejected { Endless.right() } else { body.left() }))
            }
        }));
        world.issuer.revoke_all();
        assert_eq!(api.clone().oneshot(get("/orders")).await.unwrap().status(), 401);
        assert!(world.session.shutdown(Duration::from_secs(10)).await);
        assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 200);
    });
}

/// One of two bodies.
trait Either: Body<Data = Bytes, Error = Infallible> + Sized {
    fn left<R>(self) -> http_body_util::Either<Self, R> {
        http_body_util::Either::Left(self)
    }

    fn right<L>(self) -> http_body_util::Either<L, Self> {
        http_body_util::Either::Right(self)
    }
}

impl<B: Body<Data = Bytes, Error = Infallible>> Either for B {}

// A runtime without timers

#[test]
fn on_a_runtime_without_timers_nothing_is_sent_that_needs_one_and_nothing_panics() {
    let without_timers = Builder::new_current_thread().build().unwrap();
    for kind in Kind::ALL {
        let world = World::new(kind);
        without_timers.block_on(async {
            assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::NoRuntime);
            assert_eq!(world.session.token().await.unwrap_err().kind(), ErrorKind::NoRuntime);
        });
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (0, 0));
        runtime().block_on(world.get("/orders")).unwrap();
        without_timers.block_on(async {
            // A good token needs none.
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            world.issuer.revoke_all();
            let response = world.get("/orders").await.unwrap();
            let failure = response.extensions().get::<RenewalFailed>().unwrap();
            assert_eq!((response.status().as_u16(), failure.error().kind()), (401, ErrorKind::NoRuntime));
            assert_eq!(text(response).await, "rejected");
            assert_eq!(world.issuer.token_requests(), 1);
            if kind != Kind::Custom {
                assert_eq!(world.session.logout().await.unwrap_err().kind(), ErrorKind::NoRuntime);
                assert_eq!(world.issuer.revocations().len(), 0);
            }
        });
    }
}

// A renewal that asks its own session

/// What a grant is told that does this with its own session.
async fn told_to_its_own_grant<F>(act: impl Fn(Session) -> F + Send + Sync + 'static) -> ErrorKind
where
    F: Future<Output = ErrorKind> + Send + 'static,
{
    let (own, told) = (Arc::new(OnceLock::<Session>::new()), Arc::new(OnceLock::new()));
    let grant = grant_fn({
        let (own, told) = (own.clone(), told.clone());
        move |_| {
            let (asks, told) = (act(own.get().unwrap().clone()), told.clone());
            async move {
                told.set(asks.await).unwrap();
                TokenSet::new("token")
            }
        }
    });
    let session = Session::new(grant);
    own.set(session.clone()).ok().unwrap();
    let before = Instant::now();
    session.token().await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO, "at once");
    *told.get().unwrap()
}

fn own_layer(
    session: Session,
) -> impl tower::Service<Request<Full<Bytes>>, Error = tower_reauth::Error, Future: Send> + Send {
    let resource =
        service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    ReauthLayer::new(session, Origins::only(ORIGIN).unwrap()).layer(resource)
}

#[tokio::test(start_paused = true)]
async fn grant_that_asks_its_own_session_gets_an_error_at_once() {
    let other = Session::new(grant_fn(|_| async { TokenSet::new("other") })).token().await.unwrap().generation();
    let kinds = [
        told_to_its_own_grant(async |session: Session| session.token().await.unwrap_err().kind()).await,
        told_to_its_own_grant(move |session: Session| async move { session.renew(other).await.unwrap_err().kind() })
            .await,
    ];
    assert_eq!(kinds, [ErrorKind::SelfAuthorization; 2]);
}

#[tokio::test(start_paused = true)]
async fn grant_that_calls_through_its_own_layer_gets_an_error_at_once_behind_a_buffer_too() {
    let kinds = [
        told_to_its_own_grant(async |session: Session| {
            own_layer(session).oneshot(get("/orders")).await.err().unwrap().kind()
        })
        .await,
        told_to_its_own_grant(async |session: Session| {
            let error = Buffer::new(own_layer(session), 8).oneshot(get("/orders")).await.err().unwrap();
            tower_reauth::Error::find(&*error).unwrap().kind()
        })
        .await,
    ];
    assert_eq!(kinds, [ErrorKind::SelfAuthorization; 2]);
}

// A runtime of the session's own

/// A world whose session has a runtime of its own.
fn with_own_runtime(kind: Kind, background: &Runtime, waiting_time: Duration) -> World {
    let issuer = Issuer::new();
    let session = Session::builder(kind.grant(&issuer, USERNAME))
        .runtime(background.handle().clone())
        .waiting_time(waiting_time)
        .build();
    World { kind, resource: Resource::new(&issuer), issuer, session }
}

fn background() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn renewals_of_a_session_with_a_runtime_of_its_own_need_no_other() {
    let background = background();
    for kind in Kind::ALL {
        let world = with_own_runtime(kind, &background, LIMIT);
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        // On the clock of the other one: this one must not run ahead.
        let left_alone = Builder::new_current_thread().enable_all().build().unwrap();
        leave_alone(&left_alone, &world, 1);
        gate.open();
        // Without any runtime: for a token, for a renewal and its replay, for a revocation.
        let block_on = |path| futures::executor::block_on(world.get(path)).unwrap();
        assert_eq!(block_on("/orders").status(), 200);
        assert_eq!(world.issuer.token_requests(), 1);
        world.issuer.revoke_all();
        assert_eq!(block_on("/orders").status(), 200);
        futures::executor::block_on(world.session.logout()).unwrap();
        assert_eq!(world.issuer.revocations().is_empty(), kind == Kind::Custom);
        assert!(futures::executor::block_on(world.session.shutdown(LIMIT)));
    }
}

#[test]
fn call_without_a_runtime_is_released_after_the_waiting_time() {
    let background = background();
    let world = with_own_runtime(Kind::Password, &background, Duration::from_millis(1));
    world.issuer.next(Answer::never());
    let error = futures::executor::block_on(world.get("/orders")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitedTooLong);
}
