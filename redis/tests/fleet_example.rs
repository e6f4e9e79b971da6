//! The example `fleet`, as it is run: processes of its own, and a redis-server that it starts itself or is given.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Server, until};

/// Cargo builds the examples of a package with its tests, unless one test is named.
fn program() -> PathBuf {
    let tests = env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/fleet");
    assert!(program.exists(), "build it first: cargo build --package tower-reauth-redis --example fleet");
    program
}

fn fleet(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The table at the end.
fn counts(output: &Output) -> BTreeMap<String, f64> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let (_, table) = text.rsplit_once("\n\n").unwrap();
    let rows = table.lines().map(|row| row.rsplit_once(' ').unwrap());
    rows.map(|(what, count)| (what.trim().to_owned(), count.parse().unwrap())).collect()
}

fn assert_good(output: &Output) {
    let counts = counts(output);
    let count = |what: &str| counts[what];
    assert!(count("renewals") >= 2.0 && count("kills survived") >= 1.0, "{counts:?}");
    assert_eq!(count("token requests for them"), count("renewals"), "{counts:?}");
    assert_eq!(count("token requests per renewal"), 1.0);
    assert_eq!(count("calls that failed for their caller"), 0.0, "{counts:?}");
    assert_eq!(count("refresh tokens sent after their end"), 0.0, "{counts:?}");
    let (calls, good) = (count("calls at the gateway"), count("answered with 200"));
    let rejected = count("rejected with 401, and sent again");
    // All replicas met the rejections, and few calls were under way at the end.
    assert!(good > 0.0 && rejected >= count("renewals") && calls - good - rejected < 64.0, "{counts:?}");
}

#[test]
fn fleet_renews_each_dead_token_by_one_request_while_replicas_are_killed() {
    assert_good(&fleet(&["--replicas", "8", "--seconds", "6"]).output().unwrap());
}

#[test]
fn fleet_works_with_a_redis_that_runs_already() {
    let server = Server::start();
    assert_good(&fleet(&["--replicas", "8", "--seconds", "6", "--redis", &server.url()]).output().unwrap());
}

#[test]
fn missing_redis_server_is_a_message_that_says_what_to_do() {
    let output = fleet(&["--seconds", "1"]).env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("apt-get install redis-server") && said.contains("--redis redis://"), "{said}");
}

#[test]
fn redis_that_does_not_answer_is_named_as_the_cause() {
    let output = fleet(&["--seconds", "5", "--redis", "redis://127.0.0.1:1"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("fleet: ") && said.to_lowercase().contains("redis"), "{said}");
}

#[tokio::test]
async fn signal_ends_all_that_it_started_and_prints_the_counts() {
    for signal in [Signal::INT, Signal::TERM] {
        let process = fleet(&["--replicas", "4", "--seconds", "60"]).stdout(Stdio::piped()).spawn().unwrap();
        let (process, mut lines) = after_first_line(process);
        let started = children(process.id());
        assert!(started.len() >= 5, "replicas and a server: {started:?}");
        kill_process(Pid::from_child(&process), signal).unwrap();
        let rest: Vec<_> = lines.by_ref().map(Result::unwrap).collect();
        assert!(rest.iter().any(|line| line.starts_with("token requests per renewal")), "{rest:?}");
        wait(process).await;
        until("all are gone", async || started.iter().all(|process| !is_alive(*process))).await;
    }
}

/// A replica notices that nobody leads it any more.
#[tokio::test]
async fn replicas_of_a_killed_fleet_end_by_themselves() {
    let server = Server::start();
    let mut command = fleet(&["--replicas", "4", "--seconds", "60", "--redis", &server.url()]);
    let (process, _lines) = after_first_line(command.stdout(Stdio::piped()).spawn().unwrap());
    let started = children(process.id());
    assert_eq!(started.len(), 4);
    kill_process(Pid::from_child(&process), Signal::KILL).unwrap();
    wait(process).await;
    until("all are gone", async || started.iter().all(|process| !is_alive(*process))).await;
}

fn after_first_line(mut process: Child) -> (Child, impl Iterator<Item = std::io::Result<String>>) {
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.ends_with("all replicas call with the token of the login"), "{first}");
    (process, lines)
}

async fn wait(mut process: Child) {
    tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
}

fn children(of: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{of}/task")).unwrap();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// One that has ended and was not waited for does nothing any more.
fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
