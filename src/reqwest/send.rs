//! Sending a request of reqwest's builder through layers.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body as HttpBody;
use reqwest::{Body, RequestBuilder};
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, ServiceExt};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    form,
    service::{Deadline, ReqwestService},
};
use crate::error::{Error, ErrorKind};

/// So much later than reqwest's own timer ends a call that waits: timers are good to a millisecond, and where an attempt is under
/// way, reqwest's error says more.
const AFTER: Duration = Duration::from_millis(5);

/// [`send_through`](SendThrough::send_through) for reqwest's request builder, with the feature `reqwest`.
///
/// ```no_run
/// use reqwest::{Client, redirect::Policy};
/// use tower_reauth::{
///     ClientAuth, ClientCredentialsGrant, Origins, ReauthLayer, ReqwestService, SendThrough, Session, TokenEndpoint,
/// };
///
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Order { what: String }
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let client = Client::builder().redirect(Policy::none()).build()?;
/// let endpoint = TokenEndpoint::with_body::<reqwest::Body>(
///     ReqwestService::new(client.clone()),
///     "https://gw.example/oauth2/token",
/// )?;
/// let session = Session::new(ClientCredentialsGrant::new(endpoint.client_auth(ClientAuth::basic("key", "secret"))));
/// let api = ReauthLayer::new(session, Origins::only("https://gw.example")?);
///
/// let order = Order { what: "2 pears".to_owned() };
/// let placed: Order = client
///     .post("https://gw.example/orders")
///     .json(&order)
///     .send_through(&api)
///     .await?
///     .error_for_status()?
///     .json()
///     .await?;
/// # Ok(()) }
/// ```
///
/// This trait is sealed: only `reqwest::RequestBuilder` has it.
pub trait SendThrough: sealed::Sealed + Sized {
    /// Sends the request through these layers, with the client of the builder. It takes the place of `send()`.
    ///
    /// Make one [`ReauthLayer`](crate::ReauthLayer) and keep it: all requests that are sent through it, or through clones of it,
    /// share its session and its limits. Any other layers can stand around it: pass a pair `&(outer, &api)`, or a
    /// `tower::ServiceBuilder`. They are put around the client for each request anew, so a layer that counts across requests must
    /// share its count, as `GlobalConcurrencyLimitLayer` does.
    ///
    /// What a request's extensions say to the layer (a key of [`Sessions`](crate::Sessions), [`NoReplay`](crate::NoReplay) and
    /// the like) is said by such a layer, since reqwest's builder has no extensions:
    ///
    /// ```
    /// use http::Request;
    /// use tower::util::MapRequestLayer;
    /// use tower_reauth::{Error, ReauthLayer, SendThrough};
    ///
    /// async fn orders(client: &reqwest::Client, api: &ReauthLayer, user: u64) -> Result<reqwest::Response, Error> {
    ///     let of_user = MapRequestLayer::new(move |mut request: Request<reqwest::Body>| {
    ///         request.extensions_mut().insert(user); // the key of a `Sessions<u64>`
    ///         request
    ///     });
    ///     client.get("https://gw.example/orders").send_through(&(of_user, api)).await
    /// }
    /// ```
    ///
    /// What stays as it is with `send()`, and what does not:
    ///
    /// 1. The builder's `version`, and all settings of its client.
    /// 2. The builder's `timeout` limits the whole call, as with `send()`: all attempts, the waits between them, and the body of
    ///    the response. A time-out of the client's (`ClientBuilder::timeout`) limits each attempt.
    /// 3. The response has its URL, its extensions (with [`RenewalFailed`](crate::RenewalFailed) if a rejection was not healed)
    ///    and its remote address. The URL loses its fragment, which is never sent.
    /// 4. Bodies of bytes, JSON and forms are replayed, whatever their size. A multipart form is a stream to reqwest, even in
    ///    memory. If its length is known and is 1 MiB or less, it is read before it is sent, and can be replayed. Longer
    ///    ones, those with a part of unknown length, and other streams are recorded while they are sent, up to the
    ///    [`replay_limit`](crate::ReauthLayer::replay_limit).
    ///
    /// # Errors
    /// - [`ErrorKind::Service`] if the request cannot be built or sent. Its [`source`](std::error::Error::source) is the
    ///   `reqwest::Error`, or the error of another layer. If the builder's time-out ends a wait for a token, the source is
    ///   tokio's `Elapsed`.
    /// - Any other kind says that the request was not sent, as with [`Reauth`](crate::Reauth#responses-and-errors).
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call, but not a renewal that it started or waits for.
    fn send_through<L, R>(
        self,
        layers: &L,
    ) -> impl Future<Output = Result<reqwest::Response, Error>> + Send + use<Self, L, R>
    where
        L: Layer<ReqwestService>,
        L::Service: Service<Request<Body>, Response = Response<R>, Error: Into<BoxError>, Future: Send> + Send,
        R: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static;
}

impl SendThrough for RequestBuilder {
    fn send_through<L, R>(self, layers: &L) -> impl Future<Output = Result<reqwest::Response, Error>> + Send + use<L, R>
    where
        L: Layer<ReqwestService>,
        L::Service: Service<Request<Body>, Response = Response<R>, Error: Into<BoxError>, Future: Send> + Send,
        R: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
    {
        let (client, request) = self.build_split();
        let service = layers.layer(ReqwestService::new(client));
        async move { send(service, request.map_err(Error::service)?, Extensions::new()).await }
    }
}

/// Sends the request through a service that is for this call alone.
pub(super) async fn send<S, R>(
    service: S,
    mut request: reqwest::Request,
    extensions: Extensions,
) -> Result<reqwest::Response, Error>
where
    S: Service<Request<Body>, Response = Response<R>, Error: Into<BoxError>>,
    R: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
{
    let deadline = request.timeout().and_then(|limit| Instant::now().checked_add(*limit));
    let call = async {
        form::read(&mut request).await?;
        let mut request = Request::try_from(request).map_err(Error::service)?;
        request.extensions_mut().extend(extensions);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        service.oneshot(request).await.map_err(Error::service)
    };
    let response = match deadline.and_then(|deadline| deadline.checked_add(AFTER)) {
        None => call.await?,
        Some(end) => timeout_at(end, call).await.map_err(|elapsed| {
            Error::new(ErrorKind::Service, "the request's own time-out ended a wait").with_source(elapsed)
        })??,
    };
    Ok(response.map(Body::wrap).into())
}

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else has the trait")]
    pub trait Sealed {}

    impl Sealed for reqwest::RequestBuilder {}
}
