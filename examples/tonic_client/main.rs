//! A gRPC client whose token dies before every call, and which notices nothing.
//!
//! `cargo run --features tonic --example tonic_client` brings its own gateway and its own gRPC server.

#[path = "../support/grpc/mod.rs"]
mod grpc;
mod server;
#[path = "../support/mod.rs"]
mod support;

use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::transport::{Channel, Endpoint};
use tower::ServiceBuilder;
use tower_reauth::{ClientAuth, GrpcClassifier, Origins, PasswordGrant, Reauth, ReauthLayer, Session, TokenEndpoint};

use crate::{
    grpc::{Order, OrdersClient, Query},
    support::{Options, Regime, Running},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::new(Regime::Jwt).user("alice", "password").client("consumer-key", "consumer-secret");
    let gateway = support::start(options).await?;
    let origin = server::start(gateway.gateway().clone()).await?;

    let session = log_in(&gateway)?;
    let mut orders = connect(&session, &origin)?;

    println!("A unary call gets the first token:");
    let receipt = orders.place(Order::new("2 pears")).await?.into_inner();
    println!("    client: {} order", receipt.orders);

    println!("The token dies; a unary call:");
    gateway.gateway().revoke_all();
    let receipt = orders.place(Order::new("3 plums")).await?.into_inner();
    println!("    client: {} orders", receipt.orders);

    println!("The token dies; a client stream:");
    gateway.gateway().revoke_all();
    let more = ["5 apples", "8 quinces"].map(Order::new);
    let receipt = orders.import(futures::stream::iter(more)).await?.into_inner();
    println!("    client: {} orders", receipt.orders);

    println!("The token dies; a server stream:");
    gateway.gateway().revoke_all();
    let mut list = orders.list(Query::default()).await?.into_inner();
    while let Some(order) = list.message().await? {
        println!("    client: {}", order.what);
    }

    println!("The user logs out; a unary call:");
    session.logout().await?;
    match orders.place(Order::new("1 melon")).await {
        Ok(_) => anyhow::bail!("a call went through after the logout"),
        Err(status) => println!("    client: {:?}: {}", status.code(), status.message()),
    }
    println!("{} token requests in all", gateway.counters().all_token_requests());
    Ok(())
}

/// The credentials, and where they become tokens.
fn log_in(gateway: &Running) -> Result<Session, tower_reauth::Error> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = TokenEndpoint::new(http, &gateway.url("/oauth2/token"))?
        .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"))
        .revocation(gateway.url("/oauth2/revoke"))?;
    Ok(Session::new(PasswordGrant::new(endpoint, "alice", "password")))
}

/// The generated client, over a channel with the layer. `bound_to`, because requests name no host before they are in
/// the channel.
fn connect(session: &Session, origin: &str) -> anyhow::Result<OrdersClient<Reauth<Channel>>> {
    let channel = Endpoint::new(origin.to_owned())?.connect_lazy();
    let layer = ReauthLayer::new(session.clone(), Origins::bound_to(origin)?).classify(GrpcClassifier::new());
    Ok(OrdersClient::new(ServiceBuilder::new().layer(layer).service(channel)))
}
