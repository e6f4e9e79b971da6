//! The right to renew, for one process at a time.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{Heard, Server, alice, builder, place, record, store, until};
use tower_reauth::{Leased, News, TokenStore};

/// Short, so that it runs out in a test.
const LIFE: Duration = Duration::from_millis(600);

fn held(leased: Leased) -> tower_reauth::Lease {
    match leased {
        Leased::Held(lease) => lease,
        other => panic!("nobody holds the lease, and yet: {other:?}"),
    }
}

#[tokio::test]
async fn a_lease_is_extended_while_it_is_held() {
    let server = Server::start();
    let one = builder(server.url()).lease_life(LIFE).connect().await.unwrap();
    let other = store(&server).await;
    let lease = held(one.lease(&alice()).await.unwrap());
    // It runs out several times, but for its extensions.
    let end = tokio::time::Instant::now() + LIFE * 4;
    while tokio::time::Instant::now() < end {
        assert!(matches!(other.lease(&alice()).await.unwrap(), Leased::Taken));
        tokio::time::sleep(LIFE / 20).await;
    }
    drop(lease);
    until("it is free", async || matches!(other.lease(&alice()).await.unwrap(), Leased::Held(_))).await;
}

#[tokio::test]
async fn a_lease_runs_fifteen_seconds_where_nobody_extends_it() {
    let server = Server::start();
    let store = store(&server).await;
    let _lease = held(store.lease(&alice()).await.unwrap());
    let left: i64 = server.cli(&["PTTL", &format!("{}:lease", place(&alice()))]).parse().unwrap();
    assert!((10_000..=15_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_lease_that_another_has_taken_is_neither_extended_nor_released() {
    let server = Server::start();
    let store = builder(server.url()).lease_life(LIFE).connect().await.unwrap();
    let lease = held(store.lease(&alice()).await.unwrap());
    let key = format!("{}:lease", place(&alice()));
    server.cli(&["SET", &key, "another", "PX", "60000"]);
    tokio::time::sleep(LIFE).await;
    drop(lease);
    tokio::time::sleep(LIFE / 2).await;
    assert_eq!(server.cli(&["GET", &key]), "another");
    let left: i64 = server.cli(&["PTTL", &key]).parse().unwrap();
    assert!(left > 50_000, "{left}");
}

#[tokio::test]
async fn who_gives_back_a_lease_takes_it_from_nobody_else() {
    let server = Server::start();
    let store = store(&server).await;
    let heard = Heard::default();
    let _listening = heard.listen(&store, &alice()).await;
    let lease = held(store.lease(&alice()).await.unwrap());
    let key = format!("{}:lease", place(&alice()));
    // It ran out, and the next extension is far away.
    server.cli(&["SET", &key, "another", "PX", "60000"]);
    // Two of the probe when it connected, then one each to take and to give back.
    let scripts = || server.cli(&["INFO", "commandstats"]).lines().any(|line| line.starts_with("cmdstat_get:calls=4"));
    drop(lease);
    until("the lease is given back", async || scripts()).await;
    assert_eq!(server.cli(&["GET", &key]), "another");
    assert_eq!(heard.all(), []);
}

#[tokio::test]
async fn a_lease_that_redis_has_lost_is_taken_again() {
    let server = Server::start();
    let store = builder(server.url()).lease_life(LIFE).connect().await.unwrap();
    let _lease = held(store.lease(&alice()).await.unwrap());
    server.cli(&["FLUSHALL"]);
    let key = format!("{}:lease", place(&alice()));
    until("it stands there again", async || server.cli(&["EXISTS", &key]) == "1").await;
}

/// As if another server had been promoted, or this one been started again.
async fn server_that_may_lack_the_newest_writes() -> Server {
    let server = Server::start_with(&["--enable-debug-command", "local"]);
    store(&server).await.save(&alice(), &record(1), None).await.unwrap();
    server
}

fn becomes_another(server: &Server) {
    assert_eq!(server.cli(&["DEBUG", "CHANGE-REPL-ID"]), "OK");
}

#[tokio::test]
async fn who_knows_more_than_a_promoted_server_hears_so_before_anybody_gets_the_lease() {
    let server = server_that_may_lack_the_newest_writes().await;
    let (one, other) = (store(&server).await, store(&server).await);
    drop(held(one.lease(&alice()).await.unwrap()));
    becomes_another(&server);
    let heard = Heard::default();
    let _listening = heard.listen(&other, &alice()).await;

    assert!(matches!(one.lease(&alice()).await.unwrap(), Leased::Taken));
    heard.until("it is told what stands there", |news| news.contains(&News::Saved(record(1).version()))).await;
    // For a while only.
    until("it is free", async || matches!(one.lease(&alice()).await.unwrap(), Leased::Held(_))).await;
    drop(held(other.lease(&alice()).await.unwrap()));
}

#[tokio::test]
async fn who_held_the_lease_keeps_it_at_a_promoted_server_that_has_lost_it() {
    let server = server_that_may_lack_the_newest_writes().await;
    let (one, other) = (builder(server.url()).lease_life(LIFE).connect().await.unwrap(), store(&server).await);
    let lease = held(one.lease(&alice()).await.unwrap());
    becomes_another(&server);
    let key = format!("{}:lease", place(&alice()));
    server.cli(&["DEL", &key]);
    assert!(matches!(other.lease(&alice()).await.unwrap(), Leased::Taken));
    until("it stands there again", async || server.cli(&["EXISTS", &key]) == "1").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(matches!(other.lease(&alice()).await.unwrap(), Leased::Taken));
    drop(lease);
}

#[tokio::test]
async fn nobody_is_told_before_the_lease_is_free() {
    let server = Server::start();
    let (one, other) = (store(&server).await, store(&server).await);
    let heard = Heard::default();
    let _listening = heard.listen(&other, &alice()).await;
    drop(held(one.lease(&alice()).await.unwrap()));
    heard.until("the end of the lease is heard", |news| news == [News::Free]).await;
    held(other.lease(&alice()).await.unwrap());
}

#[tokio::test]
async fn a_lease_ends_when_its_process_is_killed() {
    let server = Server::start();
    let store = store(&server).await;
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "leases::holds_a_lease_until_it_is_killed", "--ignored"])
        .env("TOWER_REAUTH_REDIS", server.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let key = format!("{}:lease", place(&alice()));
    until("the other process holds the lease", async || server.cli(&["EXISTS", &key]) == "1").await;
    tokio::time::sleep(LIFE * 2).await;
    assert!(matches!(store.lease(&alice()).await.unwrap(), Leased::Taken), "it is extended");
    child.kill().unwrap();
    child.wait().unwrap();
    until("it is free", async || matches!(store.lease(&alice()).await.unwrap(), Leased::Held(_))).await;
}

#[tokio::test]
#[ignore = "the other process of the test above"]
async fn holds_a_lease_until_it_is_killed() {
    let url = env::var("TOWER_REAUTH_REDIS").expect("the test above starts this one");
    let store = builder(url).lease_life(LIFE).connect().await.unwrap();
    let _lease = held(store.lease(&alice()).await.unwrap());
    // Longer than the test above takes.
    tokio::time::sleep(Duration::from_secs(60)).await;
}
