//! Readiness of the inner service: asked for before every call, and given back by every call that ends or is dropped.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::{join_all, poll_immediate};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::GlobalConcurrencyLimitLayer, service_fn};
use tower_reauth::{ForceRenewal, Session, TokenSet, grant_fn};

use crate::http_support::{Body, answer, bare_rejection, feed::fed, is_live, layer, session};

const ORIGIN: &str = "https://gw.example";

type Question = Request<Full<Bytes>>;

fn question() -> Question {
    Request::post(ORIGIN).body(Full::from("question")).expect("a valid request")
}

/// Takes the live token only.
fn strict() -> impl Service<Question, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(|request: Question| async move {
        Ok(if is_live(&request) { answer(StatusCode::OK, "orders") } else { bare_rejection() })
    })
}

/// Ready for one call after it was asked, which is not passed on to its clones.
struct OneByOne {
    asked: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for OneByOne {
    fn clone(&self) -> Self {
        Self { asked: false, calls: self.calls.clone() }
    }
}

impl Service<Question> for OneByOne {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    /// Ready at the second time of asking.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.asked, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Question) -> Self::Future {
        assert!(std::mem::take(&mut self.asked), "called without being polled ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        let response = if is_live(&request) { answer(StatusCode::OK, "orders") } else { bare_rejection() };
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn inner_service_is_never_called_without_being_polled_ready() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (session, _) = session();
    let mut api =
        ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(OneByOne { asked: false, calls: calls.clone() });
    // Waits for its first token, is rejected and replayed; then one send each, on the same service and on clones.
    for sends in [2, 3, 4] {
        let response = api.ready().await.expect("ready").call(question()).await.expect("an answer");
        assert_eq!((response.status(), calls.load(Ordering::SeqCst)), (StatusCode::OK, sends));
    }
    let response = api.clone().oneshot(question()).await.expect("an answer");
    assert_eq!((response.status(), calls.load(Ordering::SeqCst)), (StatusCode::OK, 5));
    let mut bare = question();
    bare.extensions_mut().insert(tower_reauth::WithoutAuth);
    api.ready().await.expect("ready").call(bare).await.expect("an answer");
    let mut renewed = question();
    renewed.extensions_mut().insert(ForceRenewal);
    let response = api.ready().await.expect("ready").call(renewed).await.expect("an answer");
    // The third token is not the one that is taken here.
    assert_eq!((response.status(), calls.load(Ordering::SeqCst)), (StatusCode::UNAUTHORIZED, 8));
}

#[tokio::test(start_paused = true)]
async fn mock_that_counts_its_readiness_sees_each_attempt_ask_for_it() {
    let (mock, mut handle) = tower_test::mock::pair::<Question, Response<Body>>();
    handle.allow(0);
    let (session, _) = session();
    session.token().await.expect("a token");
    let mut api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(mock);
    assert!(poll_immediate(api.ready()).await.is_none(), "not ready when the inner service is not");
    handle.allow(1);
    let mut call = pin!(api.ready().await.expect("ready").call(question()));
    assert!(poll_immediate(&mut call).await.is_none());
    let (request, respond) = handle.next_request().await.expect("the first attempt");
    assert!(!is_live(&request));
    respond.send_response(bare_rejection());
    // Rejected and renewed, the replay waits for its turn.
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), &mut call).await;
    assert!(waited.is_err());
    assert!(poll_immediate(handle.next_request()).await.is_none());
    handle.allow(1);
    let answering = async {
        let (request, respond) = handle.next_request().await.expect("the replay");
        assert!(is_live(&request));
        respond.send_response(answer(StatusCode::OK, "orders"));
    };
    let (response, ()) = tokio::join!(call, answering);
    assert_eq!(response.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn one_place_under_a_concurrency_limit_is_enough_for_many_calls() {
    let (session, fetched) = session();
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).concurrency_limit(1).service(strict());
    let calls = join_all((0..50).map(|_| api.clone().oneshot(question()))).await;
    assert!(calls.into_iter().all(|call| call.expect("an answer").status() == StatusCode::OK));
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn buffer_of_one_is_enough_for_many_calls() {
    let (session, fetched) = session();
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).layer(BufferLayer::new(1)).service(strict());
    let calls = join_all((0..50).map(|_| api.clone().oneshot(question()))).await;
    assert!(calls.into_iter().all(|call| call.expect("an answer").status() == StatusCode::OK));
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

/// Where a call stands when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    FirstToken,
    FirstAttempt,
    Renewal,
    Drain,
    Replay,
}

/// The tokens come when the test lets them.
fn slow_session(tokens: &Arc<Semaphore>) -> Session {
    let (tokens, fetched) = (tokens.clone(), Arc::new(AtomicUsize::new(0)));
    Session::new(grant_fn(move |_context| {
        let (tokens, fetched) = (tokens.clone(), fetched.clone());
        async move {
            tokens.acquire().await.expect("open").forget();
            TokenSet::new(format!("token-{}", fetched.fetch_add(1, Ordering::SeqCst) + 1))
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn dropped_call_frees_its_permit_wherever_it_stands() {
    for stage in [Stage::FirstToken, Stage::FirstAttempt, Stage::Renewal, Stage::Drain, Stage::Replay] {
        let (tokens, places) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(1)));
        let session = slow_session(&tokens);
        let endless = Arc::new(Mutex::new(None));
        let inner = service_fn({
            let endless = endless.clone();
            move |request: Question| {
                let live = is_live(&request);
                let (feeder, body) = fed();
                *endless.lock().expect("not poisoned") = Some(feeder);
                async move {
                    if stage == if live { Stage::Replay } else { Stage::FirstAttempt } {
                        std::future::pending::<()>().await;
                    }
                    let mut rejection = Response::new(body);
                    *rejection.status_mut() = StatusCode::UNAUTHORIZED;
                    Ok::<_, Infallible>(rejection)
                }
            }
        });
        let mut api = ServiceBuilder::new()
            .layer(layer(&session, ORIGIN))
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(places.clone()))
            .service(inner);
        tokens.add_permits(match stage {
            Stage::FirstToken => 0,
            Stage::FirstAttempt | Stage::Renewal => 1,
            Stage::Drain | Stage::Replay => 2,
        });
        let mut call = Box::pin(api.ready().await.expect("ready").call(question()));
        assert_eq!(places.available_permits(), 1, "{stage:?}: none is held while a call waits for its first token");
        // Long enough for everything that can happen, and shorter than a drain where that is the stage.
        let moment = std::time::Duration::from_millis(if stage == Stage::Drain { 50 } else { 500 });
        assert!(tokio::time::timeout(moment, &mut call).await.is_err(), "{stage:?}");
        let in_flight = matches!(stage, Stage::FirstAttempt | Stage::Replay);
        assert_eq!(places.available_permits(), usize::from(!in_flight), "{stage:?}");
        drop(call);
        assert_eq!(places.available_permits(), 1, "{stage:?}");
    }
}
