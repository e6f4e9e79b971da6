//! gRPC: a generated client that knows nothing of tokens.

use std::time::Duration;

use futures::stream;
use tonic::{Code, transport::Channel};

use crate::{
    grpc::{Order, OrdersClient, Query},
    orders,
    world::{Sidecar, World},
};

async fn connect(sidecar: &Sidecar) -> OrdersClient<Channel> {
    let channel = Channel::from_shared(sidecar.url.clone()).unwrap();
    OrdersClient::new(channel.timeout(Duration::from_secs(60)).connect().await.unwrap())
}

/// A call without trailers would be an error of the client.
#[tokio::test]
async fn unary_calls_and_streams_heal() {
    let world = World::new("grpc").await;
    let server = orders::start(world.gateway.gateway().clone()).await.unwrap();
    let sidecar = world.sidecar_before(&server, &[]).await;
    let mut client = connect(&sidecar).await;
    let gateway = world.gateway.gateway();

    assert_eq!(client.place(Order::new("2 pears")).await.unwrap().into_inner().orders, 1);
    gateway.revoke_all();
    assert_eq!(client.place(Order::new("3 plums")).await.unwrap().into_inner().orders, 2);

    gateway.revoke_all();
    let more = ["5 apples", "8 quinces"].map(Order::new);
    assert_eq!(client.import(stream::iter(more)).await.unwrap().into_inner().orders, 4);

    gateway.revoke_all();
    let mut list = client.list(Query::default()).await.unwrap().into_inner();
    let mut orders = Vec::new();
    while let Some(order) = list.message().await.unwrap() {
        orders.push(order.what);
    }
    assert_eq!(orders, ["2 pears", "3 plums", "5 apples", "8 quinces"]);

    gateway.revoke_all();
    let mut talk = client.discuss(stream::iter([Order::new("1 melon")])).await.unwrap().into_inner();
    assert_eq!(talk.message().await.unwrap().unwrap().what, "1 melon, is it?");
    assert!(talk.message().await.unwrap().is_none());
    assert_eq!(world.gateway.counters().all_token_requests(), 5);
}

#[tokio::test]
async fn what_fails_here_is_a_status_of_grpc() {
    let world = World::new("grpc-status").await;
    let server = orders::start(world.gateway.gateway().clone()).await.unwrap();
    world.gateway.gateway().set_outage(true);
    let sidecar = world.sidecar_before(&server, &[]).await;
    let status = connect(&sidecar).await.place(Order::new("2 pears")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("no token at the moment"), "{status}");
}
