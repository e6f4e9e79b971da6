//! How time passes, the time in which the machine slept included.
//!
//! tokio's clock is the monotonic one, which on most systems stands still while the machine sleeps. A token goes on ageing. The
//! wall clock knows better, and this file is the only one that reads it.
//!
//! 1. What the wall clock moved on by more than the monotonic one, between two looks at both, is sleep; from a second on, since
//!    smaller steps are those of a clock that is being set.
//! 2. Ages are counted on tokio's clock [with the sleep](with_sleep) so far added to it: the earlier of the two clocks decides
//!    when a token has come of age. A wall clock that is set forward makes older tokens be renewed once; set back, it means
//!    nothing.
//! 3. Whoever is about to judge an age [looks](look) first. The clocks are read at most once within a second of tokio's, so that
//!    calls don't pay for it. A sleep is not seen before that second is over.
//! 4. The two clocks are the machine's own, never tokio's, which tests stop and move.

pub(crate) mod server;

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// How long a look holds.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// From here on a difference is sleep.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

struct Clock {
    /// In nanoseconds; it only grows.
    slept: AtomicU64,
    began: OnceLock<Instant>,
    /// The second of the last look, counted from one; zero before the first.
    second: AtomicU64,
    seen: Mutex<Option<(std::time::Instant, SystemTime)>>,
}

impl Clock {
    const fn new() -> Self {
        Self { slept: AtomicU64::new(0), began: OnceLock::new(), second: AtomicU64::new(0), seen: Mutex::new(None) }
    }

    fn look(&self, now: Instant) {
        let began = self.began.get_or_init(|| now);
        let second = now.saturating_duration_since(*began).as_secs() + 1;
        if self.second.load(Ordering::Relaxed) == second {
            return;
        }
        self.second.store(second, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (awake, wall) = (std::time::Instant::now(), wall());
        if let Some((awake_before, wall_before)) = seen.replace((awake, wall)) {
            let passed = wall.duration_since(wall_before).unwrap_or_default();
            let slept = passed.saturating_sub(awake.saturating_duration_since(awake_before));
            if slept >= SHORTEST_SLEEP {
                let slept = u64::try_from(slept.as_nanos()).unwrap_or(u64::MAX);
                // Only under the lock, so that nothing is lost between the two.
                self.slept.store(self.slept().saturating_add(slept), Ordering::Relaxed);
            }
        }
    }

    fn slept(&self) -> u64 {
        self.slept.load(Ordering::Relaxed)
    }
}

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    #[cfg(test)]
    let ahead = test::AHEAD.get();
    #[cfg(not(test))]
    let ahead = Duration::ZERO;
    SystemTime::now() + ahead
}

/// Under the model checker it is made of tokio's clock alone: an execution takes the same course each time.
#[cfg(tower_reauth_model)]
pub(crate) use tokio::time::date;

/// The time of day of a record. It goes on with tokio's clock, which is the machine's but in a test that stops or moves it: a
/// test's waits for times of day end, too.
#[cfg(not(tower_reauth_model))]
pub(crate) fn date() -> SystemTime {
    let (tokio, own, wall) = (Instant::now().into_std(), std::time::Instant::now(), wall());
    match tokio.checked_duration_since(own) {
        Some(ahead) => wall + ahead,
        None => wall - own.saturating_duration_since(tokio),
    }
}

/// Notices a sleep that ended since the last look.
#[cold]
pub(crate) fn look(now: Instant) {
    with(|clock| clock.look(now));
}

/// A time of tokio's clock, with the sleep so far: what ages are counted on.
pub(crate) fn with_sleep(now: Instant) -> Instant {
    match with(Clock::slept) {
        0 => now,
        slept => now.checked_add(Duration::from_nanos(slept)).unwrap_or(now),
    }
}

/// When, on tokio's clock, that time comes if the machine stays awake.
pub(crate) fn without_sleep(at: Instant) -> Instant {
    match with(Clock::slept) {
        0 => at,
        slept => at.checked_sub(Duration::from_nanos(slept)).unwrap_or(at),
    }
}

/// The time of day when an age, counted [with the sleep](with_sleep), is reached. It lies in the past where it was reached.
pub(crate) fn time_of_day(at: Instant, now: Instant) -> Option<SystemTime> {
    let now = with_sleep(now);
    match at.checked_duration_since(now) {
        Some(left) => date().checked_add(left),
        None => date().checked_sub(now - at),
    }
}

#[cfg(not(test))]
fn with<T>(ask: impl FnOnce(&Clock) -> T) -> T {
    static CLOCK: Clock = Clock::new();
    ask(&CLOCK)
}

#[cfg(test)]
use self::test::with;

/// Each test has a clock and a time of day of its own: they run side by side, each on one thread.
#[cfg(test)]
pub(crate) mod test {
    use std::cell::Cell;

    use super::{Clock, Duration};

    thread_local! {
        static CLOCK: Clock = const { Clock::new() };
        pub(super) static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub(super) fn with<T>(ask: impl FnOnce(&Clock) -> T) -> T {
        CLOCK.with(ask)
    }

    /// Moves the wall clock on, and no other.
    pub(crate) fn sleeps(time: Duration) {
        AHEAD.set(AHEAD.get() + time);
    }
}

#[cfg(test)]
mod tests;
