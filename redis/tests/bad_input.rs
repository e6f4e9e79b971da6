//! What is set up wrongly: a clear error, and nothing is lost.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use tower_reauth::{ErrorKind, Leased, StoreSecret, TokenStore};
use tower_reauth_redis::RedisStore;

use crate::support::{
    BOUND, Server, alice, builder, chain, place, record, store,
    trouble::{Proxy, Said},
    until, wait,
};

/// The ACL that the documentation asks for.
pub(crate) fn documented_acl() -> Vec<String> {
    let docs = include_str!("../src/lib.rs");
    let line =
        docs.lines().find_map(|line| line.strip_prefix("//! user orders ")).expect("the documentation has the line");
    line.split_whitespace().map(str::to_owned).collect()
}

fn give(server: &Server, rules: &[String]) {
    let rules = rules.iter().map(String::as_str);
    let command = ["ACL", "SETUSER", "orders", "reset"].into_iter().chain(rules).collect::<Vec<_>>();
    assert_eq!(server.cli(&command), "OK");
    assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
}

fn url_of_orders(server: &Server) -> String {
    format!("redis://orders:secret@127.0.0.1:{}", server.port)
}

#[tokio::test]
async fn the_documented_acl_is_enough() {
    let server = Server::start();
    give(&server, &documented_acl());
    let store = builder(url_of_orders(&server)).connect().await.unwrap();
    tower_reauth::testing::check_store(&store, &store).await.unwrap();
    let heard = crate::support::Heard::default();
    let listening = heard.listen(&store, &alice()).await;
    store.ask(&alice(), record(1).version()).await.unwrap();
    drop(listening);
    until("it unsubscribes", async || server.cli(&["PUBSUB", "CHANNELS"]).is_empty()).await;
    let log = server.cli(&["ACL", "LOG"]);
    assert_eq!(log, "", "nothing was denied");
}

/// The rights that a store does without when it connects: sessions do without news, and leases without the wait after a fail-over.
const LATER: [&str; 4] = ["+subscribe", "+unsubscribe", "+ping", "+info"];

fn without(rules: &[String], rule: &str) -> Vec<String> {
    let others = rules.iter().filter(|other| *other != rule).cloned().collect::<Vec<_>>();
    assert_eq!(others.len() + 1, rules.len(), "{rule} is documented");
    others
}

#[tokio::test]
async fn no_store_connects_without_a_part_of_the_documented_acl() {
    let server = Server::start();
    let rules = documented_acl();
    for rule in rules.iter().filter(|rule| !["on", ">secret", "resetchannels", "-@all"].contains(&rule.as_str())) {
        if LATER.contains(&rule.as_str()) {
            continue;
        }
        give(&server, &without(&rules, rule));
        let error = builder(url_of_orders(&server)).connect().await.expect_err(rule);
        assert_eq!(error.kind(), ErrorKind::Store);
        let said = chain(&error);
        assert!(said.contains("the ACL of this user forbids it"), "without {rule}: {said}");
        assert!(!said.contains("secret"), "{said}");
        server.cli(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn the_other_parts_of_the_documented_acl_are_missed_later() {
    for rule in LATER {
        let server = Server::start();
        give(&server, &without(&documented_acl(), rule));
        let store = builder(url_of_orders(&server)).connect().await.unwrap();
        let heard = crate::support::Heard::default();
        let listening = heard.begin(&store, &alice());
        if rule == "+unsubscribe" {
            heard.until("it listens", |news| !news.is_empty()).await;
            drop(listening);
        } else {
            // Until something is missed; a connection that hears nothing is asked after 10 s whether it lives.
            std::mem::forget(listening);
        }
        until(&format!("{rule} is missed"), async || {
            server.cli(&["ACL", "LOG"]).contains(&format!("object\n{}\n", rule.trim_start_matches('+')))
        })
        .await;
    }
}

#[tokio::test]
async fn an_acl_that_forbids_to_listen_is_warned_of_once() {
    let server = Server::start();
    let rules = documented_acl();
    give(&server, &rules.iter().filter(|rule| *rule != "+subscribe").cloned().collect::<Vec<_>>());
    let said = Said::default();
    let _guard = said.listen();
    let store = builder(url_of_orders(&server)).connect().await.unwrap();
    let heard = crate::support::Heard::default();
    let _listening = heard.begin(&store, &alice());
    until("it is warned of", async || said.text().contains("no news come from Redis")).await;
    assert!(said.text().contains("the ACL of this user forbids it"), "{}", said.text());
    store.save(&alice(), &record(1), None).await.unwrap();
    give(&server, &rules);
    heard.until("it listens as soon as it may", |news| news.contains(&tower_reauth::News::Free)).await;
    assert_eq!(said.text().matches("no news come").count(), 1);
}

#[tokio::test]
async fn passwords_that_are_wrong_or_missing_are_told_of_and_not_shown() {
    let server = Server::start_with(&["--requirepass", "open-sesame"]);
    for (userinfo, expected) in [("", "asks for a password"), (":hunter2@", "refuses the user name or the password")] {
        let url = format!("redis://{userinfo}127.0.0.1:{}", server.port);
        let error = builder(&url).connect().await.unwrap_err();
        let said = format!("{} {error:?}", chain(&error));
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("redis://"), "{said}");
    }
    builder(format!("redis://:open-sesame@127.0.0.1:{}", server.port)).connect().await.unwrap();
}

#[tokio::test]
async fn the_password_is_in_no_error_of_a_redis_that_does_not_know_hello() {
    let server = Server::start_with(&["--rename-command", "HELLO", ""]);
    let url = format!("redis://user:canary-password@127.0.0.1:{}/?protocol=resp3", server.port);
    let error = builder(url).connect().await.unwrap_err();
    assert!(!chain(&error).contains("canary"), "{}", chain(&error));
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn urls_and_keys_that_are_missing_are_invalid() {
    let (naming, key) = (|| StoreSecret::from([1; 32]), || StoreSecret::from([2; 32]));
    let of = |url: &str| RedisStore::builder(url);
    for (builder, expected) in [
        (of("redis://localhost").encrypt_with("one", key()), "`naming_key`"),
        (of("redis://localhost").naming_key(naming()), "`encrypt_with`"),
        (of("").naming_key(naming()).encrypt_with("one", key()), "URL"),
        (of("http://hunter2@localhost").naming_key(naming()).encrypt_with("one", key()), "URL"),
        (of("redis://me:hunter2@localhost/x").naming_key(naming()).encrypt_with("one", key()), "URL"),
        (of("redis://localhost").naming_key(naming()).encrypt_with("one", key()).prefix("{a}"), "braces"),
    ] {
        assert!(!format!("{builder:?}").contains("localhost"));
        let error = builder.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let said = format!("{} {error:?}", chain(&error));
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn without_a_runtime_there_is_no_store() {
    assert_eq!(builder("redis://localhost").connect_lazily().unwrap_err().kind(), ErrorKind::NoRuntime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async { builder("redis://localhost:1").connect_lazily().unwrap() });
    let elsewhere = |error: tower_reauth::Error| assert_eq!(error.kind(), ErrorKind::NoRuntime);
    elsewhere(futures_util::FutureExt::now_or_never(store.load(&alice())).unwrap().unwrap_err());
    elsewhere(futures_util::FutureExt::now_or_never(store.lease(&alice())).unwrap().unwrap_err());
}

#[tokio::test]
async fn a_replica_that_is_read_only_is_told_of_and_loses_nothing() {
    let master = Server::start();
    let good = store(&master).await;
    good.save(&alice(), &record(1), None).await.unwrap();
    let replica = master.replica();
    let said = chain(&builder(replica.url()).connect().await.unwrap_err());
    assert!(said.contains("is a replica"), "{said}");
    let store = builder(replica.url()).connect_lazily().unwrap();
    assert_eq!(store.load(&alice()).await.unwrap().unwrap().version(), record(1).version());
    for error in [
        store.save(&alice(), &record(2), Some(record(1).version())).await.unwrap_err(),
        store.lease(&alice()).await.unwrap_err(),
    ] {
        let said = chain(&error);
        assert!(said.contains("is a replica") && said.contains("read only replica"), "{said}");
    }
    assert_eq!(good.load(&alice()).await.unwrap().unwrap().version(), record(1).version());
    replica.promote();
    store.save(&alice(), &record(2), Some(record(1).version())).await.unwrap();
}

#[tokio::test]
async fn a_master_that_was_demoted_is_left_for_the_new_one_behind_the_same_name() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.port);
    let store = builder(format!("redis://127.0.0.1:{}", proxy.port)).connect().await.unwrap();
    old.cli(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    wait("it has been demoted", || old.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    proxy.turn_to(new.port);
    store.save(&alice(), &record(1), None).await.unwrap();
    assert_eq!(new.cli(&["EXISTS", &place(&alice())]), "1");
}

#[tokio::test]
async fn a_full_memory_is_told_of_and_loses_nothing() {
    let server = Server::start();
    let store = store(&server).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let said = chain(&store.save(&alice(), &record(2), Some(record(1).version())).await.unwrap_err());
    assert!(said.contains("`maxmemory`") && said.contains("OOM"), "{said}");
    assert_eq!(store.load(&alice()).await.unwrap().unwrap().version(), record(1).version());
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    store.save(&alice(), &record(2), Some(record(1).version())).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_of() {
    let server = Server::start();
    let store = store(&server).await;
    // As after a snapshot that could not be written.
    server.cli(&["CONFIG", "SET", "save", "1 1"]);
    let folder = server.folder().join("dump.rdb");
    std::fs::create_dir_all(folder.join("in the way")).unwrap();
    store.save(&alice(), &record(1), None).await.unwrap();
    wait("a snapshot has failed", || server.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err"));
    let said = chain(&store.save(&alice(), &record(2), Some(record(1).version())).await.unwrap_err());
    assert!(said.contains("cannot write to its disk") && said.contains("MISCONF"), "{said}");
}

#[tokio::test]
async fn keys_of_another_type_are_told_of_and_not_written_over() {
    let server = Server::start();
    let store = store(&server).await;
    server.cli(&["SET", &place(&alice()), "something"]);
    for error in [
        store.load(&alice()).await.unwrap_err(),
        store.save(&alice(), &record(1), None).await.unwrap_err(),
        store.changed(&alice(), None).await.unwrap_err(),
    ] {
        let said = chain(&error);
        assert!(said.contains("choose another prefix"), "{said}");
    }
    assert_eq!(server.cli(&["GET", &place(&alice())]), "something");
    server.cli(&["DEL", &place(&alice())]);
    server.cli(&["HSET", &place(&alice()), "name", "value"]);
    for error in [store.load(&alice()).await.unwrap_err(), store.save(&alice(), &record(1), None).await.unwrap_err()] {
        assert!(chain(&error).contains("choose another prefix"), "{}", chain(&error));
    }
    assert_eq!(server.cli(&["HGETALL", &place(&alice())]), "name\nvalue");
}

#[tokio::test]
async fn what_is_no_redis_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let error = builder(format!("redis://127.0.0.1:{port}")).connect().await.unwrap_err();
    assert!(chain(&error).contains("is no Redis"), "{}", chain(&error));
}

#[tokio::test]
async fn a_node_of_a_cluster_is_told_of() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let said = chain(&builder(server.url()).connect().await.unwrap_err());
    assert!(said.contains("cluster is down"), "{said}");
}

#[tokio::test]
async fn what_redis_answers_in_trouble_is_explained() {
    let answer = Arc::new(Mutex::new(String::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let told = Arc::clone(&answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), told) = (stream, Arc::clone(&told)) else { return };
            thread::spawn(move || {
                let mut bytes = [0; 65536];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    // None of these commands has such bytes within.
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let commands = usize::from(text.starts_with('*')) + text.matches("\r\n*").count();
                    let answer = format!("-{}\r\n", told.lock().unwrap()).repeat(commands);
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    let store = builder(url).connect_lazily().unwrap();
    for (said, expected) in [
        ("LOADING Redis is loading the dataset in memory", "still reading its data"),
        ("MASTERDOWN Link with MASTER is down", "lost its master"),
        ("NOREPLICAS Not enough good replicas to write.", "too few replicas"),
        ("CLUSTERDOWN Hash slot not served", "cluster is down"),
        ("MOVED 3999 127.0.0.1:6381", "`RedisStore::cluster`"),
        ("BUSY Redis is busy running a script.", "keeps Redis busy"),
        ("MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "`maxmemory`"),
        ("ERR unknown command 'EVALSHA'", "Redis refused it"),
        // As Redis 6 tells of what fails in a script.
        ("ERR Error running script (call to f_0): @user_script:3: WRONGTYPE Operation against a key", "another prefix"),
    ] {
        said.clone_into(&mut answer.lock().unwrap());
        for error in [store.load(&alice()).await.unwrap_err(), store.changed(&alice(), None).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Store);
            assert!(chain(&error).contains(expected), "{said}: {}", chain(&error));
        }
    }
}

#[tokio::test]
async fn a_redis_that_evicts_is_warned_of_by_name() {
    let server = Server::start_with(&["--maxmemory", "100mb"]);
    let said = Said::default();
    let _guard = said.listen();
    for policy in ["allkeys-lru", "volatile-ttl"] {
        server.cli(&["CONFIG", "SET", "maxmemory-policy", policy]);
        builder(server.url()).connect().await.unwrap();
        assert!(said.take().contains(&format!("policy=\"{policy}\"")));
        let store = builder(server.url()).connect_lazily().unwrap();
        store.load(&alice()).await.unwrap();
        until("the first command looks as well", async || said.text().contains(policy)).await;
        let _ = said.take();
    }
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    builder(server.url()).connect().await.unwrap();
    assert_eq!(said.take(), "");
}

#[tokio::test]
async fn a_lease_without_an_answer_is_given_back() {
    let server = Server::start();
    let store = builder(server.url()).lease_life(BOUND * 10).connect().await.unwrap();
    server.pause();
    store.lease(&alice()).await.unwrap_err();
    server.resume();
    until("it is free", async || matches!(store.lease(&alice()).await, Ok(Leased::Held(_)))).await;
}
