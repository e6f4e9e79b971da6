//! What a session holds behind its lock, and how an answer changes it.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use secrecy::SecretString;
use tokio::time::Instant;

use super::{
    RenewAhead, Status, builder::Settings, cool_down::CoolDowns, damping::Damping, flight::Flight, keeper::Keeper,
    refusal::Refusals, schedule::Backoff, schedule::Expiry,
};
use crate::{Error, TokenSet, grant::DynGrant, identity::Generation};

/// Between two renewals without traffic.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The truth about one session.
#[derive(Default)]
pub(super) struct State {
    pub(super) login: Option<Login>,
}

/// Everything that one login brought and learned. Dropping it wipes its secrets.
pub(super) struct Login {
    /// Tells this login from every other one, so that nothing of an older login is ever used for a newer one.
    pub(super) epoch: Generation,
    pub(super) grant: Arc<dyn DynGrant>,
    pub(super) held: Option<Held>,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) flight: Option<Flight>,
    pub(super) keeper: Option<Keeper>,
    pub(super) ahead: RenewAhead,
    pub(super) backoff: Backoff,
    pub(super) refusals: Refusals,
    pub(super) damping: Damping,
    pub(super) cool_downs: CoolDowns,
}

/// The current token.
pub(super) struct Held {
    pub(super) tokens: Arc<TokenSet>,
    pub(super) header: HeaderValue,
    pub(super) generation: Generation,
    pub(super) expiry: Option<Expiry>,
    pub(super) claims: Option<Box<str>>,
}

impl State {
    pub(super) fn status(&self) -> Status {
        match &self.login {
            None => Status::LoggedOut,
            Some(login) if login.refusals.is_refused() => Status::Refused,
            Some(login) if login.held.is_some() => Status::Active,
            Some(_) => Status::Idle,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.login.as_ref().and_then(|login| login.held.as_ref()).map_or(Generation::NONE, |held| held.generation)
    }
}

impl Login {
    pub(super) fn new(grant: Arc<dyn DynGrant>, settings: &Settings) -> Self {
        Self {
            epoch: Generation::next(),
            held: None,
            refresh_token: grant.initial_refresh_token().cloned(),
            flight: None,
            keeper: None,
            ahead: settings.ahead(grant.credential()),
            backoff: Backoff::default(),
            refusals: Refusals::new(grant.credential()),
            damping: Damping::default(),
            cool_downs: CoolDowns::default(),
            grant,
        }
    }

    /// Keeps a new token set. The same access token keeps its generation: nothing that was sent with it is outdated.
    pub(super) fn keep(&mut self, now: Instant, tokens: TokenSet, claims: Option<Box<str>>) -> Generation {
        if let Some(refresh_token) = tokens.refresh_token() {
            // Without one the old one stays good (RFC 6749 §6).
            self.refresh_token = Some(refresh_token.clone());
        }
        self.backoff.succeeded();
        let ahead = (self.ahead != RenewAhead::Never).then(fastrand::f64);
        let expiry = Expiry::new(now, tokens.lifetime(), ahead);
        let (header, generation) = match &self.held {
            Some(held) if held.tokens.same_access_token(&tokens) => (held.header.clone(), held.generation),
            _ => (tokens.header_value(), Generation::next()),
        };
        self.held = Some(Held { tokens: Arc::new(tokens), header, generation, expiry, claims });
        generation
    }

    /// When a session that is to be kept alive without traffic is renewed next.
    pub(super) fn next_renewal(&self, now: Instant) -> Option<Instant> {
        let held = self.held.as_ref().filter(|_| self.ahead == RenewAhead::Always)?;
        // A token that is born dead, or next to it, must not make a loop.
        let due = held.expiry?.renew_at.max(now + SHORTEST_PAUSE);
        let pause = self.backoff.check(now).err().and_then(|error| error.retry_after());
        Some(pause.map_or(due, |pause| due.max(now + pause)))
    }

    /// Notes a failed renewal. What may still work is kept (invariant 4).
    pub(super) fn failed(&mut self, now: Instant, error: &Error) {
        self.backoff.failed(now, error, fastrand::f64());
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(flight) = &self.flight {
            flight.abandon();
        }
    }
}

impl Held {
    /// Whether a call may be sent with this token without a renewal first.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| now < expiry.stale_at)
    }

    /// Whether the server may still take this token.
    pub(super) fn may_work(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| now < expiry.expires_at)
    }

    /// Whether a background renewal is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.expiry.is_some_and(|expiry| now >= expiry.renew_at)
    }
}
