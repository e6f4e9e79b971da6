//! What a response says about the token: pass, or a rejection with its challenge.
//!
//! 1. Only a [`Classify`] decides; the layer acts on its [`Verdict`] and knows no status of its own.
//! 2. The head is asked first, for every response to a request that was sent with a token. The body is looked at only
//!    where the head asks for it, and reaches the caller whole in any case.
//! 3. What can't be understood never fails a call: each classifier says what it counts as.
//!
//! A verdict says nothing about whether a renewal will start: the token may have been renewed since the request was
//! sent, or the session may have nothing to renew with. That is the session's business, not this folder's.

mod bearer;
mod claims;
mod fault;
mod grpc;
mod parse;
mod wso2;

use http::{Extensions, HeaderMap, Response, StatusCode};

pub use self::{bearer::BearerClassifier, grpc::GrpcClassifier, wso2::Wso2Classifier};

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
}

/// What has been seen of a response's body so far.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    data: &'a [u8],
    trailers: Option<&'a HeaderMap>,
    last: bool,
}

impl<'a> Seen<'a> {
    /// A view on the first bytes of a body. `last` says that there will be no further look: the body has ended, failed,
    /// or reached a limit.
    pub fn new(data: &'a [u8], trailers: Option<&'a HeaderMap>, last: bool) -> Self {
        Self { data, trailers, last }
    }

    /// The bytes seen so far, from the first one on.
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
    /// The head does not tell: look at the body. [`Verdict::look`] makes one of these.
    #[non_exhaustive]
    Look {
        /// How many bytes; the layer's own limit of 64 KiB holds as well.
        at_most: usize,
    },
}

impl Verdict {
    /// The head does not tell: look at the body, at most at this many bytes. The layer's own limit of 64 KiB holds as well.
    pub fn look(at_most: usize) -> Self {
        Self::Look { at_most }
    }
}

/// What a rejection says about why (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Default)]
pub struct Challenge {
    claims: Option<Box<str>>,
}

impl Challenge {
    /// A challenge that says no more than that the token is not good.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the claims that the next token must carry, as JSON text.
    #[must_use]
    pub fn with_claims(mut self, claims: impl Into<Box<str>>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// The claims that the next token must carry.
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge").field("claims", &self.claims.as_ref().map(|_| "[asked]")).finish()
    }
}

/// Decides which responses say "this token is not good".
///
/// [`BearerClassifier`] is the default; [`Wso2Classifier`] and [`GrpcClassifier`] know their servers better. An API with
/// habits of its own gets a classifier of its own, which can leave the rest to one of these. This one takes a 403 for a
/// rejection as well, but only if it has a challenge; what the challenge says is then read as that of a 401 is:
///
/// ```
/// use http::{Response, StatusCode, header::WWW_AUTHENTICATE};
/// use tower_reauth::{BearerClassifier, Classify, Head, Verdict};
///
/// struct ForbiddenToo {
///     bearer: BearerClassifier,
/// }
///
/// impl Classify for ForbiddenToo {
///     fn head(&self, head: &Head<'_>) -> Verdict {
///         if head.status() == StatusCode::FORBIDDEN && !head.headers().contains_key(WWW_AUTHENTICATE) {
///             return Verdict::Pass;
///         }
///         self.bearer.head(head)
///     }
/// }
///
/// let classifier = ForbiddenToo { bearer: BearerClassifier::new().reject_status(StatusCode::FORBIDDEN) };
/// let judge = |challenge: Option<&str>| {
///     let mut response = Response::builder().status(StatusCode::FORBIDDEN);
///     if let Some(challenge) = challenge {
///         response = response.header(WWW_AUTHENTICATE, challenge);
///     }
///     classifier.head(&Head::of(&response.body(()).expect("a valid response")))
/// };
/// assert!(matches!(judge(None), Verdict::Pass));
/// assert!(matches!(judge(Some(r#"Bearer error="insufficient_scope""#)), Verdict::Pass));
/// assert!(matches!(judge(Some(r#"Bearer error="invalid_token""#)), Verdict::Reject(_)));
/// ```
///
/// Reject only what says that the server did not act on the request: the request is sent again after a rejection.
pub trait Classify: Send + Sync + 'static {
    /// Looks at the head. Called for every response to a request that was sent with a token: keep it cheap.
    fn head(&self, head: &Head<'_>) -> Verdict;

    /// Looks at the body, after [`head`](Classify::head) asked for it: once for every frame, and once with
    /// [`Seen::is_last`]. [`Verdict::Look`] asks for more, and counts as [`Verdict::Pass`] at the last look.
    fn body(&self, head: &Head<'_>, seen: &Seen<'_>) -> Verdict {
        let _ = (head, seen);
        Verdict::Pass
    }
}
