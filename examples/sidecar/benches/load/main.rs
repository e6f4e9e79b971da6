//! Two hundred connections through the sidecar, and through nginx as a plain proxy that sets a fixed header: what does a token that
//! heals cost?
//!
//! ```text
//! cargo bench -p tower-reauth-sidecar --bench load
//! ```
//!
//! Three proxies stand before one upstream, each in a process of its own, and are loaded in turn, round after round:
//! - *nginx*: HTTP/1.1 with connections kept to the upstream, no log;
//! - *sidecar at rest*: its token is good all the time;
//! - *sidecar*: in the middle of each turn the upstream kills the token, and all connections meet a 401.
//!
//! A connection sends its next request when it has the answer to the last one: so the times are those of a proxy that is always
//! busy. Driver, upstream and proxies share the machine's cores, so only the ratios mean something. What a proxy costs shows
//! undiluted in the CPU time of its own process.
//!
//! A request that fails, or more than one token request for a killed token, makes the run fail. Its time never does. It needs
//! Linux, and nginx in the path or in /usr/sbin.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]

mod crowd;
mod proxies;
mod report;
mod upstream;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, value_parser};
use tokio::runtime::{Builder, Runtime};

use crate::{proxies::Proxy, report::Report, upstream::Upstream};

/// Loads the sidecar and nginx in turn.
#[derive(Parser)]
struct Load {
    /// Connections at a time
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    connections: u32,

    /// How often each proxy has its turn, after one that does not count
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    seconds: u32,

    /// What cargo says
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let load = Load::parse();
    let turn = Duration::from_secs(load.seconds.into());
    let (driver, serving) = (runtime(), runtime());
    let upstream = serving.block_on(Upstream::start());
    let proxies = [Proxy::nginx(&upstream), Proxy::sidecar(&upstream, false), Proxy::sidecar(&upstream, true)];

    let mut report = Report::new(&proxies);
    for round in 0..=load.rounds {
        // Nobody always comes after the same one.
        for place in 0..proxies.len() {
            let at = (round as usize + place) % proxies.len();
            let proxy = &proxies[at];
            let before = proxy.cpu_time();
            let kill = proxy.dies.then_some(&upstream);
            let answers = driver.block_on(crowd::load(proxy.address, load.connections, turn, kill));
            report.add(at, answers, proxy.cpu_time() - before, round > 0);
        }
    }
    report.print();
    report.verdict(&upstream)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().unwrap()
}
