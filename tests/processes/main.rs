//! Real processes that share one login in a folder, against a server that ends a login when one of its refresh tokens comes twice:
//! they are killed and stopped at each step of a renewal, and renew all at once.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

#[path = "../process_support/mod.rs"]
mod process_support;
mod stopped;

use std::{sync::Arc, time::Duration};

use process_support::{
    eight::{Eight, PROCESSES},
    fault::Step,
    issuer::Issuer,
    kills,
};

/// `tests/interop` does the same with more kills, and against a server that others wrote.
#[tokio::test(flavor = "multi_thread")]
async fn process_killed_at_any_step_costs_no_login_that_could_be_kept() {
    const KILLS: usize = 3;
    // Whether the kill comes before the rename depends on how quick this process is: that is for `tests/interop`.
    let steps: Vec<_> = Step::ALL.into_iter().filter(|step| *step != Step::BeforeTheRename).collect();
    let rows = kills::kill_at(Arc::new(Issuer::default()), &steps, KILLS).await;
    kills::assert_all(&rows, KILLS);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_renew_a_rejected_token_by_one_request() {
    let issuer = Arc::new(Issuer::default());
    let mut eight = Eight::logged_in(issuer.clone(), None, "call when told").await;
    eight.are_ready().await;
    for renewals in 0..12 {
        assert_eq!(eight.all("called").await, vec!["200"; PROCESSES]);
        assert_eq!(eight.front.asked().len(), renewals);
        issuer.expire_all();
    }
    eight.assert_one_request_for_each_renewal();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_renew_a_token_that_expires_every_second_by_one_request() {
    let issuer = Arc::new(Issuer::default());
    let mut eight = Eight::logged_in(issuer, Some(Duration::from_secs(1)), "call on and on").await;
    process_support::soon(eight.front.answered(3)).await;
    for done in eight.all("done").await {
        assert!(done.ends_with(" []"), "{done}");
    }
    eight.assert_one_request_for_each_renewal();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_send_a_wrong_password_once() {
    let mut eight = Eight::with_wrong_password(Arc::new(Issuer::default()), "call when told").await;
    eight.are_ready().await;
    for _ in 0..3 {
        assert_eq!(eight.all("called").await, vec!["Refused, Refused"; PROCESSES]);
    }
    let asked = eight.front.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].grant_type.as_str(), asked[0].status), ("password", 400));
}
