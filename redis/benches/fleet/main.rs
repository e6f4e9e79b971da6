//! What a shared login costs, at the token endpoint and in Redis:
//!
//! ```text
//! cargo bench -p tower-reauth-redis --bench fleet
//! ```
//!
//! - *Renewals*: 1, 8 and 64 replicas, each with a session and connections of its own, meet one rejection at the same moment. One
//!   token request is the target.
//! - *Good calls*: a call with a good token sends nothing to Redis.
//! - *Sessions*: what 100,000 of them take in Redis, and how many renewals one Redis carries.
//!
//! Replicas and redis-server share the machine: of times only the ratios mean something, and what Redis itself has to do shows in the
//! CPU time of its process. With `--gate` it is small, and its figures say nothing; it fails, as always, if a renewal takes another
//! number of token requests than one, or a good call a command. It needs Linux, and redis-server in the path.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]

mod crowd;
mod good_calls;
mod observer;
mod renewals;
mod replica;
#[path = "../../tests/support/server.rs"]
mod server;

use std::{fs, process::ExitCode};

use clap::Parser;

use crate::{observer::Observer, server::Server};

/// What a shared login costs.
#[derive(Parser)]
struct Arguments {
    /// Few of everything, for the gate
    #[arg(long)]
    gate: bool,

    /// What cargo says
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is done.
struct Size {
    rounds: usize,
    calls: usize,
    sessions: usize,
    renewing: usize,
    seconds: u64,
}

const WHOLE: Size = Size { rounds: 30, calls: 100_000, sessions: 100_000, renewing: 500, seconds: 8 };
const SMALL: Size = Size { rounds: 3, calls: 5_000, sessions: 2_000, renewing: 50, seconds: 1 };

#[tokio::main]
async fn main() -> ExitCode {
    let size = if Arguments::parse().gate { SMALL } else { WHOLE };
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("Load of the machine at the start: {}", load.trim());
    let server = Server::start();
    let observer = Observer::of(&server).await;
    let renewals = renewals::measure(&server, &observer, size.rounds).await;
    let good_calls = good_calls::measure(&server, &observer, size.calls).await;
    crowd::measure(&server, &observer, &size).await;
    if renewals && good_calls { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
