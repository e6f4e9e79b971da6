//! Ten thousand users at two hundred connections, over real sockets, and the backend-for-frontend of the examples between them
//! and the gateway: what does the layer cost there, while tokens expire and other devices kill them all the time?
//!
//! ```text
//! cargo bench --features axum --bench bff_load
//! ```
//!
//! Three servers of the same routers, cookies and client are loaded in turn, round after round:
//! - *static header*: in the layer's place is tower-http's, with one token that the gateway takes from everybody and that does
//!   not expire;
//! - *layer at rest*: each user's own token, and nothing happens to it;
//! - *layer*: each user's own token; it expires sooner or later, and in each second the tokens of one user in a hundred are
//!   killed at the gateway, refresh token and all.
//!
//! Each server has a gateway of its own, and users who logged in at its own form. A connection sends its next request when it has
//! the answer to the last one, from a user drawn by lot: so the times are those of a server that is always busy. Everything runs
//! in one process, each part on threads of its own, which share the machine's cores: the rates are for comparison only. What the
//! layer costs shows undiluted in the CPU time of the server's own threads, where Linux tells it.
//!
//! A request that fails makes the run fail. Its time never does. It needs Linux, where all of 127.0.0.0/8 is the machine itself.
#![allow(dead_code, reason = "what only the example's own main function uses")]
#![allow(clippy::unwrap_used, reason = "a bench that can't go on has failed")]

#[path = "../../examples/axum_bff/app.rs"]
mod app;
#[path = "../../examples/axum_bff/arguments.rs"]
mod arguments;
#[path = "../../examples/axum_bff/code_grant.rs"]
mod code_grant;
#[path = "../../examples/axum_bff/cookie_store.rs"]
mod cookie_store;
#[path = "../../examples/axum_bff/events.rs"]
mod events;
#[path = "../../examples/support/fields.rs"]
mod fields;
#[path = "../../examples/axum_bff/gateway.rs"]
mod gateway;
#[path = "../../examples/axum_bff/headers.rs"]
mod headers;
#[path = "../../examples/axum_bff/layer_events.rs"]
mod layer_events;
#[path = "../../examples/axum_bff/login/mod.rs"]
mod login;
#[path = "../../examples/axum_bff/pages.rs"]
mod pages;
#[path = "../../examples/axum_bff/problem.rs"]
mod problem;
#[path = "../../examples/axum_bff/proxy.rs"]
mod proxy;
#[path = "../../examples/axum_bff/router.rs"]
mod router;
#[path = "../../examples/axum_bff/story.rs"]
mod story;
#[path = "../../examples/support/mod.rs"]
mod support;
#[path = "../../examples/axum_bff/target.rs"]
mod target;
#[path = "../../examples/axum_bff/throttle.rs"]
mod throttle;
#[path = "../../examples/axum_bff/visitor.rs"]
mod visitor;

mod browser;
mod crowd;
mod processor;
mod report;
mod stand;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, value_parser};

use crate::{
    report::Report,
    stand::{Stand, Way},
};

/// Loads the backend-for-frontend with the layer, and without it.
#[derive(Parser)]
struct Load {
    /// Users of each server
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    users: u32,

    /// Connections that they share
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..))]
    connections: u32,

    /// How often each server has its turn, after one that does not count
    #[arg(long, default_value_t = 15, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..))]
    seconds: u32,

    /// Writes the figures there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// What cargo says
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let load = Load::parse();
    // Both ends of every connection are here, and three servers keep theirs.
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap();
    let driver = processor::runtime("driver");
    let stands = Way::ALL.map(|way| {
        let mut stand = Stand::start(way, &load);
        stand.cookies = driver.block_on(crowd::log_in(&stand, load.connections)).into();
        println!("{}: {} users have logged in", way.name(), load.users);
        stand
    });

    let mut report = Report::default();
    for round in 0..=load.rounds {
        // Nobody always comes after the same one.
        for place in 0..stands.len() {
            let stand = &stands[(round as usize + place) % stands.len()];
            let turn = driver.block_on(crowd::load(stand, load.connections, load.turn()));
            println!("round {round}, {turn}");
            report.add(turn, round > 0);
        }
    }
    report.print(&load);
    if let Some(file) = &load.json {
        report.keep(file);
    }
    report.verdict()
}

impl Load {
    fn turn(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// All turns together.
    fn length(&self) -> Duration {
        self.turn() * (self.rounds + 1) * Way::ALL.len() as u32
    }
}
