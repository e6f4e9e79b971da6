//! What a store keeps of a session.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use secrecy::SecretString;

use super::{
    claim::{Claim, Spending, milliseconds},
    owner::Owner,
    trials::Trials,
    version::Version,
};
use crate::{
    clock,
    context::Wish,
    error::Error,
    token::{Details, TokenSet},
};

/// Before its end a token counts as expired; in the last tenth, if its life is short.
const MARGIN: Duration = Duration::from_secs(10);

/// So many tokens of derived sessions are kept for a login; the newest stay.
pub(crate) const MOST_TOKENS: usize = 64;

/// What is needed to go on with a login later, or in another process: the access token with its end, the refresh token, the
/// scope, `id_token` and the like. It never holds a password, a client secret, a key or an assertion.
///
/// [`Session::record`](crate::Session::record) makes one, and
/// [`SessionBuilder::record`](crate::SessionBuilder::record) goes on from it. A [`TokenStore`](crate::TokenStore) does both by
/// itself. [`Record::new`] makes one of tokens that came from elsewhere.
///
/// Its secrets are wiped when the last clone is dropped. `Debug` does not show them; [`to_json`](Record::to_json) does.
///
/// ```
/// use std::time::Duration;
/// use secrecy::ExposeSecret;
/// use tower_reauth::{Record, TokenSet};
///
/// let tokens = TokenSet::new("mF_9.B5f-4.1JqM")?
///     .with_lifetime(Duration::from_secs(3600))
///     .with_refresh_token("tGzv3JOkF0XG5Qx2TlKWIA");
/// let record = Record::new(tokens);
/// let text = record.to_json();
/// let again = Record::from_json(text.expose_secret())?;
/// assert_eq!(again.refresh_token().unwrap().expose_secret(), "tGzv3JOkF0XG5Qx2TlKWIA");
/// assert_eq!(again.expires_at(), record.expires_at());
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone)]
pub struct Record {
    pub(crate) version: Version,
    pub(crate) owner: Option<Owner>,
    /// The thumbprint of the key that its tokens are bound to (RFC 7638).
    pub(crate) dpop: Option<Box<str>>,
    pub(crate) created: SystemTime,
    pub(crate) used: SystemTime,
    pub(crate) logged_out: bool,
    pub(crate) access: Option<Access>,
    /// The access tokens of derived sessions, the newest last.
    pub(crate) granted: Vec<(Wish, Access)>,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) details: Details,
    pub(crate) spending: Option<Spending>,
    pub(crate) trials: Trials,
}

/// An access token, on the wall clock.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) token: SecretString,
    pub(crate) issued_at: SystemTime,
    pub(crate) expires_at: Option<SystemTime>,
    /// To the key of its session.
    pub(crate) bound: bool,
}

impl Record {
    /// A record of tokens that came from elsewhere: a login with the authorization code or the device flow, or another program's
    /// store.
    ///
    /// A lifetime counts from when the tokens were asked for if a [`TokenEndpoint`](crate::TokenEndpoint) brought them, else from
    /// now; see [`TokenSet::expires_at`].
    pub fn new(tokens: TokenSet) -> Self {
        let now = clock::date();
        Self::nothing(now).with_tokens(tokens, now)
    }

    /// A record that holds no tokens yet, or not any more.
    pub(crate) fn nothing(now: SystemTime) -> Self {
        let now = milliseconds(now);
        Self {
            version: Version::from_parts(0, 0, 0),
            owner: None,
            dpop: None,
            created: now,
            used: now,
            logged_out: false,
            access: None,
            granted: Vec::new(),
            refresh_token: None,
            details: Details::default(),
            spending: None,
            trials: Trials::default(),
        }
    }

    /// What other processes find after a logout.
    pub(crate) fn mark(version: Version, now: SystemTime) -> Self {
        Self { version, logged_out: true, ..Self::nothing(now) }
    }

    /// With the tokens of an answer. Without a refresh token in it the old one stays good (RFC 6749 §6).
    pub(crate) fn with_tokens(mut self, tokens: TokenSet, now: SystemTime) -> Self {
        self.access = Some(Access::of(&tokens, now));
        let (refresh_token, details) = tokens.into_parts();
        self.refresh_token = refresh_token.or(self.refresh_token);
        self.details = details;
        self.used = milliseconds(now);
        self
    }

    /// With the tokens that a derived session asked for; the others stay, but for those that are over.
    pub(crate) fn granting(mut self, wish: &Wish, tokens: &TokenSet, now: SystemTime) -> Self {
        self.granted.retain(|(other, access)| other != wish && !access.is_expired(now));
        if self.granted.len() >= MOST_TOKENS {
            self.granted.remove(0);
        }
        self.granted.push((wish.clone(), Access::of(tokens, now)));
        self.refresh_token = tokens.refresh_token().cloned().or(self.refresh_token);
        self.used = milliseconds(now);
        self
    }

    /// The tokens of derived sessions that are good for something.
    pub(crate) fn granted_tokens(&self, now: SystemTime) -> impl Iterator<Item = (&Wish, TokenSet)> {
        let good = self.granted.iter().filter(move |(_, access)| !access.is_stale(now));
        good.filter_map(move |(wish, access)| Some((wish, access.token_set(now).ok()?)))
    }

    /// All access tokens, the session's own first.
    pub(crate) fn access_tokens(&self) -> impl Iterator<Item = &SecretString> {
        self.access.iter().chain(self.granted.iter().map(|(_, access)| access)).map(|access| &access.token)
    }

    /// With another end of the access token.
    pub(crate) fn ending_at(mut self, end: Option<SystemTime>) -> Self {
        if let Some(access) = &mut self.access {
            access.expires_at = end.map(milliseconds);
        }
        self
    }

    /// The access token, if there is one.
    pub fn access_token(&self) -> Option<&SecretString> {
        self.access.as_ref().map(|access| &access.token)
    }

    /// When the access token ends, on the wall clock; `None` where that is not known.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.access.as_ref()?.expires_at
    }

    /// Whether its access token is bound to a key.
    pub(crate) fn is_bound(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.bound)
    }

    /// Whether one who has the key with this thumbprint, or none, may go on with it. One without a thumbprint is from before its
    /// session had a key.
    pub(crate) fn is_for_key(&self, thumbprint: Option<&str>) -> bool {
        self.dpop.is_none() || self.dpop.as_deref() == thumbprint
    }

    /// Whether it holds no token at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.access_tokens().next().is_none() && self.refresh_token.is_none()
    }

    /// The refresh token in force, if there is one.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// The scope that was granted, where the server said so.
    pub fn scope(&self) -> Option<&str> {
        self.details.scope()
    }

    /// Another member of the token response, such as `id_token`.
    pub fn extra(&self, name: &str) -> Option<&SecretString> {
        self.details.extra(name)
    }

    /// When the login began; without a store, when this record was made.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// When it was used last, as far as the store was told: that is late by up to a quarter of the
    /// [idle time](crate::SessionsBuilder::idle_timeout).
    pub fn last_used(&self) -> SystemTime {
        self.used
    }

    /// Tells this state of the login from others, and which is newer.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether this only says that the login has ended. Such a record holds no secrets.
    pub fn is_logged_out(&self) -> bool {
        self.logged_out
    }

    /// Whether it holds an access token, the session's own or that of a derived session. For stores that write down the rule of
    /// [`may_replace`](Record::may_replace) once more.
    pub fn brings_tokens(&self) -> bool {
        self.access_tokens().next().is_some()
    }

    /// The word in the record that a token request may be under way. A store whose clock is not this machine's keeps it beside the
    /// record, on its own clock, and puts it back with [`with_claim`](Record::with_claim) when it loads the record. `now` is this
    /// machine's time of day.
    pub fn claim(&self, now: SystemTime) -> Option<Claim> {
        self.spending.map(|spending| spending.from(now))
    }

    /// With this claim in place of the one that is there. See [`claim`](Record::claim).
    #[must_use]
    pub fn with_claim(self, claim: Option<Claim>, now: SystemTime) -> Self {
        Self { spending: claim.map(|claim| Spending::of(claim, now)), ..self }
    }

    /// The rule of every store: whether this record may be written over `current`. `seen` is the version that whoever saves has
    /// seen last, `now` the store's own clock.
    ///
    /// 1. A login that was ended comes back by a later login alone.
    /// 2. Nothing is written over what is newer than `seen`.
    /// 3. A token request of another process that is under way is left standing, unless this record brings new tokens.
    pub fn may_replace(&self, current: &Self, seen: Option<Version>, now: SystemTime) -> bool {
        if current.logged_out {
            return self.version.epoch() > current.version.epoch()
                || (self.logged_out && self.version.epoch() == current.version.epoch());
        }
        if seen.is_none_or(|seen| current.version > seen) {
            return false;
        }
        let own = self.spending.map(|own| own.by);
        let foreign = current.spending.filter(|spending| Some(spending.by) != own && !spending.left(now).is_zero());
        foreign.is_none() || self.logged_out || (self.version > current.version && self.brings_tokens())
    }

    /// Whether the access token has come to its end, if the clocks agree.
    pub(crate) fn is_expired(&self, wall: SystemTime) -> bool {
        self.access.as_ref().is_some_and(|access| access.is_expired(wall))
    }

    /// Whether it counts as expired, as a session counts.
    pub(crate) fn is_stale(&self, wall: SystemTime) -> bool {
        self.access.as_ref().is_none_or(|access| access.is_stale(wall))
    }

    /// The tokens as they were before they were kept; `None` without an access token. One that seems to have expired has no known
    /// lifetime any more.
    pub(crate) fn token_set(&self, wall: SystemTime) -> Result<Option<TokenSet>, Error> {
        let Some(access) = &self.access else { return Ok(None) };
        let mut tokens = access.token_set(wall)?.with_details(self.details.clone());
        if let Some(refresh_token) = &self.refresh_token {
            tokens = tokens.with_refresh_token(refresh_token.clone());
        }
        Ok(Some(tokens))
    }
}

impl Access {
    fn of(tokens: &TokenSet, now: SystemTime) -> Self {
        let expires_at = tokens.expires_at().map(milliseconds);
        let issued_at = expires_at.zip(tokens.lifetime()).and_then(|(end, lifetime)| end.checked_sub(lifetime));
        let issued_at = issued_at.unwrap_or_else(|| milliseconds(now));
        Self { token: tokens.access_token().clone(), issued_at, expires_at, bound: tokens.is_bound() }
    }

    fn is_expired(&self, wall: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= wall)
    }

    fn is_stale(&self, wall: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| {
            let lifetime = end.duration_since(self.issued_at).unwrap_or_default();
            end.checked_sub(MARGIN.min(lifetime / 10)).is_none_or(|stale| stale <= wall)
        })
    }

    fn token_set(&self, wall: SystemTime) -> Result<TokenSet, Error> {
        let tokens = TokenSet::new(self.token.clone())?.bound(self.bound);
        Ok(match self.expires_at.filter(|_| !self.is_expired(wall)) {
            Some(end) => tokens.between(self.issued_at, end, wall),
            None => tokens,
        })
    }
}

impl From<TokenSet> for Record {
    fn from(tokens: TokenSet) -> Self {
        Self::new(tokens)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("version", &self.version)
            .field("logged_out", &self.logged_out)
            .field("dpop", &self.dpop)
            .field("access_token", &self.access.as_ref().map(|_| "[redacted]"))
            .field("expires_at", &self.expires_at())
            .field("granted", &self.granted.iter().map(|(wish, _)| wish).collect::<Vec<_>>())
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[redacted]"))
            .field("scope", &self.scope())
            .field("extra", &self.details.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
