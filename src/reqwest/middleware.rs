//! The layer as a middleware of reqwest-middleware's: the rest of the chain is the service that it wraps.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Extensions, Request, Response};
use reqwest::Body;
use reqwest_middleware::{Middleware, Next};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    send::send,
    service::{to_http, to_reqwest},
};
use crate::{error::ErrorKind, middleware::ReauthLayer};

/// With the feature `reqwest-middleware`.
///
/// The rest of the chain, from the next middleware to the client, is the service that this layer wraps: a middleware that comes
/// after this one sees each attempt, one that comes before sees one request. Its extensions say what a request's extensions say
/// to the layer: `.with_extension(NoReplay)`, or a key of [`Sessions`](crate::Sessions).
///
/// ```
/// use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
/// use tower_reauth::{Error, Origins, ReauthLayer, Session};
///
/// fn client(client: reqwest::Client, session: &Session) -> Result<ClientWithMiddleware, Error> {
///     let layer = ReauthLayer::new(session, Origins::only("https://gw.example")?);
///     Ok(ClientBuilder::new(client).with(layer).build())
/// }
/// ```
///
/// Errors of the rest of the chain come as they are. Errors of this crate are `Error::Middleware`, in which
/// [`Error::find`](crate::Error::find) finds them. Time-outs and multipart forms are treated as
/// [`send_through`](crate::SendThrough::send_through) treats them.
#[async_trait::async_trait]
impl Middleware for ReauthLayer {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let known = extensions.clone();
        let call = Mutex::new(Call { extensions, failure: None });
        let result = send(self.layer(Rest { next, call: &call }), request, known).await;
        let failure = call.into_inner().unwrap_or_else(PoisonError::into_inner).failure;
        result.map_err(|error| match failure {
            Some(failure) if error.kind() == ErrorKind::Service => failure,
            _ => reqwest_middleware::Error::middleware(error),
        })
    }
}

/// What the attempts of one call, of which never two are under way, leave for its caller.
struct Call<'e> {
    /// The caller's own: whoever drops this call and tries again still has them.
    extensions: &'e mut Extensions,
    /// As it came: who stands before this middleware may know what to do about it.
    failure: Option<reqwest_middleware::Error>,
}

/// The rest of the chain.
#[derive(Clone)]
struct Rest<'a, 'e> {
    next: Next<'a>,
    call: &'a Mutex<Call<'e>>,
}

/// Stands for the failure that the call keeps.
#[derive(Debug)]
struct Failed;

impl<'a, 'e> Service<Request<Body>> for Rest<'a, 'e> {
    type Response = Response<Body>;
    type Error = Failed;
    type Future = BoxFuture<'a, Result<Response<Body>, Failed>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { next, call } = self.clone();
        Box::pin(async move {
            let mut extensions = lock(call).extensions.clone();
            let result = match to_reqwest(request) {
                Ok(request) => next.run(request, &mut extensions).await,
                Err(error) => Err(error.into()),
            };
            *lock(call).extensions = extensions;
            result.map(to_http).map_err(|failure| {
                lock(call).failure = Some(failure);
                Failed
            })
        })
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rest of the chain failed")
    }
}

impl std::error::Error for Failed {}

fn lock<'a, 'e>(call: &'a Mutex<Call<'e>>) -> MutexGuard<'a, Call<'e>> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}
