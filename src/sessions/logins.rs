//! The logins that are under way.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use futures_util::future::Shared;
use tokio::{sync::oneshot, time::Instant};

use crate::{error::Error, identity::Generation, session::Session};

pub(super) type Outcome = Result<Session, Error>;

pub(super) struct Logins<K> {
    under_way: Mutex<HashMap<K, Login>>,
}

pub(super) struct Login {
    pub(super) id: Generation,
    pub(super) began: Instant,
    pub(super) outcome: Shared<oneshot::Receiver<Outcome>>,
}

impl<K: Eq + Hash> Logins<K> {
    /// Puts a session in place or takes it away, and overtakes the login that is under way for its key.
    pub(super) fn overtake<T>(&self, key: &K, act: impl FnOnce() -> T) -> T {
        self.with(|under_way| {
            under_way.remove(key);
            act()
        })
    }

    pub(super) fn overtake_all<T>(&self, act: impl FnOnce() -> T) -> T {
        self.with(|under_way| {
            under_way.clear();
            act()
        })
    }

    /// Takes this very login out of the table, and acts before another one can begin; `None` where it was overtaken.
    pub(super) fn end<T>(&self, key: &K, id: Generation, act: impl FnOnce() -> T) -> Option<T> {
        self.with(|under_way| {
            under_way.get(key).filter(|login| login.id == id)?;
            under_way.remove(key);
            Some(act())
        })
    }

    // Nothing that runs under the lock leaves the table half changed when a key's code panics.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut HashMap<K, Login>) -> T) -> T {
        act(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K> Default for Logins<K> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}
