//! What a response says about the token: pass, or a rejection with its challenge.
//!
//! 1. Only a [`Classify`] decides; the layer acts on its [`Verdict`] and knows no status of its own.
//! 2. The head is asked first, for every response to a request that was sent with a token. The body is looked at only
//!    where the head asks for it, and reaches the caller whole in any case.
//! 3. What can't be understood never fails a call: each classifier says what it counts as.
//!
//! A verdict says nothing about whether a renewal will start: the token may have been renewed since the request was
//! sent, or the session may have nothing to renew with. That is the session's business, not this folder's.

use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::asked::Challenge;

/// The head of a response, as a [`Classify`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of a response.
    pub fn of<B>(response: &'a Response<B>) -> Self {
        Self { status: response.status(), headers: response.headers(), extensions: response.extensions() }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Whether the token went with a proof.
    pub(super) fn is_of_a_proof(&self) -> bool {
        self.extensions.get::<WithProof>().is_some()
    }
}

/// In the extensions of a response that is an error: its request had a proof (RFC 9449).
#[derive(Clone, Copy)]
pub(crate) struct WithProof;

/// What has been seen of a response's body so far.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    data: &'a [u8],
    trailers: Option<&'a HeaderMap>,
    last: bool,
}

impl<'a> Seen<'a> {
    /// The first bytes of a body. `last` says that there is no further look: the body has ended, failed, or reached a limit.
    pub fn new(data: &'a [u8], trailers: Option<&'a HeaderMap>, last: bool) -> Self {
        Self { data, trailers, last }
    }

    /// The bytes seen so far, from the start.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The trailers, once they have come.
    pub fn trailers(&self) -> Option<&'a HeaderMap> {
        self.trailers
    }

    /// Whether this is the last look.
    pub fn is_last(&self) -> bool {
        self.last
    }
}

/// What a [`Classify`] makes of a response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The response goes to the caller as it is.
    Pass,
    /// The token is not good.
    Reject(Challenge),
    /// The token is good, and its scope does not suffice (RFC 6750 §3.1). No renewal would help: the response goes to the caller,
    /// with [`ErrorKind::InsufficientScope`](crate::ErrorKind::InsufficientScope) in its extensions.
    InsufficientScope(Challenge),
    /// The token is good, and the user's login does not suffice ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    /// No renewal would help: the response goes to the caller, with
    /// [`ErrorKind::InsufficientUserAuthentication`](crate::ErrorKind::InsufficientUserAuthentication) in its extensions.
    InsufficientUserAuthentication(Challenge),
    /// The token is a bearer token, and this API takes only tokens that are bound to a key
    /// ([RFC 9449 §7.2](https://www.rfc-editor.org/rfc/rfc9449#section-7.2)). No renewal would help: the response goes to the caller,
    /// with [`ErrorKind::Dpop`](crate::ErrorKind::Dpop) in its extensions.
    DpopOnly(Challenge),
    /// The head is not enough: look at the body. [`Verdict::look`] makes one of these.
    #[non_exhaustive]
    Look {
        /// At most this many bytes. The layer's own limit is 64 KiB.
        at_most: usize,
    },
}

impl Verdict {
    /// The head does not tell: look at the body, at most at this many bytes. The layer's own limit of 64 KiB holds as well.
    pub fn look(at_most: usize) -> Self {
        Self::Look { at_most }
    }
}

/// Decides which responses say "this token is not good". Such a response is a *rejection*: the layer renews the token and
/// sends the request again.
///
/// [`BearerClassifier`](crate::BearerClassifier) is the default. [`Wso2Classifier`](crate::Wso2Classifier) is for gateways of WSO2,
/// [`GrpcClassifier`](crate::GrpcClassifier) for gRPC. To accept another status, such as 403, use
/// [`BearerClassifier::reject_status`](crate::BearerClassifier::reject_status). To read what a challenge says, use
/// [`challenge::parse`](crate::challenge::parse). For other APIs write a classifier of your own, and
/// leave the rest to one of these. Here an API answers 403, and tells a dead token from a missing permission in a header:
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_reauth::{BearerClassifier, Challenge, Classify, Head, Verdict};
///
/// struct OrdersApi(BearerClassifier);
///
/// impl Classify for OrdersApi {
///     fn head(&self, head: &Head<'_>) -> Verdict {
///         let reason = head.headers().get("x-denied-because");
///         if head.status() == StatusCode::FORBIDDEN && reason.is_some_and(|reason| reason == "token-expired") {
///             return Verdict::Reject(Challenge::new());
///         }
///         self.0.head(head)
///     }
/// }
///
/// let classifier = OrdersApi(BearerClassifier::new());
/// let mut response = Response::new(());
/// *response.status_mut() = StatusCode::FORBIDDEN;
/// assert!(matches!(classifier.head(&Head::of(&response)), Verdict::Pass));
/// response.headers_mut().insert("x-denied-because", "token-expired".parse()?);
/// assert!(matches!(classifier.head(&Head::of(&response)), Verdict::Reject(_)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
///
/// Reject only if the server did not act on the request, since it is sent again after a rejection.
pub trait Classify: Send + Sync + 'static {
    /// Looks at the head. Called for every response to a request that was sent with a token, so keep it cheap.
    fn head(&self, head: &Head<'_>) -> Verdict;

    /// Looks at the body, if [`head`](Classify::head) asked for it. Called for each frame, and finally with
    /// [`Seen::is_last`]. [`Verdict::Look`] asks for more; at the last look it means [`Verdict::Pass`].
    fn body(&self, head: &Head<'_>, seen: &Seen<'_>) -> Verdict {
        let _ = (head, seen);
        Verdict::Pass
    }
}
