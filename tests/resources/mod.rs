//! Many resources, one login: sessions that are derived from another one, with access tokens of their own.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]
#![allow(unreachable_pub, reason = "one binary of several files")]

mod crowd;
mod ends;
mod many;
mod refusals;
mod stored;
mod tokens;
mod world;
