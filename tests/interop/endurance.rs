//! Every server of `servers` through a minute of tokens that live for five seconds, and through a restart. Time is real here,
//! since the servers have clocks of their own.

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};
use tower_reauth::Status;

use super::servers::{Peer, SERVERS, Server};

#[tokio::test]
async fn tokens_that_live_for_five_seconds_carry_a_minute_of_calls() {
    let minute = async |server: &'static Server| {
        let peer = Peer::of(server, "-short", server.user.1).await;
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < Duration::from_secs(60) {
            assert_eq!(peer.get().await.unwrap(), StatusCode::OK, "{}, call {calls}", server.kind);
            calls += 1;
            sleep(Duration::from_millis(100)).await;
        }
        let (passwords, refreshes) = peer.proxy.asked();
        println!("{}: {calls} calls, {passwords} passwords, {refreshes} refreshes", server.kind);
        assert_eq!(passwords, 1, "{}", server.kind);
        // One for each lifetime, less the margin, that passes.
        assert!((10..=14).contains(&refreshes), "{}: {refreshes}", server.kind);
    };
    join_all(SERVERS.iter().map(minute)).await;
}

#[tokio::test]
async fn restart_in_the_middle_logs_nobody_out() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::of(server, "-restarted", server.user.1).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let mut command = peer.restart();
        let mut restart = tokio::task::spawn_blocking(move || command.status().unwrap());
        loop {
            tokio::select! {
                status = &mut restart => break assert!(status.unwrap().success()),
                // While it is away, the API answers with the proxy's 502.
                () = sleep(Duration::from_millis(20)) => drop(peer.get().await.unwrap()),
            }
        }
        let healed = async {
            while peer.get().await.unwrap() != StatusCode::OK {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), healed).await.expect("calls work again");
        assert_eq!(peer.session.status(), Status::Active);
        let (passwords, refreshes) = peer.proxy.asked();
        if server.forgets {
            assert!((1..=2).contains(&refreshes) && passwords == 2, "{passwords}, {refreshes}");
        } else {
            assert_eq!((passwords, refreshes), (1, 0));
        }
    }
}
