//! What the tests of bodies and connections share: a session whose first token is dead, real servers that keep a record,
//! and bodies that the test feeds.

// Each test binary uses its own part of this, and none of it is seen outside.
#![allow(dead_code, unreachable_pub)]

pub mod feed;
pub mod server;

use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use tower_reauth::{Error, ErrorKind, Origins, ReauthLayer, RenewalFailed, Session, TokenSet, grant_fn};

pub type BoxError = Box<dyn StdError + Send + Sync>;
pub type Body = BoxBody<Bytes, BoxError>;

/// What is expected of the token that a renewal brings; the one before it, `token-1`, is never accepted.
pub const LIVE: &str = "Bearer token-2";

/// A session whose tokens are numbered, and the count of them.
pub fn session() -> (Session, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let session = Session::new(grant_fn(move |_context| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move { TokenSet::new(format!("token-{number}")) }
    }));
    (session, fetched)
}

/// A session that gets one token, and fails ever after.
pub fn session_that_fails_to_renew() -> Session {
    let fetched = Arc::new(AtomicUsize::new(0));
    Session::new(grant_fn(move |_context| {
        let number = fetched.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            match number {
                1 => TokenSet::new("token-1"),
                _ => Err(Error::new(ErrorKind::Unavailable, "the issuer is down")),
            }
        }
    }))
}

pub fn layer(session: &Session, origin: &str) -> ReauthLayer {
    ReauthLayer::new(session.clone(), Origins::only(origin).expect("an origin"))
}

pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

pub fn is_live<B>(request: &http::Request<B>) -> bool {
    request.headers().get(AUTHORIZATION).is_some_and(|value| value == LIVE)
}

pub fn answer(status: StatusCode, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(content));
    *response.status_mut() = status;
    response
}

/// A 401 with nothing in it.
pub fn bare_rejection() -> Response<Body> {
    answer(StatusCode::UNAUTHORIZED, "")
}

/// Why the layer passed a rejection on.
pub fn why<B>(response: &Response<B>) -> Option<ErrorKind> {
    response.extensions().get::<RenewalFailed>().map(|failed| failed.error().kind())
}

/// For what must happen, so that a broken test ends.
pub async fn soon<T>(happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), happens).await.expect("must happen")
}
