//! The one renewal under way, as a login knows it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::Instant;

use super::{
    claims::with_capabilities, errand::Errand, shelf::Shelf, status::logged_out, sync::Mutex, waiters::Waiters,
};
use crate::{
    asked::Challenge,
    context::{GrantContext, Wish},
    dpop::Binding,
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind, TokenVerdict},
    grant::Revoker,
    identity::{Generation, SessionName},
    store::Record,
    token::{self, TokenSet},
};

/// Beyond its limit, a flight that is alive has time to say so itself.
const GRACE: Duration = Duration::from_secs(1);
/// As long as a clock can count for certain.
pub(crate) const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The flight of a login, as its state knows it.
pub(crate) struct Flight {
    pub(crate) id: Generation,
    pub(crate) limit: Instant,
    pub(crate) waiters: Waiters,
    /// Of the call that started it.
    pub(crate) challenge: Challenge,
    /// What a derived session wants, if the flight is for one.
    pub(crate) wish: Option<Arc<Wish>>,
    /// Started ahead of time: the present token is still good.
    pub(crate) ahead: bool,
    /// Started only to look into the store, where a token request is held back.
    pub(crate) looks: bool,
    /// Whether it counts as a re-issue.
    pub(crate) counted: bool,
    pub(crate) parting: Arc<Mutex<Parting>>,
}

/// What a flight sets out with.
pub(crate) struct Order {
    pub(crate) session: SessionName,
    pub(crate) flight: Generation,
    pub(crate) epoch: Generation,
    /// Of the token that was there when the flight began.
    pub(crate) found: Generation,
    /// The mark of the refresh token that the flight spent last.
    pub(crate) spent: Option<u64>,
    pub(crate) challenge: Challenge,
    pub(crate) wish: Option<Arc<Wish>>,
    /// What the client says that it can do, with every token request.
    pub(crate) capabilities: Arc<[Box<str>]>,
    /// What the tokens are bound to.
    pub(crate) dpop: Option<Arc<Binding>>,
    pub(crate) endpoint: Option<TokenEndpoint>,
    /// Who revokes what it brings in after a logout.
    pub(crate) revoker: Option<Revoker>,
    pub(crate) waiters: Waiters,
    /// Where the session's record stands, if it has one.
    pub(crate) shelf: Option<Arc<Shelf>>,
    /// It only looks there.
    pub(crate) looks: bool,
    pub(crate) parting: Arc<Mutex<Parting>>,
}

/// What a flight brings.
pub(crate) enum Brought {
    Tokens(TokenSet),
    /// The same, and they were saved as this, or will be.
    Saved {
        tokens: TokenSet,
        record: Box<Record>,
        unsaved: bool,
    },
    /// Tokens that another process fetched.
    Found(Box<Record>),
}

/// What a login that ends leaves to the flight that is under way for it, and to those that were given up.
#[derive(Clone, Default)]
pub(crate) struct Parting {
    /// Whether what the flight brings in is revoked (invariant 6).
    pub(crate) revoke: bool,
    /// Held until the flight has ended.
    pub(crate) errand: Option<Errand>,
}

impl Brought {
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        match self {
            Self::Tokens(tokens) | Self::Saved { tokens, .. } => tokens.lifetime(),
            Self::Found(_) => None,
        }
    }

    /// What nobody else has.
    pub(crate) fn into_tokens(self) -> Option<TokenSet> {
        match self {
            Self::Tokens(tokens) | Self::Saved { tokens, .. } => Some(tokens),
            Self::Found(_) => None,
        }
    }
}

impl Flight {
    /// Whether this flight is past its limit, so that nobody seems to drive it.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        now >= self.overdue()
    }

    pub(crate) fn overdue(&self) -> Instant {
        self.limit + GRACE
    }

    /// Tells the waiters that their login has ended: what the flight still brings in is not for them.
    pub(crate) fn abandon(&self) {
        if let Some(wake_up) = self.waiters.land(Err(logged_out())) {
            wake_up.detach();
        }
    }
}

impl Order {
    /// The session's name for its own claims.
    pub(crate) fn claimant(&self) -> u64 {
        self.shelf.as_ref().map_or(0, |shelf| shelf.claimant)
    }

    /// What the login left to the flight, if it has ended.
    pub(crate) fn parting(&self) -> Parting {
        self.parting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a token request of the flight is told. Nobody wants it any more when the waiters have been told how it ended.
    pub(crate) fn context(&self, refresh_token: Option<SecretString>) -> GrantContext {
        let waiters = self.waiters.clone();
        let claims = with_capabilities(self.challenge.claims(), &self.capabilities);
        let context = GrantContext::new(self.session.id, claims, refresh_token).wishing(self.wish.clone());
        let context = context.bound_to(self.dpop.clone());
        context.asked_for(self.challenge.clone()).until(move || waiters.have_landed())
    }

    /// The tokens that a grant brought, if they are bound as the session's are. An endpoint looks by itself; a closure may have
    /// fetched them in any way.
    pub(crate) fn may_keep(&self, tokens: TokenSet) -> Result<TokenSet, Error> {
        let why = match (&self.dpop, tokens.is_bound()) {
            (Some(binding), false) if !binding.allows_bearer() => token::NOT_BOUND,
            (None, true) => token::NO_KEY,
            _ => return Ok(tokens),
        };
        Err(Error::new(ErrorKind::Dpop, why).with_verdict(TokenVerdict::NotAllowed))
    }

    /// Whether the server only objects to what a derived session wants: that is no business of the login's.
    pub(crate) fn is_wish_refused(&self, error: &Error) -> bool {
        self.wish.is_some()
            && error.verdict(self.session.id) == TokenVerdict::NotAllowed
            && matches!(error.oauth_code(), None | Some("invalid_target" | "invalid_scope"))
    }
}
