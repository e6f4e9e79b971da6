//! What is known of a request that is on its way.

use std::sync::Arc;

use super::{kept::Kept, shared::Shared};
use crate::{identity::Generation, replay::Replay, session::Session};

/// From a first send with a token to its answer.
pub(super) struct Sent<S, B: Replay> {
    pub(super) shared: Arc<Shared<S>>,
    // Among many; the one session of a layer stands in its configuration.
    pub(super) chosen: Option<Session>,
    pub(super) kept: Option<Kept<B>>,
    pub(super) generation: Generation,
    pub(super) epoch: Generation,
    pub(super) origin: usize,
}
