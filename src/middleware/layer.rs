//! Where a stack is built: the [`ReauthLayer`] and its setters.

use std::{fmt, sync::Arc};

use http::{
    HeaderName,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use tower_layer::Layer;

use super::{
    budget::Budget,
    config::{Config, OwnAuthorization},
    service::Reauth,
};
use crate::{
    challenge::{bearer::BearerClassifier, classify::Classify},
    error::{Error, ErrorKind},
    metrics,
    origin::Origins,
    scheme::Scheme,
    sessions::SessionSource,
};

/// Headers that say where a message goes, where it ends (RFC 9110 §7, RFC 9112 §6), or what is in it: a token there breaks the
/// message.
const OF_THE_MESSAGE: [HeaderName; 9] =
    [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// The same, of older agents; `http` has no constants for them.
const OF_OLD_MESSAGES: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Adds the `Authorization` header to outbound requests, renews the token when it is rejected, and sends the request again.
///
/// One layer can wrap many services; they share its sessions and its [`parked_limit`](Self::parked_limit). Several layers can
/// share one session: they then share its token and its renewals, and each has its own origins. For APIs with different logins
/// make one session, one layer and one service each.
///
/// The layer does not send a request again after a failed connection or a 5xx: those are for a retry layer.
/// [The crate's page](crate#order-of-layers) says in which order layers go.
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
    // The classifier is the default one, and follows the scheme.
    classifies_by_scheme: bool,
}

impl ReauthLayer {
    /// A layer that sends the tokens of a [`Session`](crate::Session), or of many [`Sessions`](crate::Sessions), to these
    /// origins and to no others. A reference to either will do.
    pub fn new(source: impl Into<SessionSource>, origins: Origins) -> Self {
        metrics::describe();
        Self { config: Config::new(source.into(), origins), classifies_by_scheme: true }
    }

    /// Which responses say that the token is not good. Default: a [`BearerClassifier`] that knows the layer's
    /// [`scheme`](ReauthLayer::scheme).
    pub fn classify(mut self, classify: impl Classify) -> Self {
        self.config.classify = Arc::new(classify);
        self.classifies_by_scheme = false;
        self
    }

    /// What happens to a request that already has an `Authorization` header, or one of the name that [`header`](ReauthLayer::header)
    /// sets. Default: [`OwnAuthorization::Keep`].
    pub fn own_authorization(mut self, own: OwnAuthorization) -> Self {
        self.config.own_authorization = own;
        self
    }

    /// The header that carries the token. Default: `Authorization`. Some gateways are configured to use another one, and some
    /// APIs have one of their own, mostly for the token alone:
    ///
    /// | API | `header` | `scheme` |
    /// | --- | --- | --- |
    /// | most | leave it out | leave it out |
    /// | OpenStack, Redfish | `X-Auth-Token` | [`Scheme::bare`] |
    /// | GitLab | `PRIVATE-TOKEN` | [`Scheme::bare`] |
    /// | Shopify | `X-Shopify-Access-Token` | [`Scheme::bare`] |
    /// | Azure API Management | `Ocp-Apim-Subscription-Key` | [`Scheme::bare`] |
    /// | Splunk | leave it out | `Scheme::word("Splunk")?` |
    /// | Django REST framework | leave it out | `Scheme::word("Token")?` |
    ///
    /// [`own_authorization`](ReauthLayer::own_authorization) is about this header. A caller's `Authorization` goes beside it, unchanged.
    ///
    /// # Redirects
    /// What follows redirects strips `Authorization` when the host changes, and does not strip this header. So nothing *inside*
    /// the layer may follow redirects: the token would go along to another host. reqwest does it by default; build its client with
    /// `.redirect(reqwest::redirect::Policy::none())`. Outside the layer is the right place: the layer compares each new request with its
    /// [`Origins`], and takes no token where it must not go.
    ///
    /// ```
    /// use tower_reauth::{Origins, ReauthLayer, Scheme, Session};
    ///
    /// # let session = Session::logged_out();
    /// let layer = ReauthLayer::new(session, Origins::only("https://compute.example")?)
    ///     .header("X-Auth-Token")?
    ///     .scheme(Scheme::bare());
    /// # let _ = layer;
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if this is no name of a header, or one that HTTP itself needs: `Connection`, `Content-Length`, `Content-Type`,
    /// `Cookie`, `Host`, `Keep-Alive`, `Proxy-Connection`, `TE`, `Trailer`, `Transfer-Encoding` and `Upgrade`.
    pub fn header(mut self, name: impl AsRef<str>) -> Result<Self, Error> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, why);
        let name: HeaderName = name
            .as_ref()
            .parse()
            .map_err(|_| invalid("the name of the token's header is no name of a header".into()))?;
        if OF_THE_MESSAGE.contains(&name) || OF_OLD_MESSAGES.contains(&name.as_str()) {
            return Err(invalid(format!(
                "the token cannot stand in `{name}`: HTTP needs that header for the message itself"
            )));
        }
        self.config.header = name;
        Ok(self)
    }

    /// What stands before the token in its header. Default: `Bearer`. [`Scheme::word`] is another word, [`Scheme::bare`] the token
    /// alone. The `token_type` of a token endpoint's answer does not change it.
    ///
    /// Unless [`classify`](ReauthLayer::classify) sets another one, the classifier reads challenges of this scheme as it reads
    /// those of `Bearer`: see [`BearerClassifier::scheme`]. [`GrpcClassifier`](crate::GrpcClassifier) and
    /// [`Wso2Classifier`](crate::Wso2Classifier) know no other scheme than `Bearer`.
    ///
    /// Layers with different schemes can share a session. A layer whose scheme is not `Bearer` builds the header's value a few times
    /// for each token, and with [`Sessions`](crate::Sessions) for each call.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        if self.classifies_by_scheme {
            self.config.classify = Arc::new(BearerClassifier::new().scheme(scheme.clone()));
        }
        self.config.scheme = scheme;
        // What the clones of this layer keep is under the scheme that it had.
        self.config.places = Arc::default();
        self
    }

    /// How many times one call may be sent again after a renewal. Default: 1. One more is free if others had already renewed the
    /// token. With 0 nothing is sent again: the caller gets the rejection, and the token is renewed for later calls.
    /// With `SessionBuilder::dpop` it also gets each answer that asks for a nonce; the nonce is kept for later calls.
    pub fn max_replays(mut self, replays: u32) -> Self {
        self.config.max_replays = replays;
        self
    }

    /// How many bytes of one request's body may be buffered for a replay. Default: 64 KiB. A longer body is sent, too, but only
    /// once: if the request is rejected, the caller gets the rejection. With 0 nothing is buffered.
    /// [*An upload fails*](crate::manual::troubleshooting#an-upload-fails) says what that means for each kind of body.
    ///
    /// A `Full<Bytes>` of any size is kept by reference, and does not count here. While its request waits for a renewal, it
    /// counts in the [`parked_limit`](Self::parked_limit).
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.config.replay_limit = bytes;
        self
    }

    /// How many bytes of a rejection's body are read before the replay, so that an HTTP/1.1 connection can be used again.
    /// Default: 64 KiB; for 100 ms at most. What is read during the wait for a renewal counts in the
    /// [`parked_limit`](Self::parked_limit) instead.
    pub fn drain_limit(mut self, bytes: usize) -> Self {
        self.config.drain_limit = bytes;
        self
    }

    /// How many bytes all rejected calls that wait for a renewal may keep together. Default: 64 MiB. Clones of a layer share one
    /// budget until this is called.
    ///
    /// A call over the limit gets its rejection at once, with [`ErrorKind::NotReplayable`](crate::ErrorKind::NotReplayable). The
    /// renewal goes on, and the next call has the new token. With 0 this happens to every rejected call.
    ///
    /// A waiting call keeps:
    ///
    /// - its head: the request line, the headers, and 8 bytes for each header;
    /// - its body, as far as it is buffered or shared;
    /// - its rejection. The layer reads it during the wait, so that an HTTP/1.1 connection gets free, and an HTTP/2 connection is
    ///   not blocked. A rejection that is longer than a quarter of the limit goes to its caller at once.
    ///
    /// Say the head has 448 bytes, the body 256, and the rejection no body. That makes 704 bytes, and 95,325 such calls fit into
    /// 64 MiB. Beside that a waiting call has its own future, which does not count here. With eight headers, and with the bytes
    /// that count, a waiting call was measured at 1.0 to 1.3 KB more than the same call without the layer.
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
