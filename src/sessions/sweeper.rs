//! Whether somebody sweeps.

use std::sync::atomic::{AtomicU64, Ordering};

use super::life::Time;

/// The one timer of all sessions: it runs while there are any.
///
/// Its task may be on a runtime that goes away, or that nobody drives any more. So it says by when it will be heard of again,
/// and whoever uses the sessions later than that starts another one. It knows by what it said last whether it is still the one.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    // Zero while none runs.
    overdue: AtomicU64,
}

impl Sweeper {
    /// By when it will be heard of again; zero while none runs.
    #[inline]
    pub(super) fn overdue(&self) -> Time {
        self.overdue.load(Ordering::Relaxed)
    }

    /// One that said the first is to say the second from now on; false where another one has taken its place.
    pub(super) fn replace(&self, said: Time, next: Time) -> bool {
        self.overdue.compare_exchange(said, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
