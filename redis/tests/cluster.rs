//! A cluster of three masters, one of them with a replica.

use std::process::Command;

use tower_reauth::{News, Saved, StoreSecret, TokenStore};
use tower_reauth_redis::{RedisStore, RedisStoreBuilder};

use crate::bad_input::documented_acl;
use crate::support::{Heard, Server, chain, record, until, wait};

fn start() -> Vec<Server> {
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let nodes = (0..6).map(|_| Server::start_with(&options)).collect::<Vec<_>>();
    let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
    let created = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses)
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    for node in &nodes {
        wait("the cluster works", || {
            let info = node.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
        });
    }
    wait("the replicas have caught up", || {
        let replicas = nodes.iter().filter(|node| node.cli(&["INFO", "replication"]).contains("master_link_status:up"));
        replicas.count() == 3
    });
    let mut rules = documented_acl();
    rules.extend(["+spublish", "+ssubscribe", "+sunsubscribe", "+cluster|slots"].map(str::to_owned));
    for node in &nodes {
        let rules = rules.iter().map(String::as_str);
        assert_eq!(node.cli(&["ACL", "SETUSER", "orders"].into_iter().chain(rules).collect::<Vec<_>>()), "OK");
    }
    nodes
}

/// As the user that the documentation asks for.
fn builder(nodes: &[Server]) -> RedisStoreBuilder {
    RedisStore::cluster(nodes.iter().map(|node| format!("redis://orders:secret@127.0.0.1:{}", node.port)))
        .naming_key(StoreSecret::from([1; 32]))
        .encrypt_with("one", StoreSecret::from([2; 32]))
}

#[tokio::test]
async fn a_cluster_keeps_the_rules_carries_news_and_survives_the_loss_of_a_node() {
    let mut nodes = start();
    let (one, other) = (builder(&nodes).connect().await.unwrap(), builder(&nodes[..2]).connect().await.unwrap());
    tower_reauth::testing::check_store(&one, &other).await.unwrap();

    // In all parts of the cluster.
    let keys = (0..30).map(|number| format!("user {number}").into()).collect::<Vec<_>>();
    let heard = Heard::default();
    let _listening = keys.iter().map(|key| heard.begin(&other, key)).collect::<Vec<_>>();
    heard.until("all listen", |news| news.len() == keys.len()).await;
    heard.forget();
    for key in &keys {
        assert!(matches!(one.save(key, &record(1), None).await.unwrap(), Saved::Saved));
    }
    heard.until("all saves are heard", |news| news.len() == keys.len()).await;
    assert!(one.ask(&keys[0], record(1).version()).await.unwrap());
    heard.until("a request is heard", |news| news.contains(&News::Wanted(record(1).version()))).await;

    for node in &nodes {
        assert_eq!(node.cli(&["ACL", "LOG"]), "", "nothing was denied");
    }

    // A program that takes it for a single Redis is told what to do.
    let single = crate::support::builder(nodes[0].url()).connect_lazily().unwrap();
    let mut errors = Vec::new();
    for key in &keys {
        errors.extend(single.load(key).await.err());
    }
    assert!(!errors.is_empty() && errors.iter().all(|error| chain(error).contains("RedisStore::cluster")));

    wait("the replicas have all", || nodes.iter().all(|node| node.cli(&["WAIT", "1", "1000"]) != "0"));
    heard.forget();
    nodes[0].kill();
    for key in &keys {
        until("a save works again", async || {
            matches!(one.save(key, &record(2), Some(record(1).version())).await, Ok(Saved::Saved))
        })
        .await;
    }
    let missed = |news: &[News]| news.iter().filter(|news| **news == News::Missed).count();
    heard.until("all listen again", |news| missed(news) >= keys.len()).await;
    heard.forget();
    for key in &keys {
        one.save(key, &record(3), Some(record(2).version())).await.unwrap();
    }
    let saved = News::Saved(record(3).version());
    heard.until("all saves are heard", |news| news.iter().filter(|news| **news == saved).count() == keys.len()).await;
}

#[test]
fn a_store_in_a_cluster_works_on_after_the_runtime_of_its_set_up_has_ended() {
    let nodes = start();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime().block_on(async { builder(&nodes).connect().await.unwrap() });
    runtime().block_on(async { store.save(&crate::support::alice(), &record(1), None).await.unwrap() });
}
