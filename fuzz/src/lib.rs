//! What must hold for any input: one function a target, that panics where it does not.
//!
//! The code under test is private; it is reached through the public face of the crate, as a server or a caller reaches it.

pub mod answer;
pub mod challenge;
pub mod dpop;
pub mod fault;
pub mod metadata;
pub mod recording;
