//! Eight processes share fifty sessions in one Redis, for authorization servers that end a login when one of its refresh tokens
//! comes twice. Access tokens are withdrawn, processes killed, and Redis is stopped, killed, paused, cut off, and replaced by one
//! that lacks the newest writes. No session dies that did not have to, and no refresh token is sent again whose answer is known.
//!
//! `.ci/peers` runs it. `FLEET_SECONDS` is how long it lasts at least for each server; 60 if it is not set. `FLEET_LOG` begins the name
//! of a file where all that happened is written to, session by session. An argument chooses the server by a part of its name.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]
#![allow(unreachable_pub, reason = "none of what other tests share is seen outside")]

mod authority;
mod chaos;
mod engine;
mod ledger;
#[path = "../../../tests/process_support/remote.rs"]
mod remote;
mod replica;
#[path = "../support/server.rs"]
mod server;
mod verdict;

use std::{
    collections::HashSet,
    env, fs,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use self::{
    authority::Authority,
    chaos::{Fleet, harm, withdraw_all, withdraw_some},
    engine::Engine,
    ledger::{Answer, Ledger},
    remote::Remote,
    verdict::Verdict,
};

const PROCESSES: usize = 8;
const SESSIONS: usize = 50;
const USERNAME: &str = "bob";
const PASSWORD: &str = "bobpassword";

/// Who could log a session in anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A process that is gone; the others have what stands in the store.
    Nobody,
    /// One process; the others have what stands in the store.
    One,
    /// Every process.
    Everywhere,
}

impl Kind {
    fn of(session: usize) -> Self {
        match session % 5 {
            0 | 1 => Self::Nobody,
            2 | 3 => Self::One,
            _ => Self::Everywhere,
        }
    }

    fn has_password(self, session: usize, process: usize) -> bool {
        match self {
            Self::Nobody => process == PROCESSES,
            Self::One => process == session % PROCESSES,
            Self::Everywhere => process < PROCESSES,
        }
    }

    /// Whether it is this process that logs in first.
    fn begins(self, session: usize, process: usize) -> bool {
        match self {
            Self::Nobody => process == PROCESSES,
            Self::One | Self::Everywhere => process == session % PROCESSES,
        }
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn main() -> ExitCode {
    if replica::plays_its_role() {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seconds = env::var("FLEET_SECONDS").map_or(60, |seconds| seconds.parse().unwrap());
    let wanted = env::args().nth(1).unwrap_or_default();
    let all = [("oidc-provider", Remote::oidc_provider()), ("django-oauth-toolkit", Remote::django())];
    let mut servers = all.into_iter().filter(|(name, _)| name.contains(&wanted)).peekable();
    assert!(servers.peek().is_some(), "no server has {wanted:?} in its name");
    let mut is_good = true;
    for (name, server) in servers {
        is_good &= runtime.block_on(is_survived(name, server, Duration::from_secs(seconds)));
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn is_survived(name: &str, server: Remote, time: Duration) -> bool {
    let ledger = Arc::new(Ledger::default());
    let authority = Authority::start(server, Arc::clone(&ledger)).await;
    let mut engine = Engine::start().await;
    let mut fleet = Fleet::start(authority.url.clone(), engine.url(), Arc::clone(&ledger)).await;

    let began = Instant::now();
    tokio::select! {
        () = harm(&mut engine, &ledger, time) => {}
        () = fleet.kill_some() => {}
        () = withdraw_some(&authority) => {}
    }
    let took = began.elapsed().as_secs();
    fleet.all("last", "quiet").await;
    withdraw_all(&authority);
    fleet.all("prove", "done").await;

    let kills = fleet.kills;
    drop(fleet);
    let book = ledger.book();
    let verdict = Verdict::of(&book);
    let calls: usize = book.calls.values().map(|(calls, _)| calls).sum();
    let sent: Vec<_> = book.asked.iter().filter(|asked| asked.spent.is_some()).collect();
    let tokens: HashSet<_> = sent.iter().filter_map(|asked| asked.spent).collect();
    let renewals = sent.iter().filter(|asked| matches!(asked.answer, Answer::Brought(..))).count();
    println!("{name}: {PROCESSES} processes, {SESSIONS} sessions, {took} s");
    println!("  {calls} calls, with the longest of each kind in ms: {:?}", book.calls);
    println!("  {kills} processes killed; Redis: {:?}; {} access tokens withdrawn", book.harms, book.withdrawn.len());
    println!("  {} refresh tokens sent {} times, for {renewals} renewals", tokens.len(), sent.len());
    println!("  {} requests with the password; {} logins ended", book.asked.len() - sent.len(), book.ended.len());
    print!("{verdict}");
    if let Ok(file) = env::var("FLEET_LOG") {
        let all: Vec<_> =
            (0..SESSIONS).map(|session| format!("session {session}\n{}", book.lines_of(session))).collect();
        fs::write(format!("{file}-{name}"), all.concat()).unwrap();
    }
    for session in verdict.faulty().into_iter().take(3) {
        println!("session {session}, {:?}:\n{}", Kind::of(session), book.lines_of(session));
    }
    drop(book);
    assert!(calls >= 1_000 && kills >= 5 && renewals >= 20, "too little happened");
    verdict.is_good()
}
