//! What all clones of a service share.

use std::sync::{Mutex, PoisonError};

use super::config::Config;

/// What a call needs only when something happens.
pub(super) struct Shared<S> {
    // Cloned for a replay only. A mutex, so that `S` need not be `Sync`.
    template: Mutex<S>,
    pub(super) config: Config,
}

impl<S: Clone> Shared<S> {
    pub(super) fn new(template: S, config: Config) -> Self {
        Self { template: Mutex::new(template), config }
    }

    /// A service that nobody polled yet.
    pub(super) fn service(&self) -> S {
        self.template.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
