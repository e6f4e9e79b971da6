//! The process-wide count that tells sessions, logins and token sets apart (invariant 2).

use std::sync::atomic::{AtomicU64, Ordering};

/// Names one token set of one login of one session.
///
/// Numbers come from one counter for the whole process and are never used twice, so a generation that was read before
/// a logout can't be mistaken for anything that came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// Names a session; every token request carries it as an extension, by which a layer notices that it is asked to
/// authorize its own renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

impl SessionId {
    pub(crate) fn next() -> Self {
        Self(Generation::next().0)
    }
}

impl Generation {
    /// No token at all; equal to the generation of no token set.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: the number only has to be unique; what it stands for is published by the session's lock.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}
