//! What a request is sent with.

use http::HeaderValue;
use tokio::time::Instant;

use super::Session;
use crate::identity::Generation;

/// The header's value, and what the session says of it.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    pub(crate) generation: Generation,
    pub(crate) epoch: Generation,
    /// It was found in the store, not fetched; said only of a token for a replay.
    pub(crate) adopted: bool,
    /// Until then a copy may be used without asking again; `None` for ever.
    pub(crate) fresh_until: Option<Instant>,
    /// The call takes care: the token is due for a renewal, or what becomes of the call is to be told.
    pub(crate) care: bool,
}

impl Authorization {
    /// Whether a copy may go with a request of now without asking the session.
    #[inline]
    pub(crate) fn is_good_for(&self, session: &Session) -> bool {
        session.allows_copy_of(self.generation) && self.is_fresh()
    }

    /// As far as time goes.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh_until.is_none_or(|until| Instant::now() < until)
    }
}
