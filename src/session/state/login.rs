//! Everything that one login brought and learned, and how an answer changes it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    doubt::Doubts,
    flight::Flight,
    rare::Rare,
    schedule::Expiry,
    settings::{RenewAhead, Settings, Takes},
};
use crate::{
    clock,
    credential::Credential,
    error::Error,
    grant::SharedGrant,
    identity::Generation,
    scheme::Scheme,
    token::{Details, TokenSet},
};

/// Between two renewals without traffic.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A token is used for so long, however short its life is said to be: else every call would ask for another one.
const SHORTEST_USE: Duration = Duration::from_secs(1);

/// Everything that one login brought and learned. Dropping it wipes its secrets.
pub(crate) struct Login {
    /// Tells this login from every other one, so that nothing of an older login is ever used for a newer one.
    pub(crate) epoch: Generation,
    pub(crate) grant: SharedGrant,
    pub(crate) held: Option<Held>,
    /// The only copy, where the token that is held did not come without one.
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) credential: Credential,
    /// Whether the grant, not a refresh token, has brought a token in this login.
    pub(crate) worked: bool,
    /// Whether there was ever a refresh token in this login.
    pub(super) had_refresh_token: bool,
    /// Whether the session redeems refresh tokens, and not the grant.
    pub(crate) redeems: bool,
    ahead: RenewAhead,
    pub(super) takes: Takes,
    /// Whether the refresh token came with the token that is held.
    refresh_token_is_new: bool,
}

/// For looking at where there is none.
static NOTHING: Rare = Rare::new(Credential::Custom, false);

/// The current token.
pub(crate) struct Held {
    /// The only copy of the access token.
    pub(crate) header: HeaderValue,
    pub(crate) generation: Generation,
    pub(crate) expiry: Option<Expiry>,
    details: Details,
}

impl Login {
    pub(crate) fn new(grant: SharedGrant, refresh_token: Option<SecretString>, settings: &Settings) -> Self {
        let (credential, redeems) = (grant.credential(), grant.endpoint().is_some());
        Self {
            epoch: Generation::next(),
            grant,
            held: None,
            had_refresh_token: refresh_token.is_some(),
            refresh_token,
            rare: None,
            credential,
            worked: false,
            redeems,
            ahead: settings.ahead(credential),
            takes: settings.takes(),
            refresh_token_is_new: false,
        }
    }

    /// Of a derived session; its tokens are renewed as those of this login are.
    pub(crate) fn derived(&self, grant: SharedGrant, settings: &Settings) -> Self {
        let mut login = Self::new(grant, None, settings);
        login.ahead = self.ahead;
        login
    }

    pub(crate) fn generation(&self) -> Generation {
        self.held.as_ref().map_or(Generation::NONE, |held| held.generation)
    }

    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.rare().flight.as_ref()
    }

    /// Whether what origins answer is to be told: one of them is on trial, or cools down, or gives nonces for proofs.
    pub(crate) fn is_watched(&self) -> bool {
        let rare = self.rare();
        !rare.cool_downs.is_empty() || rare.is_bound
    }

    /// Keeps a new token set. The same access token keeps its generation: nothing that was sent with it is outdated.
    pub(crate) fn keep(&mut self, now: Instant, tokens: TokenSet, claims: Option<Box<str>>) -> Generation {
        let ahead = (self.ahead != RenewAhead::Never).then(fastrand::f64);
        clock::look(now);
        let now_with_sleep = clock::with_sleep(now);
        let born = tokens.asked().unwrap_or(now_with_sleep);
        let age = now_with_sleep.saturating_duration_since(born);
        // No token is born dead: a new one that is said to be is one of unknown lifetime.
        let whole_life = || {
            let told = tokens.lifetime().filter(|lifetime| !lifetime.is_zero());
            Expiry::new(born, told.map(|told| told.max(age + SHORTEST_USE)), ahead)
        };
        let (header, generation, expiry) = match &self.held {
            // What is at its end does not live longer for being given out again.
            Some(held) if tokens.is_carried_by(&held.header) => {
                let rest = held.expiry.and_then(|before| before.rest(now_with_sleep, born, tokens.lifetime()?));
                (held.header.clone(), held.generation, rest.or_else(whole_life).or(held.expiry))
            }
            _ => (tokens.header_value(), Generation::next(), whole_life()),
        };
        let (refresh_token, details) = tokens.into_parts();
        self.refresh_token_is_new = false;
        if refresh_token.is_some() {
            // Without one the old one stays good (RFC 6749 §6).
            self.keep_refresh_token(refresh_token, true);
        }
        let is_bound = Scheme::is_bound(&header);
        self.held = Some(Held { header, generation, expiry, details });
        if claims.is_some() || is_bound || self.rare.is_some() {
            let rare = self.rare_mut();
            rare.is_bound = is_bound;
            rare.claims = claims;
            rare.backoff.succeeded();
            rare.cool_downs.landed(now, generation);
        }
        generation
    }

    /// `is_new`: it came with the token that is held.
    pub(super) fn keep_refresh_token(&mut self, refresh_token: Option<SecretString>, is_new: bool) {
        (self.refresh_token, self.refresh_token_is_new, self.had_refresh_token) = (refresh_token, is_new, true);
        if let Some(rare) = &mut self.rare {
            rare.doubts = Doubts::NONE;
        }
    }

    /// The token set that is held, with a copy of the secrets.
    pub(crate) fn token_set(&self) -> Option<TokenSet> {
        let held = self.held.as_ref()?;
        let lifetime = held.expiry.map(|expiry| expiry.lifetime());
        let refresh_token = self.refresh_token.clone().filter(|_| self.refresh_token_is_new);
        Some(TokenSet::from_header_value(&held.header, lifetime, refresh_token, held.details.clone()))
    }

    /// The tokens that are held, for cutting them out of what a server said.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        let access_token = self.token_set().map(|tokens| tokens.access_token().clone());
        let granted = self.rare().granted.iter().map(|granted| granted.tokens.access_token().clone());
        self.refresh_token.iter().cloned().chain(access_token).chain(granted).collect()
    }

    /// The time of day when the token that is held ends.
    pub(crate) fn expires_at(&self, now: Instant) -> Option<SystemTime> {
        clock::time_of_day(self.held.as_ref()?.expiry?.expires_at(), now)
    }

    /// When a session that is to be kept alive without traffic is renewed next.
    pub(crate) fn next_renewal(&self, now: Instant) -> Option<Instant> {
        let held = self.held.as_ref().filter(|_| self.ahead == RenewAhead::Always)?;
        // A token that is born dead, or next to it, must not make a loop.
        let due = clock::without_sleep(held.expiry?.renew_at()).max(now + SHORTEST_PAUSE);
        let pause = self.rare().backoff.check(now).err().and_then(|error| error.retry_after());
        Some(pause.map_or(due, |pause| due.max(now + pause)))
    }

    /// Notes a failed renewal. What may still work is kept (invariant 4).
    pub(crate) fn failed(&mut self, now: Instant, error: &Error) {
        self.rare_mut().backoff.failed(now, error, fastrand::f64());
    }

    /// Notes a renewal that nobody knows the end of. Nothing keeps it from happening again, so the pause is never short.
    pub(crate) fn lost(&mut self, now: Instant, error: &Error) {
        self.rare_mut().backoff.failed(now, error, 1.0);
    }

    /// Tells the refresh token in force from every other one, and nothing of what is in it: the hash function is keyed at
    /// random by each process.
    pub(crate) fn refresh_token_mark(&self) -> Option<u64> {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        self.refresh_token.as_ref().map(|token| HASHER.hash_one(token.expose_secret()))
    }
}

impl Login {
    pub(crate) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare::new(self.credential, self.worked)))
    }

    /// Whether there is something to drop.
    pub(crate) fn is_untidy(&self, now: Instant) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.is_over(now) || (!rare.cool_downs.is_empty() && rare.cool_downs.is_over(now)))
    }

    /// Drops what is over.
    pub(crate) fn tidy(&mut self, now: Instant) {
        if let Some(rare) = &mut self.rare {
            rare.cool_downs.tidy(now);
            rare.granted.retain(|granted| !granted.is_over(now));
        }
        self.rare.take_if(|rare| rare.is_over(now));
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        if let Some(flight) = self.flight() {
            flight.abandon();
        }
        self.grant.forget();
    }
}

impl Held {
    /// Whether a call may be sent with this token without a renewal first.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        let now = clock::with_sleep(now);
        self.expiry.is_none_or(|expiry| now < expiry.renew_at() || now < expiry.stale_at())
    }

    /// Whether the server may still take this token.
    pub(crate) fn may_work(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| clock::with_sleep(now) < expiry.expires_at())
    }

    /// Whether a background renewal is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.expiry.is_some_and(|expiry| clock::with_sleep(now) >= expiry.renew_at())
    }
}
