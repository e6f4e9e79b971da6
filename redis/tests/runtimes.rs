//! Runtimes that end, or that nobody drives any more, while others go on with the store.

use std::time::Duration;

use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tower_reauth::{News, TokenStore};
use tower_reauth_redis::RedisStore;

use crate::support::{Heard, Server, alice, builder, record, until};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn used(server: &Server) -> RedisStore {
    let store = builder(server.url()).connect().await.unwrap();
    store.load(&alice()).await.unwrap();
    store
}

async fn works(store: &RedisStore) {
    until("the store works", async || store.load(&alice()).await.is_ok()).await;
}

#[test]
fn a_store_works_on_while_the_runtime_of_its_set_up_stands_still() {
    let server = Server::start();
    let first = runtime();
    let store = first.block_on(used(&server));
    runtime().block_on(works(&store));
    drop(first);
}

#[test]
fn a_store_works_on_after_the_runtime_of_its_set_up_has_ended() {
    let server = Server::start();
    let store = runtime().block_on(used(&server));
    runtime().block_on(works(&store));
}

#[test]
fn a_runtime_that_stands_still_after_a_request_does_not_hold_up_the_others() {
    let server = Server::start();
    let (home, request) = (Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(), runtime());
    let store = home.block_on(used(&server));
    server.cut();
    // It is the first one that connects again.
    request.block_on(store.load(&alice())).unwrap();
    home.block_on(store.load(&alice())).unwrap();
    drop(request);
}

#[test]
fn a_runtime_that_ends_while_it_connects_leaves_the_store_to_others() {
    let server = Server::start();
    let store = runtime().block_on(used(&server));
    server.pause();
    for _ in 0..3 {
        runtime().block_on(async { timeout(Duration::from_millis(100), store.load(&alice())).await }).unwrap_err();
    }
    server.resume();
    runtime().block_on(works(&store));
}

#[test]
fn news_come_after_the_runtime_of_the_set_up_has_ended() {
    let server = Server::start();
    let store = runtime().block_on(async {
        let store = used(&server).await;
        let heard = Heard::default();
        std::mem::forget(heard.listen(&store, &alice()).await);
        store
    });
    runtime().block_on(async {
        let (other, theirs) = (used(&server).await, Heard::default());
        let _theirs = theirs.listen(&other, &alice()).await;
        assert!(
            store.ask(&alice(), record(1).version()).await.unwrap(),
            "the other one hears it, and not we ourselves"
        );
        let heard = Heard::default();
        let _listening = heard.listen(&store, &alice()).await;
        store.save(&alice(), &record(1), None).await.unwrap();
        heard.until("the save is heard", |news| news.contains(&News::Saved(record(1).version()))).await;
    });
}
