//! Processes that share one record in one store, for a simulated hour.
//!
//! A process is a session with callers of its own, which reaches the issuer, the resource server and the store through its
//! [`Life`](life::Life) alone. Whoever is killed reaches nothing any more, whatever its tasks still do; its lease is free, and a
//! token request of its that is under way arrives or is lost. Whoever is stopped reaches nothing until it goes on. The issuer
//! rotates refresh tokens, and a second use of one ends the login.
//!
//! The store is a file, or far away ([`remote`]): then commands and news are lost, late or repeated, replicas lag behind and take over
//! without the newest writes, and what is under way when a process is killed arrives or not.
//!
//! A calm world has neither kills, stops, faults nor logouts, and nothing may fail there. See `oracle.rs` for the rest.

mod chaos;
mod issuer;
mod life;
mod news;
mod oracle;
mod remote;
mod resource;
mod rest;
mod scene;
mod store;
mod world;

pub(crate) use self::world::{run, run_far_away};
