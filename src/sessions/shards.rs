//! Where the sessions stand: found by key, and known by when they were used last.
//!
//! 1. A shard is a table behind a lock of its own that nobody holds for longer than one look-up; only a sweep does. User code
//!    that runs under it is the key's own (`Hash`, `Eq`, `Clone`, `Drop`), nothing else. A key is hashed once for each look-up:
//!    some bits of its hash say which shard, others which place in it.
//! 2. Who is used last is nearly known. A hand goes around over all shards; of the next sessions on its way, the one that was
//!    unused for the longest time goes. So a look-up moves nobody, and writes nothing but a time where it has read already.
//! 3. A session that is taken from a shard is dropped by whoever took it, without the lock.
//! 4. Whoever changes a shard counts under its lock, and room is made by one at a time: a count that lags behind, or that
//!    two go by at once, would cost sessions that are not too many.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    eviction::Eviction,
    life::{Span, Time, milliseconds},
    table::{Entry, Table, Walk},
};
use crate::{
    identity::SessionId,
    session::{Errand, Errands, Session},
};

const SHARDS: usize = 64;
/// The table takes places from the lowest bits of a hash, and tells neighbours apart by the seven highest.
const SHARD_BITS: u32 = 48;
/// So many sessions are compared to let go of one. Of that many at the most the least recently used one goes exactly.
const COMPARED: usize = 32;
/// Of the time before the shards were set up, so much can be counted.
const LONGEST_PAST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) struct Shards<K> {
    shards: Box<[Mutex<Table<K>>]>,
    hasher: RandomState,
    count: AtomicUsize,
    errands: Errands,
    // Whoever makes room holds it.
    hand: Mutex<Hand>,
    began: Instant,
    // What the count begins with, so that a session from a store may be older than the shards.
    first: Time,
    idle: Time,
    span: Span,
}

/// Where the last search for somebody to let go of has ended.
#[derive(Debug, Default)]
struct Hand {
    shard: usize,
    slot: usize,
}

/// A session that left its shard by itself.
pub(super) struct Evicted<K> {
    pub(super) key: K,
    pub(super) session: Session,
    pub(super) cause: Eviction,
    pub(super) errand: Errand,
}

impl<K: Eq + Hash + Clone> Shards<K> {
    pub(super) fn new(idle: Duration, lifetime: Duration) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            errands: Errands::default(),
            hand: Mutex::default(),
            began: Instant::now(),
            first: milliseconds(lifetime.min(LONGEST_PAST)),
            idle: milliseconds(idle),
            span: Span::new(lifetime),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What is under way for sessions that are not on a shard. It begins before a session leaves its shard, so that whoever looks
    /// at all shards and then here misses nobody.
    pub(super) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// The session of a key, which is used by that; or why there is none any more.
    pub(super) fn get(&self, key: &K, now: Time) -> Result<Option<Session>, Evicted<K>> {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        let Some(entry) = shard.get_mut(hash, key) else { return Ok(None) };
        match self.end(entry, now) {
            None => {
                entry.life = entry.life.used_at(now);
                Ok(Some(entry.session.clone()))
            }
            Some(cause) => shard.take(hash, key, |_| true).map_or(Ok(None), |taken| Err(self.evicted(taken, cause))),
        }
    }

    /// The session of a key, which is not used by that.
    pub(super) fn peek(&self, key: &K) -> Option<Session> {
        let (hash, now) = (self.hash(key), self.now());
        let alive = |entry: &&Entry<K>| self.end(entry, now).is_none();
        self.shard(hash).get(hash, key).filter(alive).map(|entry| entry.session.clone())
    }

    /// Puts a session in its place, and gives back the one that stood there.
    pub(super) fn insert(&self, key: K, session: Session) -> Option<Session> {
        self.insert_aged(key, session, Duration::ZERO)
    }

    /// As `insert`, for a session that began so long ago.
    pub(super) fn insert_aged(&self, key: K, session: Session, age: Duration) -> Option<Session> {
        let hash = self.hash(&key);
        session.found_by(hash);
        let entry = Entry { key, session, life: self.span.begin(self.now(), age) };
        let mut shard = self.shard(hash);
        let older = shard.insert(hash, entry, |key| self.hash(key));
        if older.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        drop(shard);
        older.map(|entry| entry.session)
    }

    /// The session of a key, if it is this one.
    pub(super) fn remove_this(&self, key: &K, id: SessionId) -> Option<Session> {
        self.take(key, |entry| entry.session.id() == id).map(|entry| entry.session)
    }

    pub(super) fn remove(&self, key: &K) -> Option<Session> {
        self.take(key, |_| true).map(|entry| entry.session)
    }

    fn take(&self, key: &K, is_it: impl FnOnce(&Entry<K>) -> bool) -> Option<Entry<K>> {
        let hash = self.hash(key);
        let mut shard = self.shard(hash);
        let taken = shard.take(hash, key, is_it);
        if taken.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        drop(shard);
        taken
    }

    /// Takes one of those that were used least recently, while there are more than so many; never that of `newest`.
    pub(super) fn over(&self, capacity: usize, newest: &K) -> Option<Evicted<K>> {
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        while self.count() > capacity {
            let (used, key) = self.longest_unused(&mut hand, newest)?;
            let hash = self.hash(&key);
            let mut shard = self.shard(hash);
            // Otherwise it was used, or has left, since it was found.
            if let Some(taken) = shard.take(hash, &key, |entry| entry.life.used() == used) {
                return Some(self.evicted(taken, Eviction::Capacity));
            }
        }
        None
    }

    /// Which of the next sessions was unused for the longest time, and since when.
    fn longest_unused(&self, hand: &mut Hand, but: &K) -> Option<(Time, K)> {
        let mut found: Option<(Time, K)> = None;
        let mut left = COMPARED;
        // Each of them once, and what lies before the hand in its own.
        for _ in 0..=SHARDS {
            let shard = lock(&self.shards[hand.shard]);
            let mut walk = Walk { slot: hand.slot, left };
            if let Some(entry) = shard.longest_unused(&mut walk, but)
                && found.as_ref().is_none_or(|(before, _)| entry.life.used() < *before)
            {
                found = Some((entry.life.used(), entry.key.clone()));
            }
            drop(shard);
            (hand.slot, left) = (walk.slot, walk.left);
            if left == 0 {
                break;
            }
            *hand = Hand { shard: (hand.shard + 1) % SHARDS, slot: 0 };
        }
        found
    }

    /// Takes what has ended from one shard; there are [`SHARDS`], and asking for more gives nothing.
    pub(super) fn sweep(&self, shard: usize) -> Option<Vec<Evicted<K>>> {
        let (time, now) = (Instant::now(), self.now());
        let mut shard = lock(self.shards.get(shard)?);
        let ended = |entry: &Entry<K>| {
            let ended = self.end(entry, now).is_some();
            if !ended {
                // Those that nobody uses have nobody else who drops what is over.
                entry.session.tidy(time);
            }
            ended
        };
        let evicted = |entry| {
            let cause = self.end(&entry, now).unwrap_or(Eviction::Idle);
            self.evicted(entry, cause)
        };
        let ended = shard.take_all(ended).map(evicted).collect();
        shard.shrink(|key| self.hash(key));
        drop(shard);
        Some(ended)
    }

    /// All sessions, which leave their shards.
    pub(super) fn drain(&self) -> Vec<(K, Session)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let taken = std::mem::take(&mut *shard);
            self.count.fetch_sub(taken.len(), Ordering::Relaxed);
            drop(shard);
            all.extend(taken.into_iter().map(|entry| (entry.key, entry.session)));
        }
        all
    }

    /// All sessions, those that have ended too, one shard after the other.
    pub(super) fn sessions(&self) -> impl Iterator<Item = Session> {
        self.shards.iter().flat_map(|shard| lock(shard).iter().map(|entry| entry.session.clone()).collect::<Vec<_>>())
    }

    /// What stands on the shards, one of them after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, Session)> {
        self.shards.iter().flat_map(|shard| {
            let now = self.now();
            let alive = |entry: &&Entry<K>| self.end(entry, now).is_none();
            let pair = |entry: &Entry<K>| (entry.key.clone(), entry.session.clone());
            lock(shard).iter().filter(alive).map(pair).collect::<Vec<_>>()
        })
    }

    fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Table<K>> {
        lock(&self.shards[(hash >> SHARD_BITS) as usize % SHARDS])
    }

    pub(super) fn now(&self) -> Time {
        milliseconds(self.began.elapsed()).saturating_add(self.first)
    }

    fn end(&self, entry: &Entry<K>, now: Time) -> Option<Eviction> {
        if self.span.is_over(entry.life, now) {
            Some(Eviction::Lifetime)
        } else if entry.life.used().saturating_add(self.idle) <= now {
            Some(Eviction::Idle)
        } else {
            None
        }
    }

    /// Under the lock of its shard.
    fn evicted(&self, Entry { key, session, .. }: Entry<K>, cause: Eviction) -> Evicted<K> {
        self.count.fetch_sub(1, Ordering::Relaxed);
        Evicted { key, session, cause, errand: self.errands.begin() }
    }
}

// Nothing that runs under the lock leaves a shard half changed when a key's code panics.
fn lock<K>(shard: &Mutex<Table<K>>) -> MutexGuard<'_, Table<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
