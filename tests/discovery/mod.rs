//! Endpoints that an issuer's metadata names: where it is looked for, how long it is used, and what it may not do.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]
#![allow(unreachable_pub, reason = "one binary of several files")]

mod keeping;
mod lookup;
mod origins;
mod server;
mod sessions;
mod sharing;
