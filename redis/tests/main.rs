//! The store against real servers. `cargo test -p tower-reauth-redis --all-features leases::` runs those of one file.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod bad_input;
#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod contents;
#[cfg(unix)]
mod fleet_example;
mod leases;
mod news;
mod outages;
mod rule;
mod runtimes;
mod scale;
#[cfg(feature = "sentinel")]
mod sentinel;
mod support;
#[cfg(feature = "tls")]
mod tls;
