//! Servers to test a program against, and a check for token stores (feature `testing`). This crate's own tests use them.
//!
//! # Servers
//! [`manual::testing`](crate::manual::testing) shows how to test a program's 401 in twenty lines.
//!
//! 1. An [`Issuer`] issues tokens, and a [`Resource`] takes those that are alive. Put [`Issuer::guard`] in front of a server of your
//!    own, and it takes them, too.
//! 2. Each is a tower service, for tests without a network. [`Issuer::serve`] and [`Resource::serve`] put the same server on a
//!    loopback socket.
//! 3. Levers say what goes wrong: an [`Answer`] for the next token request, a [`Regime`] for older tokens, a [`Gate`] for who must wait,
//!    `revoke`, `expire_all`, `go_down`. Counters and a [`journal`](Issuer::journal) say what happened.
//! 4. They go by tokio's clock, which a test can stop, and use no random numbers: the same script gives the same tokens, times
//!    and journal.
//! 5. They are for tests: they believe everybody, and keep all that they see until they are dropped.
//!
//! # Stores
//! 1. [`check_store`] tells whether a [`TokenStore`](crate::TokenStore) keeps the rules that sessions count on.
//! 2. A check goes by the rules of the trait alone, so it takes a store of any kind: in memory, in files, over a network.
//! 3. The first rule that is broken ends it, with a text that names the rule and what the store did instead.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::{collections::HashMap, sync::{Arc, Mutex}, time::SystemTime};
//! use tower_reauth::{Error, Record, Saved, StoreKey, TokenStore, Version, testing};
//!
//! #[derive(Clone, Default)]
//! struct Memory(Arc<Mutex<HashMap<StoreKey, Record>>>);
//!
//! impl TokenStore for Memory {
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
//!         Ok(self.0.lock().unwrap().get(key).cloned())
//!     }
//!
//!     async fn save(&self, key: &StoreKey, record: &Record, _: Option<Version>) -> Result<Saved, Error> {
//!         self.0.lock().unwrap().insert(key.clone(), record.clone());
//!         Ok(Saved::Saved)
//!     }
//! }
//!
//! let store = Memory::default();
//! let broken = testing::check_store(&store, &store.clone()).await.unwrap_err();
//! assert_eq!(broken, "nothing is written over a record that was not seen: the save said `Saved`");
//! # }
//! ```
//!
//! It does not check what a store does when its place fails, and not that it answers within two seconds.

mod answer;
mod bearer;
mod book;
mod gate;
mod guard;
mod issuer;
mod journal;
#[cfg(feature = "dpop")]
mod proof;
mod resource;
mod seen;
mod server;
mod stores;
mod token_request;

pub use self::{
    answer::Answer,
    book::Regime,
    gate::Gate,
    guard::{Guard, Guarded},
    issuer::Issuer,
    journal::Entry,
    resource::Resource,
    seen::Seen,
    server::Server,
    stores::check_store,
    token_request::TokenRequest,
};
