//! reqwest's client as a service of `http`'s requests.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use reqwest::{Body, Client, ResponseBuilderExt};
use tokio::time::Instant;
use tower_service::Service;

/// What reqwest's client gives for a request.
type Sending = <Client as Service<reqwest::Request>>::Future;

/// A [`reqwest::Client`] as a service of `http`'s requests, with the feature `reqwest`: for a
/// [`TokenEndpoint`](crate::TokenEndpoint), and for stacks of layers that are built once.
///
/// 1. Time-outs and versions of requests that come from reqwest's builder are kept, in a replay, too.
/// 2. The responses keep their URL: `reqwest::Response::from` finds it.
/// 3. The client's own settings hold for each attempt: default headers, time-outs, proxies, cookies. A default header is added below
///    the layer, so [`OwnAuthorization`](crate::OwnAuthorization) does not see it: a default `Authorization` goes with each request
///    that gets no token.
///
/// Let the client follow no redirects: [`manual::clients`](crate::manual::clients#reqwests-redirects) says why.
///
/// ```
/// use http::Request;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_reauth::{Origins, Reauth, ReauthLayer, ReqwestService, Session};
///
/// fn api(client: reqwest::Client, session: &Session) -> Result<Reauth<ReqwestService>, tower_reauth::Error> {
///     let layer = ReauthLayer::new(session, Origins::only("https://gw.example")?);
///     Ok(ServiceBuilder::new().layer(layer).service(ReqwestService::new(client)))
/// }
///
/// async fn order(api: Reauth<ReqwestService>) -> Result<reqwest::Response, Box<dyn std::error::Error + Send + Sync>> {
///     let request = Request::post("https://gw.example/orders").body(reqwest::Body::from("2 pears"))?;
///     Ok(api.oneshot(request).await?.map(reqwest::Body::wrap).into())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestService {
    client: Client,
}

/// The future of a call to a [`ReqwestService`].
pub struct ReqwestFuture {
    // The error of a request that reqwest cannot send.
    state: Result<Sending, Option<reqwest::Error>>,
}

/// In a request's extensions: when its own time-out ends, however often it is sent.
#[derive(Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl ReqwestService {
    /// The client as a service.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl<B: Into<Body>> Service<Request<B>> for ReqwestService {
    type Response = Response<Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Service::<reqwest::Request>::poll_ready(&mut self.client, cx)
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        ReqwestFuture { state: to_reqwest(request).map(|request| self.client.call(request)).map_err(Some) }
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<Body>, reqwest::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            Ok(sending) => Pin::new(sending).poll(cx).map_ok(to_http),
            Err(error) => Poll::Ready(Err(error.take().expect("a future is not polled after it has ended"))),
        }
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}

/// The request with what is left of its time-out.
pub(super) fn to_reqwest<B: Into<Body>>(request: Request<B>) -> Result<reqwest::Request, reqwest::Error> {
    let deadline = request.extensions().get().copied();
    let mut request = reqwest::Request::try_from(request)?;
    if let Some(Deadline(at)) = deadline {
        *request.timeout_mut() = Some(at.saturating_duration_since(Instant::now()));
    }
    Ok(request)
}

/// The response with its URL, which reqwest's own conversion forgets.
pub(super) fn to_http(response: reqwest::Response) -> Response<Body> {
    let mut url = http::response::Builder::new().url(response.url().clone());
    let mut response = Response::from(response);
    response.extensions_mut().extend(url.extensions_mut().map(mem::take).unwrap_or_default());
    response
}
