//! Where a stack is built: the [`ReauthLayer`] and its setters.

use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use super::{
    budget::Budget,
    config::{Config, OwnAuthorization},
    service::Reauth,
};
use crate::{challenge::Classify, metrics, origin::Origins, sessions::SessionSource};

/// Adds the `Authorization` header to outbound requests, renews the token when it is rejected, and replays the request.
///
/// One layer can wrap many services; they share the sessions and the budget for parked requests.
///
/// Recommended order, from the outside in: redirects, this layer, decompression, the client. A redirect that is followed
/// *outside* the layer is judged anew, so that no token follows it to another host.
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use bytes::Bytes;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_reauth::{Origins, ReauthLayer, Session, TokenSet, grant_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
/// let client = service_fn(|request: Request<Full<Bytes>>| async move {
///     assert_eq!(request.headers()["authorization"], "Bearer a-token");
///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
/// });
/// let session = Session::new(grant_fn(|_context| async { TokenSet::new("a-token") }));
/// let api = ServiceBuilder::new()
///     .layer(ReauthLayer::new(session.clone(), Origins::only("https://gw.example")?))
///     .service(client);
/// let request = Request::get("https://gw.example/orders").body(Full::default()).expect("a valid request");
/// let response = api.clone().oneshot(request).await?;
/// # assert!(response.status().is_success());
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ReauthLayer {
    config: Config,
}

impl ReauthLayer {
    /// A layer that sends the tokens of this session to these origins, and to no others. It takes a
    /// [`Session`](crate::Session), [`Sessions`](crate::Sessions), or a reference to either.
    pub fn new(source: impl Into<SessionSource>, origins: Origins) -> Self {
        metrics::describe();
        Self { config: Config::new(source.into(), origins) }
    }

    /// Which responses say that the token is not good; [`BearerClassifier`](crate::BearerClassifier) by default.
    pub fn classify(mut self, classify: impl Classify) -> Self {
        self.config.classify = Arc::new(classify);
        self
    }

    /// What happens to a request that has an `Authorization` header already; [`OwnAuthorization::Keep`] by default.
    pub fn own_authorization(mut self, own: OwnAuthorization) -> Self {
        self.config.own_authorization = own;
        self
    }

    /// The header that carries the token, `Authorization` by default. Gateways let their owners choose another one.
    pub fn header(mut self, header: HeaderName) -> Self {
        self.config.header = header;
        self
    }

    /// How many replays one call may cause by renewals, 1 by default. One more is free where the token had been renewed by
    /// others already.
    pub fn max_replays(mut self, replays: u32) -> Self {
        self.config.max_replays = replays;
        self
    }

    /// How many bytes may be buffered of one request's body, 64 KiB by default; 0 keeps nothing that would have to be
    /// buffered. A `Full<Bytes>` of any size is kept by reference, and does not count here; while its request waits for a
    /// renewal it counts in the [`parked_limit`](Self::parked_limit).
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.config.replay_limit = bytes;
        self
    }

    /// How many bytes of a rejection's body are read before the replay, 64 KiB by default, so that an HTTP/1.1 connection
    /// can be used again. Never longer than 100 ms. What is read while the renewal is waited for does not count here, but
    /// in the [`parked_limit`](Self::parked_limit).
    pub fn drain_limit(mut self, bytes: usize) -> Self {
        self.config.drain_limit = bytes;
        self
    }

    /// How many bytes all rejected calls that wait for a renewal may keep together, 64 MiB by default: copies of their
    /// requests, and what was read of their rejections. One that does not fit gets its rejection at once; the renewal goes
    /// on, and the next call has the new token. With 0, all of them do.
    ///
    /// A call keeps its head (the request line, names and values of the headers, and 8 bytes for each of them), its body as
    /// far as it is buffered or shared, and its rejection: while that waits, it is read, so that it holds up neither its
    /// connection nor others on it. A rejection that takes more than a quarter of the limit does not fit. With 704 bytes each, 64 MiB park 95,325 calls. What a waiting
    /// call itself costs comes on top. Clones of a layer share one budget until this is called.
    pub fn parked_limit(mut self, bytes: usize) -> Self {
        self.config.budget = Arc::new(Budget::new(bytes));
        self
    }
}

// The bound on `S` stands here, so that a service that can't be cloned is reported where the stack is built.
impl<S: Clone> Layer<S> for ReauthLayer {
    type Service = Reauth<S>;

    fn layer(&self, inner: S) -> Reauth<S> {
        Reauth::new(inner, self.config.clone())
    }
}

impl fmt::Debug for ReauthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReauthLayer").field("config", &self.config).finish()
    }
}
