//! Tests of sleep: first of the clock, then of a call by every way that a token takes to it.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::{
    grant::grant_fn,
    middleware::{Reauth, ReauthLayer},
    origin::Origins,
    session::Session,
    sessions::{SessionSource, Sessions},
    token::TokenSet,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn slept() -> Duration {
    let now = Instant::now();
    look(now);
    with_sleep(now) - now
}

#[tokio::test(start_paused = true)]
async fn sleep_is_what_the_wall_clock_has_ahead_from_a_second_on() {
    assert_eq!(slept(), Duration::ZERO);
    advance(SECOND).await;
    test::sleeps(SECOND / 2);
    assert_eq!(slept(), Duration::ZERO);
    advance(SECOND).await;
    test::sleeps(HOUR);
    let sum = slept();
    // What passes on the real clocks while this runs passes on both.
    assert!(sum.abs_diff(HOUR) < SECOND, "{sum:?}");
    advance(SECOND).await;
    test::sleeps(HOUR);
    assert!(slept().abs_diff(2 * HOUR) < SECOND);
    let at = Instant::now() + 3 * HOUR;
    assert_eq!(with_sleep(without_sleep(at)), at);
}

#[tokio::test(start_paused = true)]
async fn clocks_are_read_once_a_second() {
    slept();
    advance(SECOND - Duration::from_millis(1)).await;
    test::sleeps(HOUR);
    assert_eq!(slept(), Duration::ZERO);
    advance(Duration::from_millis(1)).await;
    assert!(!slept().is_zero());
}

#[tokio::test(start_paused = true)]
async fn wall_clock_that_is_set_back_means_nothing() {
    test::sleeps(HOUR);
    slept();
    advance(SECOND).await;
    test::AHEAD.set(Duration::ZERO);
    assert_eq!(slept(), Duration::ZERO);
    advance(SECOND).await;
    assert!(wall() < SystemTime::now() + SECOND);
    assert_eq!(slept(), Duration::ZERO);
}

#[derive(Clone, Default)]
struct Api {
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Api {
    async fn call<S>(&self, mut service: S, request: Request<Full<Bytes>>) -> String
    where
        S: Service<Request<Full<Bytes>>, Error: std::fmt::Debug>,
    {
        service.ready().await.unwrap().call(request).await.unwrap();
        self.tokens.lock().unwrap().pop().unwrap()
    }
}

/// A session whose tokens are numbered and live for half an hour.
fn session() -> Session {
    let fetched = Arc::new(AtomicUsize::new(0));
    Session::new(grant_fn(move |_context| {
        let number = fetched.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(TokenSet::new(format!("token-{number}"))?.with_lifetime(HOUR / 2)) }
    }))
}

fn layered(
    api: &Api,
    select: impl Into<SessionSource>,
) -> Reauth<
    impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone,
> {
    let tokens = api.tokens.clone();
    ReauthLayer::new(select, Origins::only("https://gw.example").unwrap()).layer(tower::service_fn(
        move |request: Request<Full<Bytes>>| {
            tokens.lock().unwrap().push(request.headers()[AUTHORIZATION].to_str().unwrap().to_owned());
            async { Ok(Response::new(Full::default())) }
        },
    ))
}

fn request(user: Option<u32>) -> Request<Full<Bytes>> {
    let mut request = Request::get("https://gw.example/").body(Full::default()).unwrap();
    if let Some(user) = user {
        request.extensions_mut().insert(user);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn token_that_came_of_age_while_the_machine_slept_is_renewed_before_sending() {
    let api = Api::default();
    let mut reused = layered(&api, session());
    for _ in 0..5 {
        assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-1");
    }
    let cloned = layered(&api, session());
    assert_eq!(api.call(cloned.clone(), request(None)).await, "Bearer token-1");
    let sessions = Sessions::<u32>::new();
    sessions.insert(7, session());
    let mut many = layered(&api, sessions);
    assert_eq!(api.call(&mut many, request(Some(7))).await, "Bearer token-1");
    let asked = session();
    assert_eq!(asked.token().await.unwrap().token_set().lifetime(), Some(HOUR / 2));

    test::sleeps(HOUR);
    advance(SECOND).await;
    for _ in 0..5 {
        assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-2");
        assert_eq!(api.call(cloned.clone(), request(None)).await, "Bearer token-2");
        assert_eq!(api.call(&mut many, request(Some(7))).await, "Bearer token-2");
        let tokens = asked.token().await.unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(tokens.token_set().access_token()), "token-2");
    }
    // Each is as young as any other token from here on.
    advance(HOUR / 4).await;
    assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-2");
    advance(HOUR / 4).await;
    assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-3");
}

#[tokio::test(start_paused = true)]
async fn token_that_outlives_a_sleep_is_kept_and_is_older_by_it() {
    let api = Api::default();
    let mut reused = layered(&api, session());
    api.call(&mut reused, request(None)).await;
    test::sleeps(HOUR / 6);
    advance(SECOND).await;
    assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-1");
    advance(HOUR / 6).await;
    assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-1");
    advance(HOUR / 6).await;
    assert_eq!(api.call(&mut reused, request(None)).await, "Bearer token-2");
}
