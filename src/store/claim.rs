//! The word in a record that a token request may be under way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks that work together differ by less.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Somebody's token request is under way for this record, or was: until then it may still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spending {
    pub(crate) by: u64,
    pub(crate) since: SystemTime,
    pub(crate) until: SystemTime,
}

/// A token request that may be under way for a [`Record`](super::Record), on the store's own clock: in milliseconds from now, negative where that is
/// past. See [`Record::claim`](super::Record::claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// Tells the session that made it from others.
    pub by: u64,
    /// When it was made.
    pub since: i64,
    /// Until when the token request may still arrive.
    pub until: i64,
}

impl Claim {
    /// A claim of this session, with these times.
    pub const fn new(by: u64, since: i64, until: i64) -> Self {
        Self { by, since, until }
    }
}

impl Spending {
    /// A claim that was kept on another clock.
    pub(super) fn of(Claim { by, since, until }: Claim, now: SystemTime) -> Self {
        let now = milliseconds(now);
        let at = |from_now: i64| {
            let distance = Duration::from_millis(from_now.unsigned_abs());
            let time = if from_now < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
            milliseconds(time.unwrap_or(now))
        };
        Self { by, since: at(since), until: at(until) }
    }

    /// The same claim, for another clock.
    pub(super) fn from(self, now: SystemTime) -> Claim {
        // Claims are of whole milliseconds.
        let now = milliseconds(now);
        let from_now = |time: SystemTime| match time.duration_since(now) {
            Ok(ahead) => i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX),
            Err(error) => i64::try_from(error.duration().as_millis()).map_or(i64::MIN, |past| -past),
        };
        Claim { by: self.by, since: from_now(self.since), until: from_now(self.until) }
    }

    /// The same claim, taken back: nothing is under way.
    pub(crate) fn void(self) -> Self {
        Self { until: self.since, ..self }
    }

    pub(crate) fn is_void(self) -> bool {
        self.until <= self.since
    }

    /// The same claim, over now: the answer came, and did not say what became of the refresh token.
    pub(crate) fn over(self, now: SystemTime) -> Self {
        Self { until: now.max(self.since + Duration::from_millis(1)), ..self }
    }

    /// For how long the token request may still arrive. However wrong the clocks are, hardly longer than it was said to take: one
    /// that is to begin later was written by a clock that has been set back since.
    pub(crate) fn left(self, now: SystemTime) -> Duration {
        if self.since.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_SKEW) {
            return Duration::ZERO;
        }
        let whole = self.until.duration_since(self.since).unwrap_or_default();
        self.until.duration_since(now).unwrap_or_default().min(whole)
    }
}

/// To the millisecond, as a record is written: what is read back is the same.
pub(crate) fn milliseconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
