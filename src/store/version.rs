//! Which record is the newer one.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells one token set of a record from every other one, and which of two is newer: that of a later login, then the one with the
/// higher number. Of two with the same number, which only a store that lost something holds, the random part decides, so that
/// all processes choose the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    epoch: u64,
    number: u64,
    random: u64,
}

impl Version {
    /// A version with these parts, for stores that keep them apart from the record.
    pub const fn from_parts(epoch: u64, number: u64, random: u64) -> Self {
        Self { epoch, number, random }
    }

    /// The login: it grows with each one. It is made of the time of day, in milliseconds, and never smaller than one that was
    /// there.
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// Counts the token sets of one login.
    pub fn number(self) -> u64 {
        self.number
    }

    /// Tells two token sets of one number apart.
    pub fn random(self) -> u64 {
        self.random
    }

    /// The epoch of a login that begins at this time.
    pub(crate) fn epoch_at(wall: SystemTime) -> u64 {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn first(epoch: u64) -> Self {
        Self { epoch, number: 0, random: fastrand::u64(..) }
    }

    pub(crate) fn next(self) -> Self {
        Self { epoch: self.epoch, number: self.number.saturating_add(1), random: fastrand::u64(..) }
    }
}
