//! What all clones of the sessions share.

use std::{hash::Hash, sync::Arc};

use super::{logins::Logins, lookups::Lookups, settings::Settings, shards::Shards, sweeper::Sweeper};
use crate::session::Session;

pub(super) struct Shared<K> {
    pub(super) shards: Shards<K>,
    pub(super) logins: Logins<K>,
    pub(super) lookups: Lookups<K>,
    pub(super) sweeper: Sweeper,
    pub(super) settings: Settings<K>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Shared<K> {
    pub(super) fn new(settings: Settings<K>) -> Self {
        let shards = Shards::new(settings.idle, settings.lifetime);
        Self { shards, logins: Logins::default(), lookups: Lookups::default(), sweeper: Sweeper::default(), settings }
    }

    /// The session of a key that this process knows.
    pub(super) fn find(self: &Arc<Self>, key: &K) -> Option<Session> {
        let now = self.shards.now();
        self.see_to_sweeper(now);
        match self.shards.get(key, now) {
            Ok(found) => found,
            Err(ended) => {
                self.let_go(ended);
                None
            }
        }
    }
}

impl<K: Clone + Eq + Hash> Shared<K> {
    /// Until nothing that is under way now, for anybody, is so any more.
    pub(super) async fn idle(&self) {
        loop {
            // First of all the logins, which put sessions on the shards.
            self.shards.errands().done().await;
            for session in self.shards.sessions() {
                session.idle().await;
            }
            // Who left meanwhile may have taken something along.
            if self.shards.errands().are_done() {
                return;
            }
        }
    }
}
