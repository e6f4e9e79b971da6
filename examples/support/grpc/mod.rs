//! A gRPC service, its messages and its client, for examples and tests: `orders.v1.Orders`.
//!
//! The client and the server are written by `tonic-prost-build` without a `.proto` file; `generate/` writes them anew.
//! The paths in them want this module to be `crate::grpc`.
#![allow(dead_code, reason = "every example and every test uses its own part")]
#![allow(unreachable_pub, reason = "the generated traits are public, and what they name must be")]

mod client;
mod server;

pub(crate) use self::{
    client::orders_client::OrdersClient,
    server::orders_server::{Orders, OrdersServer},
};

/// What somebody wants.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub what: String,
}

/// Which orders to list.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Query {
    /// Only those that start with this.
    #[prost(string, tag = "1")]
    pub prefix: String,
}

/// How many orders were taken.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Receipt {
    #[prost(uint64, tag = "1")]
    pub orders: u64,
}

impl Order {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}
