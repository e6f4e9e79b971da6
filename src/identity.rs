//! The process-wide count that tells sessions, logins and token sets apart (invariant 2).

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

/// Names one token set of one login of one session.
///
/// Generations come from one counter for the whole process, and are never used twice. One that was read before a logout never
/// matches a later token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// Names a session; every token request carries it as an extension, by which a layer notices that it is asked to
/// authorize its own renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// A session as people read of it: its number and, among many, a hash of its key.
#[derive(Clone, Copy)]
pub(crate) struct SessionName {
    pub(crate) id: SessionId,
    pub(crate) key: Option<KeyHash>,
}

/// Tells one key from another, and nothing of what is in it: the hash function is keyed at random by each process.
#[derive(Clone, Copy)]
pub(crate) struct KeyHash(pub(crate) NonZeroU64);

tokio::task_local! {
    /// The session that this task renews.
    pub(crate) static RENEWED: SessionId;
}

/// The session whose renewal asks this, in the renewal's own task.
pub(crate) fn renewed_here() -> Option<SessionId> {
    RENEWED.try_with(|renewed| *renewed).ok()
}

impl SessionId {
    pub(crate) fn next() -> Self {
        Self(Generation::next().0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
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
