//! What the benches share: requests, the services that they are sent through, and what is counted.

pub mod allocations;
mod by_hand;
pub mod callgrind;
pub mod chart;
pub mod figures;
pub mod history;
mod kind;
mod once;
#[cfg(feature = "peers")]
mod peers;
pub mod recoveries;
mod request;
pub mod server;
#[cfg(feature = "signers")]
pub mod signers;
pub mod tables;
pub mod targets;

pub use self::{
    by_hand::{LockedToken, ReplayOnce},
    kind::{Credentials, Kind, Probe},
    once::Once,
    request::{Answer, Fixture, Payload, answer, session, token},
};
