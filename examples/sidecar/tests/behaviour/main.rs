//! The sidecar as its users have it: a process, with a gateway, an upstream, and programs that know nothing of tokens.
#![allow(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod ending;
mod grants;
mod grpc_calls;
mod headers;
mod healing;
mod health;
mod input;
mod secrets;
mod transport;
mod upstream;
mod world;

#[path = "../../../support/grpc/mod.rs"]
mod grpc;
#[path = "../../../tonic_client/server.rs"]
mod orders;
#[path = "../../../support/mod.rs"]
mod support;
