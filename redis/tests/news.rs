//! What replicas tell each other.

use crate::support::{Heard, Server, alice, builder, record, store, trouble::Proxy, until};
use tower_reauth::{Leased, News, StoreKey, TokenStore};

#[tokio::test]
async fn saves_leases_and_requests_are_heard_by_others() {
    let server = Server::start();
    let (one, other) = (store(&server).await, store(&server).await);
    let heard = Heard::default();
    let listening = heard.listen(&other, &alice()).await;

    one.save(&alice(), &record(1), None).await.unwrap();
    heard.until("a save is heard", |news| news == [News::Saved(record(1).version())]).await;
    heard.forget();

    let Leased::Held(lease) = one.lease(&alice()).await.unwrap() else { panic!("nobody holds the lease") };
    drop(lease);
    heard.until("the end of a lease is heard", |news| news == [News::Free]).await;
    heard.forget();

    assert!(one.ask(&alice(), record(1).version()).await.unwrap());
    heard.until("a request is heard", |news| news == [News::Wanted(record(1).version())]).await;
    heard.forget();

    one.save(&StoreKey::from("bob"), &record(1), None).await.unwrap();
    one.save(&alice(), &record(2), Some(record(1).version())).await.unwrap();
    heard
        .until("the next save is heard, and nothing of another key", |news| news == [News::Saved(record(2).version())])
        .await;
    drop(listening);
    until("nobody subscribes any more", async || !one.ask(&alice(), record(2).version()).await.unwrap()).await;
}

#[tokio::test]
async fn who_asks_and_is_alone_is_told_so() {
    let server = Server::start();
    let (one, other) = (store(&server).await, store(&server).await);
    let dead = record(1).version();
    assert!(!one.ask(&alice(), dead).await.unwrap());
    let mine = Heard::default();
    let _mine = mine.listen(&one, &alice()).await;
    assert!(!one.ask(&alice(), dead).await.unwrap(), "only the own ear can have heard it");
    let second = Heard::default();
    let _second = second.begin(&one, &alice());
    assert!(one.ask(&alice(), dead).await.unwrap(), "another session of this process may have heard it");
    let theirs = Heard::default();
    let theirs = theirs.listen(&other, &alice()).await;
    drop(_second);
    assert!(one.ask(&alice(), dead).await.unwrap());
    drop(theirs);
    until("nobody else listens any more", async || !one.ask(&alice(), dead).await.unwrap()).await;
}

#[tokio::test]
async fn a_claim_is_no_news() {
    let server = Server::start();
    let store = store(&server).await;
    let heard = Heard::default();
    let _listening = heard.listen(&store, &alice()).await;
    let (first, second) = (record(1), record(2));
    store.save(&alice(), &first, None).await.unwrap();
    let claim = tower_reauth::Claim::new(7, 0, 60_000);
    let claimed = first.clone().with_claim(Some(claim), std::time::SystemTime::now());
    store.save(&alice(), &claimed, Some(first.version())).await.unwrap();
    store.save(&alice(), &second, Some(first.version())).await.unwrap();
    heard.until("the second save is heard", |news| news.contains(&News::Saved(second.version()))).await;
    assert_eq!(heard.all(), [News::Saved(first.version()), News::Saved(second.version())]);
}

#[tokio::test]
async fn who_asks_counts_the_others_while_its_own_connection_is_gone_unnoticed() {
    let server = Server::start();
    // It hides that Redis has closed a connection.
    let proxy = Proxy::to(server.port);
    let one = builder(format!("redis://127.0.0.1:{}", proxy.port)).connect().await.unwrap();
    let other = store(&server).await;
    let (mine, theirs) = (Heard::default(), Heard::default());
    let _mine = mine.listen(&one, &alice()).await;
    let _theirs = theirs.listen(&other, &alice()).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    theirs.until("the other one listens again", |news| news.contains(&News::Missed)).await;
    assert_eq!(mine.all(), []);
    assert!(one.ask(&alice(), record(1).version()).await.unwrap());
}
