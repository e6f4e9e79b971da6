//! What a response says about the token: pass, or a rejection with its challenge.

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
    /// The head does not tell: look at the body, at most at this many bytes.
    Look {
        /// How many bytes; the layer's own limit of 64 KiB holds as well.
        at_most: usize,
    },
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
