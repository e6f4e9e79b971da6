//! reqwest as people write it, with the feature `reqwest`: its request builder sends through the layer, its client is a service
//! of `http`'s requests, and the layer is a middleware of reqwest-middleware's.

mod form;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod send;
mod service;

pub use self::{
    send::SendThrough,
    service::{ReqwestFuture, ReqwestService},
};
