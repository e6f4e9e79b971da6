//! A layer for servers of the user's own that takes only living tokens.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderName, Request, Response, StatusCode, header::AUTHORIZATION};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    bearer::{grpc_rejection, is_grpc, rejection, token_in},
    issuer::Issuer,
};
use crate::scheme::Scheme;

/// Lets requests through to a server of your own if their token is alive: an axum `Router`, a service that tonic generated, or
/// any other tower service whose response has a body with a `Default`.
///
/// A request without a living token in `Authorization: Bearer`, or where [`header`](Guard::header) and [`scheme`](Guard::scheme) say,
/// gets a 401 with `error="invalid_token"`. A gRPC request gets the
/// status `UNAUTHENTICATED`. Neither reaches the server. All requests are in the issuer's [`journal`](Issuer::journal).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, body::Body, routing::get};
/// use http::Request;
/// use tower::ServiceExt;
/// use tower_reauth::testing::Issuer;
///
/// let issuer = Issuer::new();
/// issuer.accept("the-token");
/// let api = Router::new().route("/orders", get(async || "three orders")).layer(issuer.guard());
///
/// let request = |token| Request::get("/orders").header("authorization", format!("Bearer {token}")).body(Body::empty());
/// assert_eq!(api.clone().oneshot(request("the-token")?).await?.status(), 200);
/// assert_eq!(api.oneshot(request("another")?).await?.status(), 401);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    issuer: Issuer,
    header: HeaderName,
    scheme: Scheme,
}

/// The service of a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl Issuer {
    /// A layer for a server of your own that takes only this issuer's tokens.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard { issuer: self.clone(), header: AUTHORIZATION, scheme: Scheme::default() }
    }
}

impl Guard {
    /// Reads the token from another header than `Authorization`.
    #[must_use]
    pub fn header(self, header: HeaderName) -> Self {
        Self { header, ..self }
    }

    /// Reads the token under another scheme than `Bearer`. The challenge stays one for `Bearer`.
    #[must_use]
    pub fn scheme(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Guarded<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Future: Send + 'static>,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResBody>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let Guard { issuer, header, scheme } = &self.guard;
        let token = token_in(request.headers(), header, scheme);
        let index = issuer.note_call(request.method(), request.uri(), token);
        if token.is_some_and(|token| issuer.is_alive(token)) {
            let (call, issuer) = (self.inner.call(request), issuer.clone());
            return Box::pin(async move {
                let answer = call.await;
                let status = answer.as_ref().ok().map(Response::status);
                issuer.note_answer(index, status.as_ref().map_or("broken", StatusCode::as_str));
                answer
            });
        }
        let is_grpc = is_grpc(request.headers());
        issuer.note_answer(index, if is_grpc { "UNAUTHENTICATED" } else { "401" });
        Box::pin(
            async move { Ok(if is_grpc { grpc_rejection(ResBody::default()) } else { rejection(ResBody::default()) }) },
        )
    }
}
