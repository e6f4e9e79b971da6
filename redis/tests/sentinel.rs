//! A master that sentinels know.

use std::fs;

use tower_reauth::{ErrorKind, News, Saved, StoreSecret, TokenStore};
use tower_reauth_redis::{RedisStore, RedisStoreBuilder};

use crate::support::{Heard, Server, alice, chain, record, until, wait};

fn start(master: &Server) -> Server {
    let sentinel = Server::start_program("redis-sentinel", |port, folder| {
        let file = format!("{folder}/sentinel.conf");
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor orders 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds orders 500\nsentinel failover-timeout orders 2000\n",
            master.port
        );
        fs::write(&file, config).unwrap();
        vec![file]
    });
    wait("the sentinel knows the replica", || sentinel.cli(&["INFO", "sentinel"]).contains("slaves=1"));
    sentinel
}

fn builder(sentinel: &Server) -> RedisStoreBuilder {
    named("orders", sentinel)
}

fn named(master: &str, sentinel: &Server) -> RedisStoreBuilder {
    RedisStore::sentinel(format!("redis://{master}"), [sentinel.url()])
        .naming_key(StoreSecret::from([1; 32]))
        .encrypt_with("one", StoreSecret::from([2; 32]))
}

#[tokio::test]
async fn the_new_master_is_found_after_a_failover() {
    let mut master = Server::start();
    let replica = master.replica();
    let sentinel = start(&master);
    let store = builder(&sentinel).connect().await.unwrap();
    tower_reauth::testing::check_store(&store, &store).await.unwrap();
    let heard = Heard::default();
    let _listening = heard.listen(&store, &alice()).await;
    assert!(matches!(store.save(&alice(), &record(1), None).await.unwrap(), Saved::Saved));
    heard.until("the save is heard", |news| news.contains(&News::Saved(record(1).version()))).await;
    wait("the replica has all", || replica.cli(&["DBSIZE"]) == master.cli(&["DBSIZE"]));
    heard.forget();

    master.kill();
    until("the new master takes a save", async || {
        store.save(&alice(), &record(2), Some(record(1).version())).await.is_ok()
    })
    .await;
    assert_eq!(replica.cli(&["ROLE"]).lines().next(), Some("master"));
    heard.until("news come from the new master", |news| news.contains(&News::Missed)).await;
    store.save(&alice(), &record(3), Some(record(2).version())).await.unwrap();
    heard.until("the save is heard", |news| news.contains(&News::Saved(record(3).version()))).await;
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_told_of() {
    let master = Server::start();
    let _replica = master.replica();
    let sentinel = start(&master);
    let error = named("payments", &sentinel).connect().await.unwrap_err();
    assert!(chain(&error).contains("the sentinels know no master"), "{}", chain(&error));
    let error = RedisStore::sentinel("redis://orders", Vec::<String>::new())
        .naming_key(StoreSecret::from([1; 32]))
        .encrypt_with("one", StoreSecret::from([2; 32]))
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
