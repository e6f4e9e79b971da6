//! The keys that are looked up in the store, and those that are on their way out of it.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::{Error, ErrorKind},
    identity::SessionId,
    session::Session,
};

/// So many at a time: whoever makes up keys must not fill the memory.
const AT_A_TIME: usize = 4096;

pub(super) struct Lookups<K> {
    table: Arc<Mutex<Table<K>>>,
}

struct Table<K> {
    under_way: HashMap<K, Session>,
    /// How many logouts are on their way to the store.
    leaving: HashMap<K, usize>,
}

/// Keeps a key from being looked up until it is dropped.
struct Tombstone<K: Eq + Hash> {
    table: Arc<Mutex<Table<K>>>,
    keys: Vec<K>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Lookups<K> {
    /// The session that is looked up; `Some(None)` where the key is on its way out.
    pub(super) fn get(&self, key: &K) -> Option<Option<Session>> {
        let table = lock(&self.table);
        match table.leaving.contains_key(key) {
            true => Some(None),
            false => table.under_way.get(key).cloned().map(Some),
        }
    }

    pub(super) fn join_or_begin(&self, key: &K, session: &Session) -> Result<Option<Session>, Error> {
        let mut table = lock(&self.table);
        if table.leaving.contains_key(key) {
            return Ok(None);
        }
        let is_full = table.under_way.len() >= AT_A_TIME;
        match table.under_way.entry(key.clone()) {
            Entry::Occupied(session) => Ok(Some(session.get().clone())),
            Entry::Vacant(_) if is_full => {
                let why = "too many keys are looked up in the token store at a time";
                Err(Error::new(ErrorKind::Unavailable, why).not_sent())
            }
            Entry::Vacant(place) => Ok(Some(place.insert(session.clone()).clone())),
        }
    }

    /// Whether this very look-up was under way until now.
    pub(super) fn end(&self, key: &K, id: SessionId) -> bool {
        let mut table = lock(&self.table);
        let is_ours = table.under_way.get(key).is_some_and(|session| session.id() == id);
        let ended = if is_ours { table.under_way.remove(key) } else { None };
        drop(table);
        ended.is_some()
    }

    /// Takes a session out of the table that is not in its place yet.
    pub(super) fn take(&self, key: &K) -> Option<Session> {
        lock(&self.table).under_way.remove(key)
    }

    pub(super) fn drain(&self) -> Vec<(K, Session)> {
        lock(&self.table).under_way.drain().collect()
    }

    pub(super) fn bury(&self, keys: Vec<K>) -> impl Send + Sync + use<K> {
        let mut table = lock(&self.table);
        for key in &keys {
            *table.leaving.entry(key.clone()).or_default() += 1;
        }
        drop(table);
        Tombstone { table: self.table.clone(), keys }
    }
}

impl<K: Eq + Hash> Drop for Tombstone<K> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        for key in &self.keys {
            if let Some(count) = table.leaving.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    table.leaving.remove(key);
                }
            }
        }
    }
}

impl<K> Default for Lookups<K> {
    fn default() -> Self {
        Self { table: Arc::new(Mutex::new(Table { under_way: HashMap::new(), leaving: HashMap::new() })) }
    }
}

// Nothing that runs under the lock leaves the table half changed when a key's code panics.
fn lock<K>(table: &Mutex<Table<K>>) -> MutexGuard<'_, Table<K>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
