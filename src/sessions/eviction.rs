//! Letting go of sessions that are too many, unused for too long, or too old.

use std::{
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Shared, shelves::Evicted};
use crate::events;

const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a session was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Eviction {
    /// There were too many sessions, and this one was the least recently used.
    Capacity,
    /// It was not used for the idle time.
    Idle,
    /// It had lived for as long as a session may live.
    Lifetime,
}

/// The one timer of all sessions: it runs while there are any.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    runs: Arc<AtomicBool>,
}

/// However the timer's task ends, another one may start.
struct Running(Arc<AtomicBool>);

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Shared<K> {
    /// After a session was put in place: makes room, and sees to it that it will end.
    pub(super) fn inserted(self: &Arc<Self>, newest: &K) {
        while let Some(evicted) = self.shelves.over(self.settings.capacity, newest) {
            self.let_go(evicted);
        }
        self.start_sweeper();
    }

    /// Invariant 9: what is evicted is wiped now, whoever else holds the session.
    pub(super) fn let_go(&self, evicted: Evicted<K>) {
        let Evicted { key, session, cause, errand } = evicted;
        events::evicted(session.name(), cause);
        if self.settings.revoke_evicted {
            // Carried through by itself; whether the server was told is said in an event.
            drop(session.start_logout(Some(errand)));
        } else {
            session.forget_with(Some(errand));
        }
        drop(session);
        if let Some(notice) = &self.settings.notice {
            // The panic hook has told of it, and the others that are to go must not stay for it.
            let _ = catch_unwind(AssertUnwindSafe(|| notice(&key, cause)));
        }
    }

    fn start_sweeper(self: &Arc<Self>) {
        // Without a runtime nobody renews either; the next session that is put in place tries again.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.sweeper.runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let running = Running(self.sweeper.runs.clone());
        let pause = (self.settings.idle.min(self.settings.lifetime) / 16).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        runtime.spawn(sweep(Arc::downgrade(self), pause, running));
    }
}

async fn sweep<K: Clone + Eq + Hash + Send + Sync + 'static>(
    sessions: Weak<Shared<K>>,
    pause: Duration,
    running: Running,
) {
    loop {
        tokio::time::sleep(pause).await;
        let mut shelf = 0;
        loop {
            // Held no longer than for one shelf: the last user may let go meanwhile.
            let Some(sessions) = sessions.upgrade() else { return };
            let Some(ended) = sessions.shelves.sweep(shelf) else { break };
            ended.into_iter().for_each(|evicted| sessions.let_go(evicted));
            drop(sessions);
            shelf += 1;
            tokio::task::yield_now().await;
        }
        let Some(sessions) = sessions.upgrade() else { return };
        if sessions.shelves.count() == 0 {
            drop(running);
            // Whoever came after the count and before the word that nobody runs has not started another one.
            if sessions.shelves.count() > 0 {
                sessions.start_sweeper();
            }
            return;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A swap, not a store: whoever put a session in place before, and saw that somebody runs, is seen by what follows.
        self.0.swap(false, Ordering::AcqRel);
    }
}
