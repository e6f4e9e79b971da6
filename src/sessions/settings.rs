//! What many sessions are built with.

use std::{fmt, sync::Arc, time::Duration};

use super::eviction::Eviction;
use crate::{
    session::{Limits, Session, Shelf},
    store::{SharedStore, StoreKey},
};

const CAPACITY: usize = 100_000;
const IDLE: Duration = Duration::from_secs(30 * 60);
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// What happens to a request without a key to one of the layer's origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutKey {
    /// It fails with [`ErrorKind::NoKey`](crate::ErrorKind::NoKey), and nothing is sent.
    #[default]
    Reject,
    /// It is sent without a token, and is not replayed.
    Bare,
}

pub(super) struct Settings<K> {
    pub(super) capacity: usize,
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
    pub(super) without_key: WithoutKey,
    pub(super) revoke_evicted: bool,
    pub(super) notice: Option<Notice<K>>,
    pub(super) stored: Option<Stored<K>>,
}

/// The store that the sessions are kept in.
pub(super) struct Stored<K> {
    pub(super) store: SharedStore,
    pub(super) name: Box<dyn Fn(&K) -> StoreKey + Send + Sync>,
    pub(super) resume: Box<Resume<K>>,
}

type Resume<K> = dyn Fn(&K, Shelf) -> Session + Send + Sync;

impl<K> Settings<K> {
    /// The place of a key, and what the sessions are kept in.
    pub(super) fn place(&self, key: &K) -> Option<(&Stored<K>, Shelf)> {
        let stored = self.stored.as_ref()?;
        let limits = Limits { idle: self.idle, lifetime: self.lifetime };
        Some((stored, Shelf::among(stored.store.clone(), (stored.name)(key), limits)))
    }
}

type Notice<K> = Arc<dyn Fn(&K, Eviction) + Send + Sync>;

impl<K> Default for Settings<K> {
    fn default() -> Self {
        Self {
            capacity: CAPACITY,
            idle: IDLE,
            lifetime: LIFETIME,
            without_key: WithoutKey::default(),
            revoke_evicted: false,
            notice: None,
            stored: None,
        }
    }
}

impl<K> fmt::Debug for Settings<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("capacity", &self.capacity)
            .field("idle", &self.idle)
            .field("lifetime", &self.lifetime)
            .field("without_key", &self.without_key)
            .field("revoke_evicted", &self.revoke_evicted)
            .finish_non_exhaustive()
    }
}
