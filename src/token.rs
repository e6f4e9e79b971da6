//! What the token endpoint hands out: the token set and its header value.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::{
    clock,
    error::{Error, ErrorKind},
    scheme::Scheme,
};

/// Why an access token cannot be sent, in whatever header and under whatever scheme.
/// What users are told of a bearer token for a session with a key.
pub(crate) const NOT_BOUND: &str = "the answer holds a bearer token, which whoever copies it can use: it is not bound to the session's \
                                    DPoP key; `SessionBuilder::allow_bearer` takes it";
/// What users are told of a bound token for a session without a key.
pub(crate) const NO_KEY: &str =
    "the token is bound to a DPoP key, and the session has none; `SessionBuilder::dpop` gives it one";
pub(crate) const NOT_FOR_A_HEADER: &str =
    "the access token is empty, or has a space or another character that is not visible ASCII";

/// One answer of the token endpoint (RFC 6749 §5.1).
///
/// Its secrets are wiped when the last clone is dropped, and `Debug` does not show them.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::TokenSet;
///
/// let tokens = TokenSet::new("mF_9.B5f-4.1JqM")?
///     .with_lifetime(Duration::from_secs(3600))
///     .with_refresh_token("tGzv3JOkF0XG5Qx2TlKWIA");
/// assert_eq!(tokens.lifetime(), Some(Duration::from_secs(3600)));
/// assert!(!format!("{tokens:?}").contains("mF_9"));
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone)]
pub struct TokenSet {
    access_token: SecretString,
    lifetime: Option<Duration>,
    refresh_token: Option<SecretString>,
    details: Details,
    /// When it was asked for, with the sleep until then; the lifetime counts from there.
    asked: Option<Instant>,
    /// To the key of its session.
    bound: bool,
}

/// The members of an answer that a session only keeps. It takes no room where there are none.
#[derive(Clone, Default)]
pub(crate) struct Details(Option<Arc<Members>>);

#[derive(Clone, Default)]
struct Members {
    scope: Option<Box<str>>,
    extra: BTreeMap<Box<str>, SecretString>,
}

impl TokenSet {
    /// A token set with an access token and nothing else. The layer decides in which header the token is sent, and with which
    /// [`scheme`](crate::ReauthLayer::scheme).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAccessToken`] if the token is empty, or has characters other than visible ASCII.
    pub fn new(access_token: impl Into<SecretString>) -> Result<Self, Error> {
        let access_token = access_token.into();
        let token = access_token.expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(ErrorKind::InvalidAccessToken, NOT_FOR_A_HEADER));
        }
        Ok(Self {
            access_token,
            lifetime: None,
            refresh_token: None,
            details: Details::default(),
            asked: None,
            bound: false,
        })
    }

    /// Sets the lifetime. It counts from when the [`TokenEndpoint`](crate::TokenEndpoint) was asked for the token; without an
    /// endpoint, from when the session gets the token.
    ///
    /// Without a lifetime, or with zero, the token counts as long-lived: if it has expired, a rejection leads to its renewal. A
    /// token is used for at least a second. If the server hands out the same token again with less time left, it is used to
    /// its end.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets when the token ends, on the wall clock: for tokens that another program kept. From then on the lifetime is what is
    /// left until that moment. One in the past counts as unknown, as a lifetime of zero does.
    #[must_use]
    pub fn with_expires_at(mut self, end: SystemTime) -> Self {
        self.lifetime = Some(end.duration_since(clock::date()).unwrap_or_default());
        self.asked = Some(clock::with_sleep(Instant::now()));
        self
    }

    /// Sets the refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: impl Into<SecretString>) -> Self {
        self.refresh_token = Some(refresh_token.into());
        self
    }

    /// Sets the scope that was granted.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.details.members().scope = Some(scope.into());
        self
    }

    /// Adds another member of the answer, such as `id_token`.
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<Box<str>>, value: impl Into<SecretString>) -> Self {
        self.details.members().extra.insert(name.into(), value.into());
        self
    }

    /// The access token.
    pub fn access_token(&self) -> &SecretString {
        &self.access_token
    }

    /// The lifetime, if the server stated a usable one.
    /// [`Token::expires_at`](crate::Token::expires_at) tells when a session's token ends.
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// When the access token ends, on the wall clock; `None` where the lifetime is not known. It counts from when the
    /// [`TokenEndpoint`](crate::TokenEndpoint) was asked for the token; without an endpoint, from now.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_reauth::TokenSet;
    ///
    /// let end = SystemTime::now() + Duration::from_secs(3600);
    /// let tokens = TokenSet::new("mF_9.B5f-4.1JqM")?.with_expires_at(end);
    /// let told = tokens.expires_at().expect("the end is known");
    /// assert!(told.duration_since(end).unwrap_or_else(|error| error.duration()) < Duration::from_secs(1));
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        let now = Instant::now();
        let end = self.asked.unwrap_or_else(|| clock::with_sleep(now)).checked_add(self.lifetime?)?;
        clock::time_of_day(end, now)
    }

    /// The refresh token that came with this answer.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// The scope that was granted, where the server said so.
    pub fn scope(&self) -> Option<&str> {
        self.details.scope()
    }

    /// Another member of the answer. A string is its content; anything else is its JSON text.
    pub fn extra(&self, name: &str) -> Option<&SecretString> {
        self.details.extra(name)
    }

    /// Lets the lifetime count from this moment: the server has counted from before its answer was under way.
    pub(crate) fn asked_at(mut self, asked: Option<Instant>) -> Self {
        self.asked = asked;
        self
    }

    pub(crate) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// The token set whose access token stands in this header value.
    pub(crate) fn from_header_value(
        value: &HeaderValue,
        lifetime: Option<Duration>,
        refresh_token: Option<SecretString>,
        details: Details,
    ) -> Self {
        let token = Scheme::token_in(value).and_then(|token| str::from_utf8(token).ok());
        let access_token = token.unwrap_or_default().into();
        Self { access_token, lifetime, refresh_token, details, asked: None, bound: Scheme::is_bound(value) }
    }

    /// Says that the access token is bound to the [DPoP key](crate::SessionBuilder::dpop) of the session that gets it: its
    /// `token_type` was `DPoP` ([RFC 9449 §5](https://www.rfc-editor.org/rfc/rfc9449#section-5)). A
    /// [`TokenEndpoint`](crate::TokenEndpoint) does so by itself.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop(self) -> Self {
        self.bound(true)
    }

    /// Whether it is bound to its session's key, or is a bearer token.
    pub(crate) fn bound(mut self, is_bound: bool) -> Self {
        self.bound = is_bound;
        self
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    /// The value that a session holds, of the scheme `Bearer`, or of `DPoP` where it is bound to a key. Layers with another scheme
    /// make their own of it.
    pub(crate) fn header_value(&self) -> HeaderValue {
        let scheme = if self.bound { Scheme::dpop() } else { Scheme::default() };
        scheme.value(self.access_token.expose_secret().as_bytes())
    }

    /// Whether this header value carries the same access token.
    pub(crate) fn is_carried_by(&self, value: &HeaderValue) -> bool {
        is_carried_by(&self.access_token, value)
    }

    /// A token that was issued and ends at these times of day.
    pub(crate) fn between(mut self, issued_at: SystemTime, end: SystemTime, wall: SystemTime) -> Self {
        let now = clock::with_sleep(Instant::now());
        let left = end.duration_since(wall).unwrap_or_default();
        let age = wall.duration_since(issued_at).unwrap_or_default();
        // A clock that began a moment ago can't count back so far.
        let asked = now.checked_sub(age);
        self.lifetime = Some(if asked.is_some() { age + left } else { left });
        self.asked = Some(asked.unwrap_or(now));
        self
    }

    pub(crate) fn with_details(self, details: Details) -> Self {
        Self { details, ..self }
    }

    /// Without the refresh token, and that by itself.
    pub(crate) fn split_refresh_token(mut self) -> (Self, Option<SecretString>) {
        let refresh_token = self.refresh_token.take();
        (self, refresh_token)
    }

    /// Whether its life is over; `now` is with the sleep. A lifetime of zero is not known.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let end = self
            .asked
            .zip(self.lifetime.filter(|life| !life.is_zero()))
            .and_then(|(asked, life)| asked.checked_add(life));
        end.is_some_and(|end| end <= now)
    }

    /// The refresh token and the details, for whoever keeps the header value.
    pub(crate) fn into_parts(self) -> (Option<SecretString>, Details) {
        (self.refresh_token, self.details)
    }

    /// Whether both carry the same access token.
    pub(crate) fn same_access_token(&self, other: &Self) -> bool {
        self.access_token.expose_secret() == other.access_token.expose_secret()
    }
}

/// Whether a header value carries this access token.
pub(crate) fn is_carried_by(access_token: &SecretString, value: &HeaderValue) -> bool {
    Scheme::token_in(value) == Some(access_token.expose_secret().as_bytes())
}

impl Details {
    pub(crate) fn new(scope: Option<Box<str>>, extra: BTreeMap<Box<str>, SecretString>) -> Self {
        let is_empty = scope.is_none() && extra.is_empty();
        Self((!is_empty).then(|| Arc::new(Members { scope, extra })))
    }

    pub(crate) fn scope(&self) -> Option<&str> {
        self.0.as_ref()?.scope.as_deref()
    }

    pub(crate) fn extra(&self, name: &str) -> Option<&SecretString> {
        self.0.as_ref()?.extra.get(name)
    }

    pub(crate) fn extras(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().flat_map(|members| &members.extra).map(|(name, value)| (&**name, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.extras().map(|(name, _)| name)
    }

    fn members(&mut self) -> &mut Members {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("access_token", &"[redacted]")
            .field("lifetime", &self.lifetime)
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[redacted]"))
            .field("scope", &self.scope())
            .field("extra", &self.details.names().collect::<Vec<_>>())
            .finish()
    }
}
