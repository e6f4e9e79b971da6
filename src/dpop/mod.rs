//! Proofs of possession (RFC 9449): a session's tokens are bound to a key, and each request proves that the sender has it.
//!
//! 1. One [`Binding`] is shared by all clones of a session and all that are derived from it: the key, the nonces that servers gave,
//!    and how far their clocks are off.
//! 2. A proof is made for one request and one attempt of it. Nothing here is kept but the key and what servers said.
//! 3. What one server said is never used for another one; a token endpoint is another server than the API at the same origin.
//! 4. Without the feature a [`Binding`] is a type without values: whoever asks for one finds none, and the compiler drops the rest.

#[cfg(not(feature = "dpop"))]
mod absent;
#[cfg(feature = "dpop")]
mod binding;
#[cfg(feature = "dpop")]
mod jwk;
#[cfg(feature = "dpop")]
mod key;
mod line;
#[cfg(feature = "dpop")]
mod memory;
#[cfg(feature = "dpop")]
mod proof;
mod wanted;

#[cfg(feature = "dpop")]
#[cfg(test)]
mod tests;

#[cfg(not(feature = "dpop"))]
pub(crate) use self::absent::Binding;
#[cfg(feature = "dpop")]
pub(crate) use self::binding::Binding;
#[cfg(all(feature = "dpop", feature = "testing"))]
pub(crate) use self::jwk::PublicJwk;
#[cfg(feature = "dpop")]
pub use self::key::DpopKey;
pub(crate) use self::line::{Line, Place};
pub(crate) use self::wanted::{At, Proof, Server, Wanted};
