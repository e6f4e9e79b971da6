//! Letting go of sessions that are too many, unused for too long, or too old.

use std::{
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{Ordering, fence},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    eviction::Eviction,
    life::{Time, milliseconds},
    shards::Evicted,
    shared::Shared,
};
use crate::events;

const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// A sweeper at work. However its task ends, another one may start.
struct Running<K> {
    sessions: Weak<Shared<K>>,
    pause: Duration,
    said: Time,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Shared<K> {
    /// After a session was put in place: makes room, and sees to it that it will end.
    pub(super) fn inserted(self: &Arc<Self>, newest: &K) {
        while let Some(evicted) = self.shards.over(self.settings.capacity, newest) {
            self.let_go(evicted);
        }
        // With the one in `sweep`: either this sees that nobody runs any more, or that sees the new session.
        fence(Ordering::SeqCst);
        self.see_to_sweeper(self.shards.now());
    }

    /// Sees to it that somebody sweeps out what nobody asks for.
    #[inline]
    pub(super) fn see_to_sweeper(self: &Arc<Self>, now: Time) {
        let overdue = self.sweeper.overdue();
        if overdue <= now {
            self.start_sweeper(overdue, now);
        }
    }

    /// Invariant 9: what is evicted is wiped now, whoever else holds the session.
    pub(super) fn let_go(&self, evicted: Evicted<K>) {
        let Evicted { key, session, cause, errand } = evicted;
        events::evicted(session.name(), cause);
        let is_over = cause == Eviction::Lifetime;
        // What stands in a store as well may be in use elsewhere, until its lifetime is over.
        if session.is_derived() {
            // It is no login of its own, and is not the one to end it.
        } else if self.settings.revoke_evicted && (is_over || self.settings.stored.is_none()) {
            // Carried through by itself; whether the server was told is said in an event.
            drop(session.start_logout(Some(errand)));
        } else if is_over {
            // The record's life is over as well.
            drop(session.start_removal(errand));
        } else {
            session.forget_with(Some(errand));
        }
        drop(session);
        if let Some(notice) = &self.settings.notice {
            // The panic hook has told of it, and the others that are to go must not stay for it.
            let _ = catch_unwind(AssertUnwindSafe(|| notice(&key, cause)));
        }
    }

    #[cold]
    fn start_sweeper(self: &Arc<Self>, overdue: Time, now: Time) {
        // Without a runtime nobody renews either; whoever comes next tries again.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.shards.count() == 0 {
            return;
        }
        let pause = (self.settings.idle.min(self.settings.lifetime) / 16).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut sweeper = Running { sessions: Arc::downgrade(self), pause, said: overdue };
        if sweeper.says(self, now) {
            runtime.spawn(sweep(sweeper));
        }
    }
}

async fn sweep<K: Clone + Eq + Hash + Send + Sync + 'static>(mut sweeper: Running<K>) {
    loop {
        tokio::time::sleep(sweeper.pause).await;
        let mut shard = 0;
        loop {
            // Held no longer than for one shard: the last user may let go meanwhile.
            let Some(sessions) = sweeper.sessions.upgrade() else { return };
            if !sweeper.says(&sessions, sessions.shards.now()) {
                return;
            }
            let Some(ended) = sessions.shards.sweep(shard) else { break };
            ended.into_iter().for_each(|evicted| sessions.let_go(evicted));
            drop(sessions);
            shard += 1;
            tokio::task::yield_now().await;
        }
        let Some(sessions) = sweeper.sessions.upgrade() else { return };
        if sessions.shards.count() == 0 {
            drop(sweeper);
            fence(Ordering::SeqCst);
            sessions.see_to_sweeper(sessions.shards.now());
            return;
        }
    }
}

impl<K> Running<K> {
    /// Says that it will be heard of again in time; false where another one has taken its place.
    fn says(&mut self, sessions: &Shared<K>, now: Time) -> bool {
        let next = now.saturating_add(milliseconds(2 * self.pause));
        let is_the_one = sessions.sweeper.replace(self.said, next);
        if is_the_one {
            self.said = next;
        }
        is_the_one
    }
}

impl<K> Drop for Running<K> {
    fn drop(&mut self) {
        // One that panics is not replaced before its time, or every use of the sessions would have it panic again.
        if let Some(sessions) = self.sessions.upgrade().filter(|_| !std::thread::panicking()) {
            sessions.sweeper.replace(self.said, 0);
        }
    }
}
