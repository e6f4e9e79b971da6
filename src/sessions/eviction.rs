//! Why sessions are let go of.

/// Why a session was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Eviction {
    /// There were too many sessions, and this one was nearly the [least recently used](crate::SessionsBuilder::capacity).
    Capacity,
    /// It was not used for the [idle time](crate::SessionsBuilder::idle_timeout).
    Idle,
    /// It reached its [maximum lifetime](crate::SessionsBuilder::max_lifetime).
    Lifetime,
}
