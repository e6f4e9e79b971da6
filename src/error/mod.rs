//! The one error type of the crate: opaque, cheap to clone, free of secrets.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;
use tower::load_shed::error::Overloaded;

mod causes;
#[cfg(feature = "tonic")]
mod grpc_status;
mod unsent;
mod verdict;

pub(crate) use self::verdict::{Evidence, TokenVerdict};
use crate::identity::SessionId;

/// Why a call, a renewal or a revocation failed.
///
/// The type is opaque: [`kind`](Error::kind) tells the cause, [`status`](Error::status) the HTTP status of the token
/// endpoint where there was one, [`source`](StdError::source) what lay below. A clone shares its parts with the
/// original, so that every waiter of one renewal can hold the same error.
///
/// `Display` says what failed, at which step, why, and what can be done about it, in one line: the texts of the sources are
/// in it, so `{error}` is enough, and whoever prints the chain of sources as well (as anyhow's `{:#}` does) reads them twice.
/// Neither `Display` nor `Debug` ever holds a secret of this crate's or the text of a token response. What other crates' errors
/// say is theirs; `Display` leaves out the queries and user names of URIs in it.
///
/// With the feature `tonic`, where a call has tonic's body, a `tonic::Status` lies between the error and its cause, so that
/// generated clients show `Unavailable` where another attempt may work, and `Unauthenticated` otherwise. An error of the
/// inner service ([`ErrorKind::Service`]) has none: tonic makes of it what it makes of it without the layer.
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
    status: Option<StatusCode>,
    code: Option<Box<str>>,
    retry_after: Option<Duration>,
    // What it says of the token request that failed, where that is known better than by the kind.
    verdict: Option<TokenVerdict>,
    // Whose renewal failed.
    session: Option<SessionId>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The causes that an [`Error`] can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The inner service failed; its error is the [`source`](StdError::source), and `Display` tells its causes.
    Service,
    /// The session has no login: none yet, or `logout()` or `forget()` was called.
    LoggedOut,
    /// The request does not say whose it is: see [`Sessions`](crate::Sessions).
    NoKey,
    /// The authorization server will not have these credentials (RFC 6749 §5.2 `invalid_grant`, and the many other words that
    /// servers have for it). Not final while [`retry_after`](Error::retry_after) tells the time of another attempt:
    /// [`Status::Refused`](crate::Status::Refused) says when a person must be asked.
    Refused,
    /// The authorization server objects to the client, or to what was asked for: grant type, scope (RFC 6749 §5.2).
    Misconfigured,
    /// The authorization server is in trouble or asks for patience: any 5xx, 429, `temporarily_unavailable`.
    Unavailable,
    /// The token endpoint could not be reached, or the exchange broke.
    Transport,
    /// The token endpoint did not answer within its own limit.
    TimedOut,
    /// The waiting time of a call ended, for a token (the renewal itself may still be under way) or for a place in the inner
    /// service.
    WaitedTooLong,
    /// The token endpoint answered with a status that is neither 200 nor that of an OAuth error.
    UnexpectedStatus,
    /// The token endpoint answered with a redirect, which is never followed.
    Redirected,
    /// The token endpoint answered with something else than JSON.
    NotJson,
    /// The token endpoint answered without a body.
    EmptyAnswer,
    /// The token endpoint answered with JSON that is cut off or of another shape than RFC 6749 §5.1 tells.
    MalformedAnswer,
    /// The answer holds no access token.
    MissingAccessToken,
    /// The answer holds an access token that no header can carry.
    InvalidAccessToken,
    /// The answer holds a token of a type that this crate does not know.
    UnsupportedTokenType,
    /// The answer is larger than the limit.
    AnswerTooLarge,
    /// The renewal died: its grant panicked, or the runtime that ran it went away or is not driven any more.
    RenewalLost,
    /// There is no tokio runtime to run the renewal on, or it has no timers.
    NoRuntime,
    /// Too many renewals were caused by rejections of tokens that had not expired.
    Damped,
    /// The origin rejects tokens that were just issued, and is left alone for a while.
    CoolingDown,
    /// The renewal brought the token that had just been rejected.
    SameToken,
    /// The token that the renewal brought was rejected as well.
    RejectedAgain,
    /// The request could not be kept for a replay.
    NotReplayable,
    /// The request carries an `Authorization` header of its own, and the layer was told to reject that.
    OwnAuthorization,
    /// A session was asked to authorize its own token request, or asked by the very renewal that it would wait for.
    SelfAuthorization,
    /// A login of [`Sessions::get_or_login`](crate::Sessions::get_or_login) asked for the session that it is to make.
    SelfLogin,
    /// An address or a setting that cannot be used.
    Invalid,
    /// The tokens could not be revoked at the server (RFC 7009); they are forgotten locally all the same.
    NotRevoked,
}

impl ErrorKind {
    /// What the user can do, where the message of the error does not say so itself.
    fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::LoggedOut => "log in again",
            Self::NoKey => "put the user's key into the request's extensions",
            Self::Refused => "ask the user to log in again",
            Self::Misconfigured => "check the client's registration, its secret, the grant type and the scope",
            Self::Unavailable | Self::Transport | Self::TimedOut => "try again later",
            Self::WaitedTooLong => "try again: a renewal that is under way goes on",
            Self::UnexpectedStatus | Self::NotJson | Self::EmptyAnswer | Self::MalformedAnswer => {
                "check the address of the token endpoint"
            }
            Self::Redirected => "give the address that the redirect leads to: it is never followed",
            Self::RenewalLost => "try again: a call after the pause starts a new renewal",
            Self::NoRuntime => "call from inside a tokio runtime with timers, or give the session one",
            Self::Damped => "give each device a token of its own, on WSO2 with a scope that starts with `device_`",
            Self::SelfLogin => "make the session in the login, and return it",
            Self::SelfAuthorization => "obtain tokens through a client without this layer",
            Self::NotRevoked => "the tokens are forgotten here but live on at the server until they expire",
            _ => return None,
        })
    }
}

impl Error {
    /// An error with a message that says what failed; for grants and transports written by users.
    ///
    /// The kind decides what the session does next: [`ErrorKind::Refused`] says that the server will not have the
    /// credentials, [`ErrorKind::Misconfigured`] that it takes a minute or more before another attempt can work, everything
    /// else that one may work soon. Where nothing was sent, say so with [`not_sent`](Error::not_sent). The message must not
    /// hold a secret.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                message: message.into(),
                status: None,
                code: None,
                retry_after: None,
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

    /// The same error, saying that nothing was sent: for grants and transports written by users, where no connection came
    /// about or the credentials were not at hand. The session backs off and counts no attempt, see [`Credential`].
    ///
    /// [`Credential`]: crate::Credential
    #[must_use]
    pub fn not_sent(self) -> Self {
        self.with_verdict(TokenVerdict::Unsent)
    }

    /// The same error with the time to wait before the next attempt, as a server's `Retry-After` tells it; at most five
    /// minutes are waited. With [`ErrorKind::Unavailable`] it stands for a server that asked for patience.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.map(|inner| inner.retry_after = Some(wait))
    }

    /// The cause.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The HTTP status that the token endpoint answered with, if it answered.
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The OAuth error code of the token endpoint's answer, such as `invalid_grant` (RFC 6749 §5.2).
    pub fn oauth_code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// How long to wait before the next attempt, counted from the moment this error was handed out.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Finds an error of this crate in a chain of sources: inside the errors of tonic, kube, reqwest and others.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// What this says of the token request that failed, to the session whose request it was. An error that another session
    /// gave says nothing of this one's credentials: they were not sent.
    pub(crate) fn verdict(&self, session: SessionId) -> TokenVerdict {
        use ErrorKind::{
            CoolingDown, Damped, Invalid, LoggedOut, Misconfigured, NoKey, NoRuntime, OwnAuthorization, Refused,
            RenewalLost, SameToken, SelfAuthorization, Service, TimedOut, Transport, Unavailable, WaitedTooLong,
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
            | OwnAuthorization | SelfAuthorization | Invalid => TokenVerdict::Unsent,
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
        if let Some(advice) = inner.kind.advice().filter(|advice| !causes.contains(advice)) {
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
