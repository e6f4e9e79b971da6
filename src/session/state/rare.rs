//! What a login has only now and then: made when it is first needed, and dropped when there is nothing in it.
//!
//! Sessions are held by the million, and nearly all of them rest.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    cool_down::CoolDowns,
    damping::Damping,
    doubt::Doubts,
    flight::{Flight, Parting},
    granted::Granted,
    known::Known,
    refresher::Refresher,
    refusal::Refusals,
    schedule::Backoff,
    sync::Mutex,
};
use crate::{credential::Credential, identity::Generation};

pub(crate) struct Rare {
    pub(crate) flight: Option<Flight>,
    /// Shared with the flights that were given up and may still go on.
    pub(crate) given_up: Option<Arc<Mutex<Parting>>>,
    pub(crate) refresher: Option<Refresher>,
    /// What the token that is held was asked for with.
    pub(crate) claims: Option<Box<str>>,
    pub(crate) backoff: Backoff,
    pub(crate) doubts: Doubts,
    pub(crate) refusals: Refusals,
    pub(crate) damping: Damping,
    /// The token that people were told is damped.
    pub(crate) damped: Generation,
    pub(crate) cool_downs: CoolDowns,
    /// Of a session with a store.
    pub(crate) known: Option<Box<Known>>,
    /// When the store is to be looked at for news: of a derived session, whose parent has one.
    pub(crate) look_at: Option<Instant>,
    /// The tokens of derived sessions, the newest last.
    pub(crate) granted: Vec<Granted>,
    /// The token that is held is bound to a key: each call with it needs a proof, and each answer may bring a nonce.
    pub(crate) is_bound: bool,
}

impl Rare {
    pub(crate) const fn new(credential: Credential, worked: bool) -> Self {
        Self {
            flight: None,
            given_up: None,
            refresher: None,
            claims: None,
            backoff: Backoff::NONE,
            doubts: Doubts::NONE,
            refusals: Refusals::new(credential, worked),
            damping: Damping::NONE,
            damped: Generation::NONE,
            cool_downs: CoolDowns::NONE,
            known: None,
            look_at: None,
            granted: Vec::new(),
            is_bound: false,
        }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        // First what each call of a session with a store finds.
        self.known.is_none()
            && self.look_at.is_none()
            && !self.is_bound
            && self.flight.is_none()
            && self.given_up.as_ref().is_none_or(|parting| Arc::strong_count(parting) == 1)
            && self.refresher.is_none()
            && self.claims.is_none()
            && self.backoff.is_over()
            && self.doubts.is_over()
            && self.refusals.is_over()
            && self.damping.is_over(now)
            && self.cool_downs.is_over(now)
            && self.granted.iter().all(|granted| granted.is_over(now))
    }

    /// Until when a service may use its copy of the token without asking. While an origin is on trial or cools down, what
    /// it lets through has to be told here; so has what answers a proof. And whoever comes by when all is forgotten finds this box
    /// to drop, or looks for news in the store.
    pub(crate) fn ask_again_at(&self, now: Instant) -> Option<Instant> {
        if !self.cool_downs.is_empty() || self.is_bound {
            return Some(now);
        }
        self.damping.over_at().into_iter().chain(self.look_at()).min()
    }

    /// Whether the store is to be looked at for news.
    pub(crate) fn look_is_due(&self, now: Instant) -> bool {
        self.look_at().is_some_and(|at| at <= now)
    }

    fn look_at(&self) -> Option<Instant> {
        self.look_at.or_else(|| self.known.as_ref()?.look_at())
    }
}
