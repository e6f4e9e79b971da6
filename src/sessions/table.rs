//! One shard's sessions, found by a hash that the caller has computed, and looked through for those to let go of.

use hashbrown::{HashTable, hash_table};

use super::life::{Life, Time};
use crate::session::Session;

/// Smaller ones are not worth a look.
const WORTH_SHRINKING: usize = 64;

pub(super) struct Table<K> {
    entries: HashTable<Entry<K>>,
}

pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) session: Session,
    pub(super) life: Life,
}

/// A walk through slots, from where the last one has ended.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) slot: usize,
    /// How many sessions are still to be looked at.
    pub(super) left: usize,
}

impl<K: Eq> Table<K> {
    pub(super) fn get(&self, hash: u64, key: &K) -> Option<&Entry<K>> {
        self.entries.find(hash, |entry| entry.key == *key)
    }

    pub(super) fn get_mut(&mut self, hash: u64, key: &K) -> Option<&mut Entry<K>> {
        self.entries.find_mut(hash, |entry| entry.key == *key)
    }

    /// Puts an entry in its place, and gives back the one that stood there. The table asks for hashes when it grows.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry<K>, rehash: impl Fn(&K) -> u64) -> Option<Entry<K>> {
        match self.entries.entry(hash, |other| other.key == entry.key, |entry| rehash(&entry.key)) {
            hash_table::Entry::Occupied(mut place) => Some(std::mem::replace(place.get_mut(), entry)),
            hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
        }
    }

    /// Takes the entry of a key, if it is such a one.
    pub(super) fn take(&mut self, hash: u64, key: &K, is_it: impl FnOnce(&Entry<K>) -> bool) -> Option<Entry<K>> {
        let found = self.entries.find_entry(hash, |entry| entry.key == *key).ok()?;
        is_it(found.get()).then(|| found.remove().0)
    }

    /// Takes all such entries.
    pub(super) fn take_all(&mut self, mut is_it: impl FnMut(&Entry<K>) -> bool) -> impl Iterator<Item = Entry<K>> {
        self.entries.extract_if(move |entry| is_it(entry))
    }

    /// Which of the sessions on the way was unused for the longest time, but for this key's; the walk goes on behind them.
    pub(super) fn longest_unused(&self, walk: &mut Walk, but: &K) -> Option<&Entry<K>> {
        let mut longest: Option<(Time, &Entry<K>)> = None;
        while walk.left > 0 && walk.slot < self.entries.num_buckets() {
            let entry = self.entries.get_bucket(walk.slot).filter(|entry| entry.key != *but);
            walk.slot += 1;
            let Some(entry) = entry else { continue };
            walk.left -= 1;
            let used = entry.life.used();
            if longest.is_none_or(|(before, _)| used < before) {
                longest = Some((used, entry));
            }
        }
        longest.map(|(_, entry)| entry)
    }

    /// Gives memory back when most of it is empty.
    pub(super) fn shrink(&mut self, rehash: impl Fn(&K) -> u64) {
        let len = self.entries.len();
        if self.entries.capacity() > WORTH_SHRINKING && len < self.entries.capacity() / 8 {
            self.entries.shrink_to(2 * len, |entry| rehash(&entry.key));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<K>> {
        self.entries.iter()
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { entries: HashTable::new() }
    }
}

impl<K> IntoIterator for Table<K> {
    type Item = Entry<K>;
    type IntoIter = hash_table::IntoIter<Entry<K>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
