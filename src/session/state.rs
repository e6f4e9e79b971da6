//! What a session holds behind its lock, and how an answer changes it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    RenewAhead, Status, builder::Settings, doubt::Doubts, flight::Flight, rare::Rare, schedule::Expiry,
    watchers::Watchers,
};
use crate::{Credential, Error, TokenSet, clock, grant::SharedGrant, identity::Generation, token::Details};

/// Between two renewals without traffic.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A token is used for so long, however short its life is said to be: else every call would ask for another one.
const SHORTEST_USE: Duration = Duration::from_secs(1);

/// A number of seconds that no token lives for.
const EACH_CALL: u32 = u32::MAX;

/// The truth about one session.
#[derive(Default)]
pub(super) struct State {
    pub(super) login: Option<Login>,
    pub(super) watchers: Option<Box<Watchers>>,
    /// How many tasks the session has set free.
    pub(super) running: u32,
    /// How many seconds before the renewal of the token that is held somebody has to look whether the machine slept.
    look_before: AtomicU32,
}

/// Everything that one login brought and learned. Dropping it wipes its secrets.
pub(super) struct Login {
    /// Tells this login from every other one, so that nothing of an older login is ever used for a newer one.
    pub(super) epoch: Generation,
    pub(super) grant: SharedGrant,
    pub(super) held: Option<Held>,
    /// The only copy, where the token that is held did not come without one.
    pub(super) refresh_token: Option<SecretString>,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) credential: Credential,
    /// Whether the grant, not a refresh token, has brought a token in this login.
    pub(super) worked: bool,
    /// Whether the session redeems refresh tokens, and not the grant.
    pub(super) redeems: bool,
    ahead: RenewAhead,
    /// Whether the refresh token came with the token that is held.
    refresh_token_is_new: bool,
}

/// The current token.
pub(super) struct Held {
    /// The only copy of the access token.
    pub(super) header: HeaderValue,
    pub(super) generation: Generation,
    pub(super) expiry: Option<Expiry>,
    details: Details,
}

impl State {
    pub(super) fn status(&self) -> Status {
        match &self.login {
            None => Status::LoggedOut,
            Some(login) if login.is_refused() => Status::Refused,
            Some(login) if login.held.is_some() => Status::Active,
            Some(_) => Status::Idle,
        }
    }

    /// For a new token.
    pub(super) fn look_at_next_call(&mut self) {
        *self.look_before.get_mut() = EACH_CALL;
    }

    /// Whether the token that is held may go with a call, and nobody has to look at anything but tokio's clock.
    pub(super) fn is_at_rest(&self, held: &Held, now: Instant) -> bool {
        let look_before = Duration::from_secs(self.look_before.load(Ordering::Relaxed).into());
        held.expiry.is_none_or(|expiry| now + look_before < expiry.renew_at())
    }

    /// Looks whether the machine slept, and says whether the token that is held is due for a renewal; `None` where it is stale.
    #[cold]
    pub(super) fn look(&self, held: &Held, now: Instant) -> Option<bool> {
        clock::look(now);
        let renew_at = held.expiry.map_or(now, |expiry| expiry.renew_at());
        let rest = renew_at.saturating_duration_since(clock::with_sleep(now));
        // Whole seconds, so that the next look comes within one.
        let seconds = renew_at.saturating_duration_since(now).as_secs();
        let look_before = if rest < clock::LOOK { EACH_CALL } else { seconds.try_into().unwrap_or(EACH_CALL) };
        self.look_before.store(look_before, Ordering::Relaxed);
        if rest.is_zero() { held.is_fresh(now).then_some(true) } else { Some(false) }
    }

    pub(super) fn generation(&self) -> Generation {
        self.login.as_ref().map_or(Generation::NONE, Login::generation)
    }
}

impl Login {
    pub(super) fn new(grant: SharedGrant, refresh_token: Option<SecretString>, settings: &Settings) -> Self {
        let (credential, redeems) = (grant.credential(), grant.endpoint().is_some());
        Self {
            epoch: Generation::next(),
            grant,
            held: None,
            refresh_token,
            rare: None,
            credential,
            worked: false,
            redeems,
            ahead: settings.ahead(credential),
            refresh_token_is_new: false,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.held.as_ref().map_or(Generation::NONE, |held| held.generation)
    }

    pub(super) fn flight(&self) -> Option<&Flight> {
        self.rare().flight.as_ref()
    }

    /// Keeps a new token set. The same access token keeps its generation: nothing that was sent with it is outdated.
    pub(super) fn keep(&mut self, now: Instant, tokens: TokenSet, claims: Option<Box<str>>) -> Generation {
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
        self.refresh_token_is_new = refresh_token.is_some();
        if refresh_token.is_some() {
            // Without one the old one stays good (RFC 6749 §6).
            self.refresh_token = refresh_token;
            if let Some(rare) = &mut self.rare {
                rare.doubts = Doubts::NONE;
            }
        }
        self.held = Some(Held { header, generation, expiry, details });
        if claims.is_some() || self.rare.is_some() {
            let rare = self.rare_mut();
            rare.claims = claims;
            rare.backoff.succeeded();
            rare.cool_downs.landed(now, generation);
        }
        generation
    }

    /// The token set that is held, with a copy of the secrets.
    pub(super) fn token_set(&self) -> Option<TokenSet> {
        let held = self.held.as_ref()?;
        let lifetime = held.expiry.map(|expiry| expiry.lifetime());
        let refresh_token = self.refresh_token.clone().filter(|_| self.refresh_token_is_new);
        Some(TokenSet::from_header_value(&held.header, lifetime, refresh_token, held.details.clone()))
    }

    /// When a session that is to be kept alive without traffic is renewed next.
    pub(super) fn next_renewal(&self, now: Instant) -> Option<Instant> {
        let held = self.held.as_ref().filter(|_| self.ahead == RenewAhead::Always)?;
        // A token that is born dead, or next to it, must not make a loop.
        let due = clock::without_sleep(held.expiry?.renew_at()).max(now + SHORTEST_PAUSE);
        let pause = self.rare().backoff.check(now).err().and_then(|error| error.retry_after());
        Some(pause.map_or(due, |pause| due.max(now + pause)))
    }

    /// Notes a failed renewal. What may still work is kept (invariant 4).
    pub(super) fn failed(&mut self, now: Instant, error: &Error) {
        self.rare_mut().backoff.failed(now, error, fastrand::f64());
    }

    /// Notes a renewal that nobody knows the end of. Nothing keeps it from happening again, so the pause is never short.
    pub(super) fn lost(&mut self, now: Instant, error: &Error) {
        self.rare_mut().backoff.failed(now, error, 1.0);
    }

    /// Tells the refresh token in force from every other one, and nothing of what is in it: the hash function is keyed at
    /// random by each process.
    pub(super) fn refresh_token_mark(&self) -> Option<u64> {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        self.refresh_token.as_ref().map(|token| HASHER.hash_one(token.expose_secret()))
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
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let now = clock::with_sleep(now);
        self.expiry.is_none_or(|expiry| now < expiry.renew_at() || now < expiry.stale_at())
    }

    /// Whether the server may still take this token.
    pub(super) fn may_work(&self, now: Instant) -> bool {
        self.expiry.is_none_or(|expiry| clock::with_sleep(now) < expiry.expires_at())
    }

    /// Whether a background renewal is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.expiry.is_some_and(|expiry| clock::with_sleep(now) >= expiry.renew_at())
    }
}
