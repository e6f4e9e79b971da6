//! The rules of every token store, against a real Redis.

use crate::support::{Server, store};
use tower_reauth::testing::check_store;

#[tokio::test]
async fn one_store_keeps_the_rules() {
    let server = Server::start();
    let store = store(&server).await;
    check_store(&store, &store).await.unwrap();
}

#[tokio::test]
async fn two_connections_keep_the_rules() {
    let server = Server::start();
    check_store(&store(&server).await, &store(&server).await).await.unwrap();
}
