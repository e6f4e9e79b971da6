//! Why sessions are let go of.

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
