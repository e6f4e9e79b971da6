//! The one error type of the crate: opaque, cheap to clone, free of secrets.

use std::{borrow::Cow, error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use http::StatusCode;
use secrecy::SecretString;
use tower::load_shed::error::Overloaded;

mod advice;
mod asked;
mod causes;
#[cfg(feature = "tonic")]
mod grpc_status;
mod kind;
mod told;
mod unsent;
mod verdict;

pub use self::kind::ErrorKind;
pub(crate) use self::verdict::{Evidence, TokenVerdict};
use crate::{asked::Challenge, identity::SessionId};

/// Why a call, a renewal or a revocation failed.
///
/// A call shows this error in one of two ways. If nothing was sent, or if the inner service failed, the call fails with it. If a
/// response says that the token is not good and the layer could not heal that, the caller gets the response, and the error is in
/// its extensions as [`RenewalFailed`](crate::RenewalFailed).
/// [*When something goes wrong*](crate::manual::troubleshooting) says for each [`ErrorKind`] what to do.
///
/// [`kind`](Error::kind) is the cause, [`status`](Error::status) the HTTP status of the token endpoint if it answered,
/// [`host`](Error::host) where it is, and [`source`](StdError::source) the error below. [`is_transient`](Error::is_transient)
/// says whether trying again can help. Clones are cheap: all waiters of one renewal share one error.
///
/// `Display` is one line: what failed, at which step, why, and what to do. It includes the texts of the sources, so print
/// `{error}` alone; a printer of whole chains, such as anyhow's `{:#}`, repeats them.
///
/// Neither `Display` nor `Debug` holds a secret of this crate, or text of a token response beyond an OAuth error code. The
/// server's own words are in [`description_untrusted`](Error::description_untrusted) alone. Texts of other crates' errors
/// are included, but `Display` removes queries and user names from the URIs in them.
///
/// With the feature `tonic`, errors of calls that send tonic's body carry a `tonic::Status`, which generated clients report.
/// [`manual::clients`](crate::manual::clients#tonic-with-the-feature-tonic) says which code each kind has. Errors of the inner
/// service ([`ErrorKind::Service`]) are passed through unchanged.
///
/// ```
/// use tower_reauth::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Transport, "the vault did not answer");
/// assert_eq!(error.kind(), ErrorKind::Transport);
/// let boxed: Box<dyn std::error::Error + Send + Sync> = error.into();
/// assert_eq!(Error::find(&*boxed).map(Error::kind), Some(ErrorKind::Transport));
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    host: Option<Box<str>>,
    status: Option<StatusCode>,
    code: Option<Box<str>>,
    // The server's own words. Others' secrets may be in them, so they are wiped.
    description: Option<SecretString>,
    retry_after: Option<Duration>,
    // By the server whose API was called.
    asked: Challenge,
    // Refused, and the session has not taken it for final.
    unsure: bool,
    // What it says of the token request that failed, where that is known better than by the kind.
    verdict: Option<TokenVerdict>,
    // Whose renewal failed.
    session: Option<SessionId>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a message that says what failed, for your own grants and transports. The message must not hold a secret.
    ///
    /// The kind decides what the session does next:
    ///
    /// - [`ErrorKind::Refused`]: the server refused the credentials.
    /// - [`ErrorKind::Misconfigured`]: the session asks again after 60 s, doubling to 15 min.
    /// - [`ErrorKind::Transport`], [`ErrorKind::TimedOut`], [`ErrorKind::Unavailable`]: it asks again after a short pause.
    ///
    /// [`manual::answers`](crate::manual::answers#a-grant-of-your-own) says it for every kind. If nothing was sent, say so with
    /// [`not_sent`](Error::not_sent).
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                message: message.into(),
                host: None,
                status: None,
                code: None,
                description: None,
                retry_after: None,
                asked: Challenge::new(),
                unsure: false,
                verdict: None,
                session: None,
                source: None,
            }),
        }
    }

    /// The same error with a cause below it.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Box<dyn StdError + Send + Sync> = source.into();
        self.map(|inner| inner.source = Some(source.into()))
    }

    /// The same error, saying that nothing was sent: there was no connection, or the credentials were not available. For your
    /// own grants and transports. The session backs off, and does not count an attempt of the [`Credential`].
    ///
    /// [`Credential`]: crate::Credential
    #[must_use]
    pub fn not_sent(self) -> Self {
        self.with_verdict(TokenVerdict::Unsent)
    }

    /// The same error with the time to wait before the next attempt, as in a server's `Retry-After`. At most five minutes are
    /// waited. With [`ErrorKind::Unavailable`] it means that the server asked to wait.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.map(|inner| inner.retry_after = Some(wait))
    }

    /// The cause.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The HTTP status that the token endpoint answered with, if it answered; or whoever was asked for its metadata.
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The OAuth error code of the token endpoint's answer, such as `invalid_grant` (RFC 6749 §5.2).
    pub fn oauth_code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// How long to wait before the next attempt, counted from when this error was returned. `None` if that is not known: the
    /// error may still be temporary.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Finds an error of this crate in a chain of sources, for example inside an error of tonic, kube, reqwest or
    /// reqwest-middleware.
    ///
    /// ```
    /// use tower_reauth::{Error, ErrorKind};
    ///
    /// let error = std::io::Error::other(Error::new(ErrorKind::Transport, "the vault did not answer"));
    /// assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Transport));
    /// ```
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref().or_else(|| hidden(error)))
    }

    /// What this says of the token request that failed, to the session whose request it was. An error that another session
    /// gave says nothing of this one's credentials: they were not sent.
    pub(crate) fn verdict(&self, session: SessionId) -> TokenVerdict {
        use ErrorKind::{
            CoolingDown, Damped, Discovery, Invalid, LoggedOut, Misconfigured, NoKey, NoRuntime, OwnAuthorization,
            Refused, RenewalLost, SameToken, Secret, SelfAuthorization, Service, Store, TimedOut, Transport,
            Unavailable, WaitedTooLong,
        };

        let is_foreign = self.inner.session.is_some_and(|owner| owner != session);
        if is_foreign {
            return TokenVerdict::Unsent;
        }
        if let Some(verdict) = self.inner.verdict {
            return verdict;
        }
        match self.kind() {
            // No answer came: nothing may have been sent.
            Transport | Service | TimedOut | Unavailable if self.source().is_some_and(unsent::was_unsent) => {
                TokenVerdict::Unsent
            }
            Refused => TokenVerdict::Refused(Evidence::Code),
            Misconfigured => TokenVerdict::NotAllowed,
            Unavailable if self.retry_after().is_some() => TokenVerdict::Wait { throttled: false },
            LoggedOut | NoKey | WaitedTooLong | RenewalLost | NoRuntime | Damped | CoolingDown | SameToken
            | OwnAuthorization | SelfAuthorization | Invalid | Store | Secret | Discovery => TokenVerdict::Unsent,
            _ => TokenVerdict::Broken { page: false },
        }
    }

    pub(crate) fn service(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        // An error of ours that comes up through the inner service stays what it is.
        match source.downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => Self::new(ErrorKind::Service, "the inner service failed").with_source(source),
        }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        self.map(|inner| inner.status = Some(status))
    }

    pub(crate) fn with_oauth_code(self, code: &str) -> Self {
        self.map(|inner| inner.code = Some(code.into()))
    }

    /// Whether the inner service says that it had no room for the request. Not a failed connection: that is for retries
    /// further out, which know it by its error.
    pub(crate) fn is_shed(&self) -> bool {
        self.inner.verdict == Some(TokenVerdict::Unsent) || chain(self).any(|error| error.is::<Overloaded>())
    }

    /// Whether the server asked for patience.
    pub(crate) fn asks_to_wait(&self) -> bool {
        matches!(self.inner.verdict, Some(TokenVerdict::Wait { .. }))
    }

    /// What an answer of the server said, if there was one.
    pub(crate) fn known_verdict(&self) -> Option<TokenVerdict> {
        self.inner.verdict
    }

    pub(crate) fn with_verdict(self, verdict: TokenVerdict) -> Self {
        self.map(|inner| inner.verdict = Some(verdict))
    }

    /// The same error as that of a session's renewal. The first session counts: an error that passes through others is not
    /// theirs.
    pub(crate) fn of_session(self, session: SessionId) -> Self {
        if self.inner.session.is_some() { self } else { self.map(|inner| inner.session = Some(session)) }
    }

    /// The same error, said for good.
    pub(crate) fn into_final(self) -> Self {
        self.map(|inner| {
            inner.kind = ErrorKind::Refused;
            inner.retry_after = None;
            inner.unsure = false;
        })
    }

    fn map(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

/// An error and its sources, from the top.
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An error of ours in one that names as its source only what is below the error that it holds.
fn hidden<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    #[cfg(feature = "reqwest-middleware")]
    if let Some(reqwest_middleware::Error::Middleware(held)) = error.downcast_ref() {
        return Error::find(held.as_ref());
    }
    let held: &(dyn StdError + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
    held.downcast_ref().or_else(|| hidden(held))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.write_str(&inner.message)?;
        if let Some(status) = inner.status {
            write!(f, " (status {}", status.as_u16())?;
            match &inner.code {
                Some(code) => write!(f, ", {code})")?,
                None => f.write_str(")")?,
            }
        }
        let causes = causes::causes(&inner.message, self.source());
        f.write_str(&causes)?;
        if let Some(wait) = inner.retry_after {
            write!(f, "; next attempt in {:.1} s", wait.as_secs_f64())?;
        }
        // A cause of ours may have given it already.
        if let Some(advice) = advice::of(inner.kind, inner.status, inner.code.as_deref(), inner.verdict)
            .filter(|advice| !causes.contains(advice))
        {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("status", &inner.status)
            .field("oauth_code", &inner.code)
            .field("retry_after", &inner.retry_after)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
