//! What is told to `tracing`. Every test of this program begins with a [`Trace`](support::Trace), which says why.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]
#![allow(unreachable_pub, reason = "one program of many files")]

mod support;

#[cfg(feature = "dpop")]
mod bound;
mod discovery;
mod events;
mod insufficient;
