//! Where the sessions stand: found by key, and known by when they were used last.
//!
//! 1. A shard is a map with a list in the order of use, behind a lock of its own that nobody holds for longer than one
//!    look-up. User code that runs under it is the key's own (`Hash`, `Eq`, `Clone`, `Drop`), nothing else.
//! 2. Who is used last is known exactly, over all shards: the least recently used session is the oldest head of a list.
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

use hashlink::LruCache;
use tokio::time::Instant;

use super::eviction::Eviction;
use crate::{
    identity::SessionId,
    session::{Errand, Errands, Session},
};

const SHARDS: usize = 64;
/// Of the time before the shards were set up, so much can be counted.
const LONGEST_PAST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) struct Shards<K> {
    shards: Box<[Mutex<Shard<K>>]>,
    hasher: RandomState,
    count: AtomicUsize,
    errands: Errands,
    making_room: Mutex<()>,
    began: Instant,
    // What the count begins with, so that a session from a store may be older than the shards.
    first: Time,
    idle: Time,
    lifetime: Time,
}

struct Shard<K> {
    // The least recently used in front.
    entries: LruCache<K, Entry>,
    // No session here was opened before.
    opened: Time,
}

struct Entry {
    session: Session,
    opened: Time,
    used: Time,
}

/// Nanoseconds since the shards were set up: half as large as an `Instant`, twice in each entry.
pub(super) type Time = u64;

/// A session that left its shard by itself.
pub(super) struct Evicted<K> {
    pub(super) key: K,
    pub(super) session: Session,
    pub(super) cause: Eviction,
    pub(super) errand: Errand,
}

impl<K: Eq + Hash + Clone> Shards<K> {
    pub(super) fn new(idle: Duration, lifetime: Duration) -> Self {
        let shard = || Mutex::new(Shard { entries: LruCache::new_unbounded(), opened: Time::MAX });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            errands: Errands::default(),
            making_room: Mutex::default(),
            began: Instant::now(),
            first: nanoseconds(lifetime.min(LONGEST_PAST)),
            idle: nanoseconds(idle),
            lifetime: nanoseconds(lifetime),
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
        self.with(key, |shard| {
            let Some(entry) = shard.entries.get_mut(key) else { return Ok(None) };
            match self.end(entry, now) {
                None => {
                    entry.used = now;
                    Ok(Some(entry.session.clone()))
                }
                Some(cause) => {
                    shard.entries.remove_entry(key).map_or(Ok(None), |taken| Err(self.evicted(taken, cause)))
                }
            }
        })
    }

    /// The session of a key, which is not used by that.
    pub(super) fn peek(&self, key: &K) -> Option<Session> {
        let now = self.now();
        self.with(key, |shard| {
            let entry = shard.entries.peek(key).filter(|entry| self.end(entry, now).is_none())?;
            Some(entry.session.clone())
        })
    }

    /// Puts a session in its place, and gives back the one that stood there.
    pub(super) fn insert(&self, key: K, session: Session) -> Option<Session> {
        self.insert_aged(key, session, Duration::ZERO)
    }

    /// As `insert`, for a session that began so long ago.
    pub(super) fn insert_aged(&self, key: K, session: Session, age: Duration) -> Option<Session> {
        let now = self.now();
        let opened = now.saturating_sub(nanoseconds(age));
        session.found_by(self.hasher.hash_one(&key));
        let older = self.with(&key.clone(), |shard| {
            shard.opened = shard.opened.min(opened);
            let older = shard.entries.insert(key, Entry { session, opened, used: now });
            if older.is_none() {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            older
        });
        older.map(|entry| entry.session)
    }

    /// The session of a key, if it is this one.
    pub(super) fn remove_this(&self, key: &K, id: SessionId) -> Option<Session> {
        let taken = self.with(key, |shard| {
            let is_this = shard.entries.peek(key).is_some_and(|entry| entry.session.id() == id);
            let taken = if is_this { shard.entries.remove(key) } else { None };
            taken.inspect(|_| {
                self.count.fetch_sub(1, Ordering::Relaxed);
            })
        });
        taken.map(|entry| entry.session)
    }

    pub(super) fn remove(&self, key: &K) -> Option<Session> {
        let taken = self.with(key, |shard| {
            shard.entries.remove(key).inspect(|_| {
                self.count.fetch_sub(1, Ordering::Relaxed);
            })
        });
        taken.map(|entry| entry.session)
    }

    /// Takes the session that was used least recently, while there are more than so many; never that of `newest`.
    pub(super) fn over(&self, capacity: usize, newest: &K) -> Option<Evicted<K>> {
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        if self.count() <= capacity {
            return None;
        }
        let heads =
            self.shards.iter().filter_map(|shard| lock(shard).head(newest).map(|(_, entry)| (entry.used, shard)));
        let (_, shard) = heads.min_by_key(|(used, _)| *used)?;
        let mut shard = lock(shard);
        let key = shard.head(newest)?.0.clone();
        let taken = shard.entries.remove_entry(&key)?;
        let evicted = self.evicted(taken, Eviction::Capacity);
        drop(shard);
        Some(evicted)
    }

    /// Takes what has ended from one shard; there are [`SHARDS`], and asking for more gives nothing.
    pub(super) fn sweep(&self, shard: usize) -> Option<Vec<Evicted<K>>> {
        let now = self.now();
        let mut shard = lock(self.shards.get(shard)?);
        let mut ended = Vec::new();
        while let Some((_, entry)) = shard.entries.iter().next()
            && let Some(cause) = self.end(entry, now)
            && let Some(taken) = shard.entries.remove_lru()
        {
            ended.push(self.evicted(taken, cause));
        }
        // Who has lived too long may have been used a moment ago: all are looked at, once the first can be so old.
        if shard.opened.saturating_add(self.lifetime) <= now {
            let old: Vec<K> = shard
                .entries
                .iter()
                .filter(|(_, entry)| self.end(entry, now).is_some())
                .map(|(key, _)| key.clone())
                .collect();
            for key in old {
                let taken = shard.entries.remove_entry(&key);
                ended.extend(taken.map(|taken| self.evicted(taken, Eviction::Lifetime)));
            }
            shard.opened = shard.entries.iter().map(|(_, entry)| entry.opened).min().unwrap_or(Time::MAX);
        }
        // Those that nobody uses have nobody else who drops what is over.
        let now = Instant::now();
        shard.entries.iter().for_each(|(_, entry)| entry.session.tidy(now));
        drop(shard);
        Some(ended)
    }

    /// All sessions, which leave their shards.
    pub(super) fn drain(&self) -> Vec<(K, Session)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let taken = std::mem::replace(&mut shard.entries, LruCache::new_unbounded());
            self.count.fetch_sub(taken.len(), Ordering::Relaxed);
            drop(shard);
            all.extend(taken.into_iter().map(|(key, entry)| (key, entry.session)));
        }
        all
    }

    /// All sessions, those that have ended too, one shard after the other.
    pub(super) fn sessions(&self) -> impl Iterator<Item = Session> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).entries.iter().map(|(_, entry)| entry.session.clone()).collect::<Vec<_>>())
    }

    /// What stands on the shards, one of them after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, Session)> {
        self.shards.iter().flat_map(|shard| {
            let now = self.now();
            let alive = |(key, entry): (&K, &Entry)| match self.end(entry, now) {
                None => Some((key.clone(), entry.session.clone())),
                Some(_) => None,
            };
            lock(shard).entries.iter().filter_map(alive).collect::<Vec<_>>()
        })
    }

    fn with<T>(&self, key: &K, act: impl FnOnce(&mut Shard<K>) -> T) -> T {
        let number = self.hasher.hash_one(key) % SHARDS as u64;
        act(&mut lock(&self.shards[number as usize]))
    }

    pub(super) fn now(&self) -> Time {
        nanoseconds(self.began.elapsed()).saturating_add(self.first)
    }

    fn end(&self, entry: &Entry, now: Time) -> Option<Eviction> {
        if entry.opened.saturating_add(self.lifetime) <= now {
            Some(Eviction::Lifetime)
        } else if entry.used.saturating_add(self.idle) <= now {
            Some(Eviction::Idle)
        } else {
            None
        }
    }

    /// Under the lock of its shard.
    fn evicted(&self, (key, entry): (K, Entry), cause: Eviction) -> Evicted<K> {
        self.count.fetch_sub(1, Ordering::Relaxed);
        Evicted { key, session: entry.session, cause, errand: self.errands.begin() }
    }
}

impl<K: Eq + Hash + Clone> Shard<K> {
    /// Who was used least recently, but for this one.
    fn head(&self, but: &K) -> Option<(&K, &Entry)> {
        self.entries.iter().find(|(key, _)| *key != but)
    }
}

// Nothing that runs under the lock leaves a shard half changed when a key's code panics.
fn lock<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn nanoseconds(duration: Duration) -> Time {
    duration.as_nanos().try_into().unwrap_or(Time::MAX)
}
