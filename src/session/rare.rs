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
    keeper::Keeper,
    refusal::Refusals,
    schedule::Backoff,
    state::Login,
    sync::Mutex,
};
use crate::{Credential, identity::Generation};

pub(super) struct Rare {
    pub(super) flight: Option<Flight>,
    /// Shared with the flights that were given up and may still go on.
    pub(super) given_up: Option<Arc<Mutex<Parting>>>,
    pub(super) keeper: Option<Keeper>,
    /// What the token that is held was asked for with.
    pub(super) claims: Option<Box<str>>,
    pub(super) backoff: Backoff,
    pub(super) doubts: Doubts,
    pub(super) refusals: Refusals,
    pub(super) damping: Damping,
    /// The token that people were told is damped.
    pub(super) damped: Generation,
    pub(super) cool_downs: CoolDowns,
}

/// For looking at where there is none.
static NOTHING: Rare = Rare::new(Credential::Custom, false);

impl Rare {
    const fn new(credential: Credential, worked: bool) -> Self {
        Self {
            flight: None,
            given_up: None,
            keeper: None,
            claims: None,
            backoff: Backoff::NONE,
            doubts: Doubts::NONE,
            refusals: Refusals::new(credential, worked),
            damping: Damping::NONE,
            damped: Generation::NONE,
            cool_downs: CoolDowns::NONE,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.flight.is_none()
            && self.given_up.as_ref().is_none_or(|parting| Arc::strong_count(parting) == 1)
            && self.keeper.is_none()
            && self.claims.is_none()
            && self.backoff.is_over()
            && self.doubts.is_over()
            && self.refusals.is_over()
            && self.damping.is_over(now)
            && self.cool_downs.is_over(now)
    }

    /// Until when a service may use its copy of the token without asking. While an origin is on trial or cools down, what
    /// it lets through has to be told here; and whoever comes by when all is forgotten finds this box to drop.
    pub(super) fn ask_again_at(&self, now: Instant) -> Option<Instant> {
        if self.cool_downs.is_empty() { self.damping.over_at() } else { Some(now) }
    }
}

impl Login {
    pub(super) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare::new(self.credential, self.worked)))
    }

    /// Whether there is something to drop.
    pub(super) fn is_untidy(&self, now: Instant) -> bool {
        self.rare
            .as_ref()
            .is_some_and(|rare| rare.is_over(now) || (!rare.cool_downs.is_empty() && rare.cool_downs.is_over(now)))
    }

    /// Drops what is over.
    pub(super) fn tidy(&mut self, now: Instant) {
        if let Some(rare) = &mut self.rare {
            rare.cool_downs.tidy(now);
        }
        self.rare.take_if(|rare| rare.is_over(now));
    }
}
