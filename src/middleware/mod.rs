//! The middleware: what becomes of one call, from its plan to its last answer.
//!
//! A good call runs from `service` to `future`, and touches nothing else. What needs more than one good send is a `recovery`.

mod budget;
mod config;
mod extensions;
mod foreign;
mod future;
mod kept;
mod layer;
mod places;
mod plan;
mod proof;
mod recovery;
mod response_body;
mod sent;
mod service;
mod shared;

pub use self::{
    config::OwnAuthorization,
    extensions::{ForceRenewal, NoReplay, RenewalFailed, WithoutAuth},
    future::ResponseFuture,
    layer::ReauthLayer,
    response_body::ResponseBody,
    service::Reauth,
};
