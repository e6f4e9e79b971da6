//! What people write who have no such layer: a token behind a lock, and tower's `Retry`.

use std::{
    future::{Ready, ready},
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tower::{Service, retry::Policy};

use crate::Payload;

/// Adds the token that stands behind the lock at this moment.
#[derive(Clone)]
pub struct LockedToken<S> {
    inner: S,
    token: Arc<RwLock<HeaderValue>>,
}

/// Sends a request a second time after a 401; the policy for tower's `Retry`.
#[derive(Clone)]
pub struct ReplayOnce {
    left: u32,
}

impl<S> LockedToken<S> {
    pub fn new(inner: S, token: &str) -> Self {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("the token is visible ASCII");
        value.set_sensitive(true);
        Self { inner, token: Arc::new(RwLock::new(value)) }
    }
}

impl ReplayOnce {
    pub fn new() -> Self {
        Self { left: 1 }
    }
}

impl Default for ReplayOnce {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, B> Service<Request<B>> for LockedToken<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner).clone();
        request.headers_mut().insert(AUTHORIZATION, token);
        self.inner.call(request)
    }
}

impl<R, E> Policy<Request<Payload>, Response<R>, E> for ReplayOnce {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Payload>, result: &mut Result<Response<R>, E>) -> Option<Self::Future> {
        let rejected = result.as_ref().is_ok_and(|response| response.status() == StatusCode::UNAUTHORIZED);
        if !rejected || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Payload>) -> Option<Request<Payload>> {
        Some(request.clone())
    }
}
