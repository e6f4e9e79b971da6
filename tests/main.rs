//! What the crate does, a file for each behaviour, in one program: it is linked once instead of fifty times.
//!
//! What needs a process of its own has one: allocations that are counted, programs that are killed, text that fails to compile.
//! So has what is told to `tracing` (`tests/told.rs`).
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]
#![allow(unreachable_pub, reason = "one program of many files")]

mod support;

#[path = "../examples/support/mod.rs"]
mod gateway;
mod http_support;

mod adversity;
mod asked;
#[cfg(feature = "jwt")]
mod assertions;
mod authorize;
#[cfg(feature = "axum")]
mod axum_body;
mod bodies;
mod cached_token;
mod challenges;
mod claims;
mod clock;
mod compose;
mod connections;
mod damping;
#[cfg(feature = "dpop")]
mod dpop;
mod dropped_anywhere;
mod embedded_gateway;
mod errors;
mod exchange;
mod expiry;
#[cfg(all(feature = "axum", feature = "reqwest", feature = "tonic"))]
mod foreign_bodies;
mod http1;
mod http2;
mod keep_alive;
mod ladder;
mod logout;
#[cfg(feature = "metrics")]
mod metrics;
mod origins_at_odds;
mod plaintext;
#[cfg(all(feature = "dpop", feature = "jwt"))]
mod proofs;
mod readiness;
mod renew;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod resources;
mod revocations;
mod runtimes;
mod schemes;
mod session_login;
mod sessions;
mod shared_connection;
mod shutdown;
mod single_flight;
mod stored;
mod superseded_body;
mod testing_kit;
mod token_end;
mod token_endpoint;
mod two_devices;
#[cfg(all(feature = "hyper-util", feature = "reqwest"))]
mod verdicts;
mod waiting;
mod whole;
