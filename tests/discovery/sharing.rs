//! One fetch for all who need the metadata at once.

use std::time::Duration;

use futures::{FutureExt, future::join_all};
use tokio::time::{Instant, advance};
use tower_reauth::{ClientCredentialsGrant, ErrorKind, Session};

use super::server::{FIRST, Says, Server, TOKEN, ask, metadata};
use crate::support::{Gate, Trace, never_hangs};

#[tokio::test(start_paused = true)]
async fn a_hundred_sessions_at_once_share_one_fetch() {
    let _trace = Trace::start();
    let (server, gate) = (Server::new(), Gate::closed());
    server.says(FIRST, Says::Behind(gate.clone(), Box::new(metadata(TOKEN))));
    let endpoint = server.endpoint();
    let sessions: Vec<_> =
        (0..100).map(|n| Session::new(ClientCredentialsGrant::new(endpoint.clone()).scope(n.to_string()))).collect();
    let tokens = tokio::spawn(async move {
        let tokens = join_all(sessions.iter().map(Session::token)).await;
        tokens.into_iter().filter(Result::is_ok).count()
    });
    never_hangs(gate.arrived(1)).await;
    gate.open();
    assert_eq!(never_hangs(tokens).await.unwrap(), 100);
    assert_eq!((server.fetches(), server.posts().len()), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn the_next_one_who_waits_goes_on_where_the_first_is_dropped() {
    let _trace = Trace::start();
    let (server, gate) = (Server::new(), Gate::closed());
    server.says(FIRST, Says::Behind(gate.clone(), Box::new(metadata(TOKEN))));
    let endpoint = server.endpoint();
    let mut first = Box::pin(ask(&endpoint));
    assert!((&mut first).now_or_never().is_none());
    let others: Vec<_> = (0..2)
        .map(|_| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move { ask(&endpoint).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(gate.arrivals(), 1);
    drop(first);
    never_hangs(gate.arrived(2)).await;
    gate.open();
    for other in others {
        never_hangs(other).await.unwrap().unwrap();
    }
    assert_eq!((server.fetches(), server.posts().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn all_who_waited_share_a_failure() {
    let _trace = Trace::start();
    let server = Server::new();
    server.says(FIRST, Says::Never);
    let endpoint = server.endpoint();
    let began = Instant::now();
    let late = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        ask(&endpoint).await
    };
    let (early, late) = never_hangs(futures::future::join(join_all((0..10).map(|_| ask(&endpoint))), late)).await;
    for failed in early.into_iter().chain([late]) {
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::TimedOut);
    }
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(server.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nobody_fetches_for_a_second_or_for_as_long_as_the_server_says() {
    let _trace = Trace::start();
    let server = Server::new();
    let endpoint = server.endpoint();
    server.says(FIRST, Says::Status(500));
    ask(&endpoint).await.unwrap_err();
    advance(Duration::from_millis(999)).await;
    assert_eq!(ask(&endpoint).await.unwrap_err().status().unwrap().as_u16(), 500);
    assert_eq!(server.fetches(), 1);
    server.says(FIRST, Says::With(503, "retry-after", "40"));
    advance(Duration::from_millis(1)).await;
    assert_eq!(ask(&endpoint).await.unwrap_err().retry_after(), Some(Duration::from_secs(40)));
    server.says(FIRST, metadata(TOKEN));
    advance(Duration::from_secs(39)).await;
    assert_eq!(ask(&endpoint).await.unwrap_err().retry_after(), Some(Duration::from_secs(1)));
    advance(Duration::from_secs(1)).await;
    ask(&endpoint).await.unwrap();
    assert_eq!(server.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_takes_no_longer_than_the_timeout_of_a_request() {
    let _trace = Trace::start();
    let server = Server::new();
    server.says(FIRST, Says::Never);
    let began = Instant::now();
    let error = never_hangs(ask(&server.endpoint().timeout(Duration::from_secs(3)))).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_takes_no_place_of_the_requests() {
    let _trace = Trace::start();
    let (server, gate) = (Server::new(), Gate::closed());
    let endpoint = server.endpoint().concurrency(1);
    server.says(TOKEN, Says::Status(404));
    ask(&endpoint).await.unwrap_err();
    // The only place is taken, and the metadata has to be fetched again.
    server.says(TOKEN, Says::Behind(gate.clone(), Box::new(Says::Status(404))));
    let holder = tokio::spawn({
        let endpoint = endpoint.clone();
        async move { ask(&endpoint).await }
    });
    never_hangs(gate.arrived(1)).await;
    advance(Duration::from_secs(60)).await;
    let waiter = tokio::spawn({
        let endpoint = endpoint.clone();
        async move { ask(&endpoint).await }
    });
    never_hangs(server.arrived(4)).await;
    assert_eq!(server.fetches(), 2);
    gate.open();
    server.works(TOKEN);
    never_hangs(holder).await.unwrap().unwrap_err();
    never_hangs(waiter).await.unwrap().unwrap();
}
