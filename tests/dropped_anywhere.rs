//! Every future of the crate, dropped at every await point.
//!
//! A future is polled n times and dropped, for every n until it ends by itself. After each drop the session must serve the
//! next calls, at the cost of no more token requests than if nobody had left; no place under a concurrency limit and
//! no share of the budget for parked requests may still be taken, and no task may be left.
//!
//! Broken on purpose, it finds: a flight that ends with its last caller, a share of the budget that is not given back, a dead
//! flight that stays in place, a revocation that ends with its caller, a task that is counted for ever.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]
#![allow(clippy::significant_drop_tightening, reason = "what is dropped when is what is tested")]

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use crate::support::*;
use bytes::Bytes;
use futures::{
    future::{BoxFuture, LocalBoxFuture, join, poll_fn},
    stream,
};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Semaphore,
    task::yield_now,
    time::{advance, sleep},
};
use tower::{
    Layer, Service, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};
use tower_reauth::{ErrorKind, ForceRenewal, GrantContext, Reauth, Session, Status, Wso2Classifier};

const SECOND: Duration = Duration::from_secs(1);
const PLACES: usize = 2;
/// One fits into the budget for parked requests, two don't.
static LARGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 40 * 1024 * 1024]));

type Api = Reauth<ConcurrencyLimit<Shop>>;

/// A resource server that takes a step for everything.
#[derive(Clone)]
struct Shop(Issuer);

/// A session with a service, seen from outside.
struct Scene {
    world: World,
    api: Api,
}

/// What is done, and what of it is dropped.
struct Play {
    /// The future is polled at least so often, or the play is not what it was meant to be.
    least: usize,
    settings: fn(Session, &World) -> Session,
    prepare: fn(&Scene) -> LocalBoxFuture<'_, ()>,
    act: fn(&Scene) -> LocalBoxFuture<'_, ()>,
    check: fn(&Scene),
}

impl Play {
    fn new(least: usize, act: fn(&Scene) -> LocalBoxFuture<'_, ()>) -> Self {
        Self { least, settings: |session, _| session, prepare: |_| Box::pin(async {}), act, check: |_| {} }
    }

    fn after(self, prepare: fn(&Scene) -> LocalBoxFuture<'_, ()>) -> Self {
        Self { prepare, ..self }
    }

    fn with_session(self, settings: fn(Session, &World) -> Session) -> Self {
        Self { settings, ..self }
    }

    fn then(self, check: fn(&Scene)) -> Self {
        Self { check, ..self }
    }

    fn dropped_everywhere(&self) {
        for kind in Kind::ALL {
            let (undisturbed, _) = self.run(kind, usize::MAX);
            let mut polls = 0;
            loop {
                let (requests, ended) = self.run(kind, polls);
                // Invariant 3: the answer of a flight is kept, whoever leaves.
                assert!(requests <= undisturbed, "{kind:?}, {polls} polls: {requests} token requests");
                if ended {
                    break;
                }
                polls += 1;
            }
            println!("{kind:?}: dropped after 0 to {} polls", polls - 1);
            assert!(polls >= self.least, "{kind:?}: ended after {polls} polls");
        }
    }

    fn run(&self, kind: Kind, polls: usize) -> (usize, bool) {
        runtime().block_on(never_hangs(async {
            let world = World::new(kind);
            let session = (self.settings)(world.session.clone(), &world);
            let world = world.with_session(session);
            world.issuer.always(slow(Answer::tokens()));
            let places = Arc::new(Semaphore::new(PLACES));
            let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
            let api = world.layer().classify(Wso2Classifier::new()).layer(limit.layer(Shop(world.issuer.clone())));
            let scene = Scene { world, api };
            (self.prepare)(&scene).await;
            let ended = dropped_after(polls, (self.act)(&scene)).await;
            sleep(120 * SECOND).await;
            (self.check)(&scene);
            scene.serves().await;
            let (issuer, session) = (scene.world.issuer.clone(), scene.world.session.clone());
            assert_eq!(issuer.peak().max(1), 1);
            assert_eq!(issuer.dead_refresh_tokens(), 0);
            assert!(session.shutdown(SECOND).await);
            assert_eq!(places.available_permits(), PLACES, "{kind:?}, {polls} polls: a place is still taken");
            drop((scene, session));
            no_task_is_left().await;
            (issuer.token_requests(), ended)
        }))
    }
}

impl Scene {
    async fn send(&self, request: Request<Full<Bytes>>) {
        let status = self.api.clone().oneshot(request).await.map(|response| response.status());
        assert_eq!(status.unwrap(), StatusCode::OK);
    }

    /// The next call, and one whose large body is parked during a renewal.
    async fn serves(&self) {
        if self.world.session.status() == Status::LoggedOut {
            self.world.session.login(self.world.grant());
        }
        self.send(large()).await;
        // Beyond any damping.
        sleep(61 * SECOND).await;
        self.world.issuer.revoke_all();
        self.send(large()).await;
    }
}

impl Service<Request<Full<Bytes>>> for Shop {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let issuer = self.0.clone();
        Box::pin(async move {
            yield_now().await;
            let token =
                request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            let lives = token.is_some_and(|token| issuer.is_alive(token));
            yield_now().await;
            let (status, text) = if lives { (200, "orders") } else { (401, r#"{"code":"900901","message":"no"}"#) };
            // Half of the body after another step.
            let (first, second) = text.split_at(text.len() / 2);
            let halves = [first, second].map(|half| Frame::data(Bytes::from_static(half.as_bytes())));
            let body = stream::unfold(halves.into_iter(), |mut halves| async {
                yield_now().await;
                Some((Ok(halves.next()?), halves))
            });
            let mut response = Response::new(StreamBody::new(body).boxed_unsync());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn large() -> Request<Full<Bytes>> {
    post("/orders", LARGE.clone())
}

fn slow(answer: Answer) -> Answer {
    answer.after(Duration::from_millis(20)).delivered_after(Duration::from_millis(20))
}

/// Polls a future so often, and drops it; says whether it had ended.
async fn dropped_after(mut polls: usize, future: LocalBoxFuture<'_, ()>) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if polls == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn no_task_is_left() {
    for _ in 0..4 {
        yield_now().await;
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "a task is left");
}

/// There is a token, and it has died.
fn rejected(scene: &Scene) -> LocalBoxFuture<'_, ()> {
    Box::pin(async {
        scene.send(get("/orders")).await;
        scene.world.issuer.revoke_all();
    })
}

#[test]
fn cold_call() {
    Play::new(4, |scene| Box::pin(scene.send(large()))).dropped_everywhere();
}

/// Send, look into the body, renew, drain, replay.
#[test]
fn rejected_call() {
    Play::new(8, |scene| Box::pin(scene.send(large()))).after(rejected).dropped_everywhere();
}

/// One leaves, another one waits for the same flight.
#[test]
fn rejected_call_beside_another_one() {
    Play::new(8, |scene| {
        Box::pin(async {
            let leaves = Box::pin(dropped_after(4, Box::pin(scene.send(get("/orders")))));
            join(leaves, scene.send(get("/orders"))).await;
        })
    })
    .after(rejected)
    .dropped_everywhere();
}

#[test]
fn forced_renewal() {
    Play::new(4, |scene| {
        let mut request = large();
        request.extensions_mut().insert(ForceRenewal);
        Box::pin(scene.send(request))
    })
    .after(rejected)
    .dropped_everywhere();
}

/// The second rejection in a minute waits for its turn, and reads the rejection meanwhile.
#[test]
fn damped_call() {
    Play::new(8, |scene| Box::pin(scene.send(large())))
        .with_session(|_, world| Session::builder(world.grant()).renewals_per_minute(Some(1)).build())
        .after(|scene| {
            Box::pin(async {
                rejected(scene).await;
                scene.send(get("/orders")).await;
                sleep(56 * SECOND).await;
                scene.world.issuer.revoke_all();
            })
        })
        .dropped_everywhere();
}

#[test]
fn token() {
    Play::new(2, |scene| Box::pin(async { drop(scene.world.session.token().await.unwrap()) })).dropped_everywhere();
}

#[test]
fn renew() {
    Play::new(3, |scene| {
        Box::pin(async {
            let token = scene.world.session.token().await.unwrap();
            drop(scene.world.session.renew(token.generation()).await.unwrap());
        })
    })
    .dropped_everywhere();
}

#[test]
fn logout() {
    Play::new(1, |scene| {
        let logout = scene.world.session.logout();
        Box::pin(async { logout.await.unwrap() })
    })
    .after(|scene| Box::pin(scene.send(get("/orders"))))
    .then(|scene| {
        assert_eq!(scene.world.session.status(), Status::LoggedOut);
        if scene.world.kind != Kind::Custom {
            assert!(!scene.world.issuer.is_alive(&scene.world.issuer.last_access_token()));
        }
    })
    .dropped_everywhere();
}

#[test]
fn shutdown() {
    Play::new(2, |scene| Box::pin(async { assert!(scene.world.session.shutdown(SECOND).await) }))
        .after(|scene| {
            Box::pin(async {
                dropped_after(1, Box::pin(scene.send(get("/orders")))).await;
                assert!(!scene.world.session.shutdown(Duration::ZERO).await);
            })
        })
        .dropped_everywhere();
}

/// As a grant of a user's own may do that holds nothing back from being dropped.
#[test]
fn request_of_the_token_endpoint() {
    Play::new(2, |scene| {
        Box::pin(async {
            let endpoint = scene.world.issuer.endpoint();
            let parameters = [("grant_type", "client_credentials"), ("scope", "somebody-else")];
            drop(endpoint.request(&GrantContext::default(), &parameters).await.unwrap());
        })
    })
    .dropped_everywhere();
}

/// The runtime goes away at every step of a flight. Who waits on another one gets an error or the token, and a call after a short
/// pause starts afresh.
#[test]
fn flight_with_its_runtime() {
    let (mut lost, mut landed) = (0, 0);
    for kind in Kind::ALL {
        for step in 0..12 {
            let world = World::new(kind);
            // Not rotated: what the runtime takes with it may be spent.
            world.issuer.always(slow(Answer::tokens().without_refresh_token()));
            let (first, second) = (runtime(), runtime());
            let mut caller = Box::pin(world.session.token());
            let _ = first.block_on(async { futures::poll!(&mut caller) });
            let mut waiter = Box::pin(world.session.token());
            let _ = second.block_on(async { futures::poll!(&mut waiter) });
            first.block_on(async {
                for _ in 0..step {
                    advance(Duration::from_millis(5)).await;
                }
            });
            drop(first);
            match second.block_on(never_hangs(waiter)) {
                Ok(_) => landed += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::RenewalLost, "{kind:?}, step {step}");
                    lost += 1;
                }
            }
            drop(caller);
            second.block_on(advance(Duration::from_secs(2)));
            let status = second.block_on(never_hangs(world.get("/orders"))).unwrap().status();
            assert_eq!(status, StatusCode::OK, "{kind:?}, step {step}");
            assert!(world.issuer.token_requests() <= 2, "{kind:?}, step {step}");
            second.block_on(async {
                drop(world);
                no_task_is_left().await;
            });
        }
    }
    assert!(lost > 0 && landed > 0, "lost {lost}, landed {landed}");
}
