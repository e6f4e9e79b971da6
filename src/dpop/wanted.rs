//! What a proof is wanted for, and the proof.

use http::{HeaderValue, Method};

use crate::origin::Origin;

/// One attempt to send one request.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "dpop"), allow(dead_code))]
pub(crate) struct Wanted<'a> {
    pub(crate) at: At<'a>,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The access token that goes along.
    pub(crate) token: Option<&'a [u8]>,
}

/// Who is asked. `origin` is where the request really goes: for one without an authority, that which the layer is bound to.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "dpop"), allow(dead_code))]
pub(crate) struct At<'a> {
    pub(crate) server: Server,
    pub(crate) origin: &'a Origin,
}

/// Each has nonces of its own, at the same origin too (RFC 9449 §8 and §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "dpop"), allow(dead_code))]
pub(crate) enum Server {
    /// The token endpoint.
    Issuer,
    /// An API.
    Resource,
}

/// A proof for one attempt, and what it was made by.
#[derive(Debug)]
#[cfg_attr(not(feature = "dpop"), allow(dead_code))]
pub(crate) struct Proof {
    pub(crate) value: HeaderValue,
    pub(crate) nonce: Option<HeaderValue>,
    /// By how many seconds the server's clock was thought to be ahead.
    pub(crate) ahead: i64,
}
