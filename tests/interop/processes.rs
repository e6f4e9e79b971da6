//! Real processes that share one login in a folder, against servers that end a login when one of its refresh tokens comes twice:
//! killed at each step of a renewal, and eight at a time through a minute of tokens that live for a second. Time is real here.

use std::{sync::Arc, time::Duration};

use super::process_support::{
    eight::{Eight, PROCESSES},
    fault::Step,
    kills,
    remote::Remote,
};

#[tokio::test(flavor = "multi_thread")]
async fn process_killed_at_any_step_costs_no_login_that_could_be_kept() {
    const KILLS: usize = 30;
    let rows = kills::kill_at(Arc::new(Remote::oidc_provider()), &Step::ALL, KILLS).await;
    kills::assert_all(&rows, KILLS);
}

async fn a_minute(server: Remote) {
    let second = Duration::from_secs(1);
    let name = server.token.clone();
    let mut eight = Eight::logged_in(Arc::new(server), Some(second), "call five times a second").await;
    tokio::time::sleep(60 * second).await;
    let mut calls = 0;
    for done in eight.all("done").await {
        let (made, others) = done.split_once(' ').unwrap();
        assert_eq!(others, "[]", "{name}");
        calls += made.parse::<usize>().unwrap();
    }
    let renewals = eight.front.asked().len();
    println!("{name}: {PROCESSES} processes, {calls} calls, {renewals} token requests in a minute");
    eight.assert_one_request_for_each_renewal();
    // One for each lifetime, less the margin, that passes.
    assert!((50..=80).contains(&renewals), "{name}: {renewals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_share_tokens_that_live_for_a_second() {
    futures::join!(a_minute(Remote::oidc_provider()), a_minute(Remote::django()));
}
