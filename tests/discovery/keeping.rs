//! How long metadata is used, and what has it fetched again.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::advance;

use super::server::{FIRST, Says, Server, TOKEN, ask, metadata};
use crate::support::{Gate, Trace, never_hangs};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOVED: &str = "https://issuer.example/v2/token";

#[tokio::test(start_paused = true)]
async fn metadata_is_used_for_a_day() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    server.says(FIRST, metadata(MOVED));
    advance(DAY - Duration::from_secs(1)).await;
    ask(&endpoint).await.unwrap();
    assert_eq!(server.fetches(), 1);
    advance(Duration::from_secs(1)).await;
    ask(&endpoint).await.unwrap();
    assert_eq!((server.fetches(), server.posts()), (2, vec![TOKEN.to_owned(), TOKEN.to_owned(), MOVED.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_seems_to_have_moved_has_it_fetched_again_but_once_a_minute() {
    let _trace = Trace::start();
    for gone in [
        Says::Status(404),
        Says::Status(405),
        Says::Status(410),
        Says::Status(421),
        Says::With(307, "location", "https://elsewhere.example/"),
        Says::Broken,
    ] {
        let server = Server::new();
        let endpoint = server.endpoint();
        ask(&endpoint).await.unwrap();
        server.says(FIRST, metadata(MOVED));
        server.says(TOKEN, gone);
        for _ in 0..3 {
            ask(&endpoint).await.unwrap_err();
        }
        assert_eq!(server.fetches(), 1, "not within a minute");
        advance(MINUTE).await;
        ask(&endpoint).await.unwrap();
        assert_eq!((server.fetches(), server.posts().last().unwrap().as_str()), (2, MOVED));
        advance(MINUTE).await;
        ask(&endpoint).await.unwrap();
        assert_eq!(server.fetches(), 2, "there is no doubt any more");
    }
}

#[tokio::test(start_paused = true)]
async fn other_answers_of_the_endpoint_leave_the_metadata_alone() {
    let _trace = Trace::start();
    for other in [Says::Status(400), Says::Status(401), Says::Status(403), Says::Status(500), Says::Text("{".into())] {
        let server = Server::new();
        let endpoint = server.endpoint();
        server.says(TOKEN, other);
        ask(&endpoint).await.unwrap_err();
        advance(2 * MINUTE).await;
        ask(&endpoint).await.unwrap_err();
        assert_eq!(server.fetches(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_at_hand_is_used_for_as_long_as_there_is_no_other() {
    let trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    for (number, bad) in [Says::Broken, Says::Broken, Says::Text("{".into()), Says::Status(404)].into_iter().enumerate()
    {
        server.says(FIRST, bad);
        advance(DAY).await;
        for _ in 0..3 {
            ask(&endpoint).await.unwrap();
        }
        assert_eq!(trace.events("metadata not renewed").len(), number + 1, "one attempt a minute");
    }
    let warnings: Vec<_> =
        trace.events("metadata not renewed").into_iter().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(warnings.len(), 2, "once for each kind: {warnings:?}");
    assert!(warnings[0].contains("issuer=https://issuer.example/shop"), "{warnings:?}");
    assert!(trace.lines().iter().all(|line| !line.contains("hunter2")));
    server.says(FIRST, metadata(MOVED));
    advance(MINUTE).await;
    ask(&endpoint).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), MOVED);
    assert_eq!(trace.events("metadata read").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_second_fetch_but_the_one_who_makes_it() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    let gate = Gate::closed();
    server.says(FIRST, Says::Behind(gate.clone(), Box::new(metadata(MOVED))));
    advance(DAY).await;
    let mut first = Box::pin(ask(&endpoint));
    assert!((&mut first).now_or_never().is_none());
    ask(&endpoint).now_or_never().expect("what is at hand is used").unwrap();
    gate.open();
    never_hangs(first).await.unwrap();
    assert_eq!((server.fetches(), server.posts()), (2, vec![TOKEN.to_owned(), TOKEN.to_owned(), MOVED.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_second_fetch_that_was_dropped_holds_nobody_up() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    server.says(FIRST, Says::Never);
    advance(DAY).await;
    assert!(ask(&endpoint).now_or_never().is_none());
    ask(&endpoint).now_or_never().expect("what is at hand is used").unwrap();
    server.says(FIRST, metadata(MOVED));
    advance(MINUTE).await;
    ask(&endpoint).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), MOVED);
}
