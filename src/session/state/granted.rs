//! An access token of a login that is for a derived session.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{clock, context::Wish, identity::SessionId, token::TokenSet};

/// What a flight for a derived session brought, or a record holds.
pub(crate) struct Granted {
    pub(super) wish: Arc<Wish>,
    /// What it was asked for with.
    pub(super) claims: Option<Box<str>>,
    pub(crate) tokens: TokenSet,
    /// The session that has it.
    pub(super) taken: Option<SessionId>,
}

impl Granted {
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.tokens.is_over(clock::with_sleep(now))
    }

    pub(super) fn is_for(&self, wish: &Wish, by: SessionId, claims: Option<&str>) -> bool {
        *self.wish == *wish && self.taken != Some(by) && (claims.is_none() || self.claims.as_deref() == claims)
    }
}
