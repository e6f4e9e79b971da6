//! The clock of Redis, as far as this process knows it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// When an answer came that told the time of day there, and which it told (milliseconds).
#[derive(Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, i64)>>);

impl Clock {
    /// An answer has just come that tells it.
    pub(crate) fn learn(&self, told: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), told));
    }

    /// The time of day there after this while, or earlier by as long as the last answer took to come.
    pub(crate) fn after(&self, wait: Duration) -> Option<i64> {
        let (came, told) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = i64::try_from((came.elapsed() + wait).as_millis()).ok()?;
        told.checked_add(since)
    }
}
