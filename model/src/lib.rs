//! The session and the service of tower-reauth under a model checker: what `tests/proof.rs` claims, and how it is run.
//!
//! The checked code is the crate's own sources, compiled over the checker's locks, atomics and tasks ([shuttle]) and over
//! a small tokio of the same (`tokio/`). Every operation on the session's lock, its generation, a flight's queue of
//! waiters and a task is a point where another task may run.
//!
//! Sessions that share a store (`stored`) stand for processes. The store (`store`) delays, loses and repeats, with leases or
//! without, which may run out, and with news of what others do or without; the server (`family`) notices a refresh token that comes again.
//!
//! Covered:
//! - *All* schedules with up to the number of preemptions that a claim names; switches where a task waits or ends are free
//!   and all explored. A claim's number is the largest that is done in seconds.
//! - Beyond them a sample: random schedules, and ones that are drawn as probabilistic concurrency testing draws them.
//!
//! Not covered:
//! - Orders that only weak memory allows: the checker's atomics are sequentially consistent. The crate's one atomic that is
//!   read without the lock is the generation. It is never the only word on anything but itself, so that its own order is
//!   enough.
//! - What happens inside tokio's channels, which run without interruption here.
//! - The passing of time, other than in the claims that move the clock. With a store it moves to the end of the next short
//!   sleep, when nobody else can go on.
//! - A process that is killed: `tests/` kills real ones.

#![allow(missing_docs, reason = "read by whoever changes the model")]

pub mod api;
pub mod claims;
pub mod family;
pub mod issuer;
pub mod schedule;
pub mod store;
pub mod stored;
pub mod world;
