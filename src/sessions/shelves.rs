//! Where the sessions stand: found by key, and known by when they were used last.
//!
//! 1. A shelf is a map with a list in the order of use, behind a lock of its own that nobody holds for longer than one
//!    look-up. User code that runs under it is the key's own (`Hash`, `Eq`, `Clone`, `Drop`), nothing else.
//! 2. Who is used last is known exactly, over all shelves: the least recently used session is the oldest head of a list.
//! 3. A session that is taken from a shelf is dropped by whoever took it, without the lock.
//! 4. Whoever changes a shelf counts under its lock, and room is made by one at a time: a count that lags behind, or that
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

use super::Eviction;
use crate::{
    Session,
    session::{Errand, Errands},
};

const SHELVES: usize = 64;

pub(super) struct Shelves<K> {
    shelves: Box<[Mutex<Shelf<K>>]>,
    hasher: RandomState,
    count: AtomicUsize,
    errands: Errands,
    making_room: Mutex<()>,
    began: Instant,
    idle: Time,
    lifetime: Time,
}

struct Shelf<K> {
    // The least recently used in front.
    places: LruCache<K, Place>,
    // No session here was opened before.
    opened: Time,
}

struct Place {
    session: Session,
    opened: Time,
    used: Time,
}

/// Nanoseconds since the shelves were set up: half as large as an `Instant`, twice in each place.
pub(super) type Time = u64;

/// A session that left its shelf by itself.
pub(super) struct Evicted<K> {
    pub(super) key: K,
    pub(super) session: Session,
    pub(super) cause: Eviction,
    pub(super) errand: Errand,
}

impl<K: Eq + Hash + Clone> Shelves<K> {
    pub(super) fn new(idle: Duration, lifetime: Duration) -> Self {
        let shelf = || Mutex::new(Shelf { places: LruCache::new_unbounded(), opened: Time::MAX });
        Self {
            shelves: (0..SHELVES).map(|_| shelf()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            errands: Errands::default(),
            making_room: Mutex::default(),
            began: Instant::now(),
            idle: nanoseconds(idle),
            lifetime: nanoseconds(lifetime),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What is under way for sessions that are not on a shelf. It begins before a session leaves its shelf, so that whoever looks
    /// at all shelves and then here misses nobody.
    pub(super) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// The session of a key, which is used by that; or why there is none any more.
    pub(super) fn get(&self, key: &K, now: Time) -> Result<Option<Session>, Evicted<K>> {
        self.with(key, |shelf| {
            let Some(place) = shelf.places.get_mut(key) else { return Ok(None) };
            match self.end(place, now) {
                None => {
                    place.used = now;
                    Ok(Some(place.session.clone()))
                }
                Some(cause) => shelf.places.remove_entry(key).map_or(Ok(None), |taken| Err(self.evicted(taken, cause))),
            }
        })
    }

    /// The session of a key, which is not used by that.
    pub(super) fn peek(&self, key: &K) -> Option<Session> {
        let now = self.now();
        self.with(key, |shelf| {
            let place = shelf.places.peek(key).filter(|place| self.end(place, now).is_none())?;
            Some(place.session.clone())
        })
    }

    /// Puts a session in its place, and gives back the one that stood there.
    pub(super) fn insert(&self, key: K, session: Session) -> Option<Session> {
        let now = self.now();
        session.found_by(self.hasher.hash_one(&key));
        let older = self.with(&key.clone(), |shelf| {
            shelf.opened = shelf.opened.min(now);
            let older = shelf.places.insert(key, Place { session, opened: now, used: now });
            if older.is_none() {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            older
        });
        older.map(|place| place.session)
    }

    pub(super) fn remove(&self, key: &K) -> Option<Session> {
        let taken = self.with(key, |shelf| {
            shelf.places.remove(key).inspect(|_| {
                self.count.fetch_sub(1, Ordering::Relaxed);
            })
        });
        taken.map(|place| place.session)
    }

    /// Takes the session that was used least recently, while there are more than so many; never that of `newest`.
    pub(super) fn over(&self, capacity: usize, newest: &K) -> Option<Evicted<K>> {
        let _alone = self.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        if self.count() <= capacity {
            return None;
        }
        let heads =
            self.shelves.iter().filter_map(|shelf| lock(shelf).head(newest).map(|(_, place)| (place.used, shelf)));
        let (_, shelf) = heads.min_by_key(|(used, _)| *used)?;
        let mut shelf = lock(shelf);
        let key = shelf.head(newest)?.0.clone();
        let taken = shelf.places.remove_entry(&key)?;
        let evicted = self.evicted(taken, Eviction::Capacity);
        drop(shelf);
        Some(evicted)
    }

    /// Takes what has ended from one shelf; there are [`SHELVES`], and asking for more gives nothing.
    pub(super) fn sweep(&self, shelf: usize) -> Option<Vec<Evicted<K>>> {
        let now = self.now();
        let mut shelf = lock(self.shelves.get(shelf)?);
        let mut ended = Vec::new();
        while let Some((_, place)) = shelf.places.iter().next()
            && let Some(cause) = self.end(place, now)
            && let Some(taken) = shelf.places.remove_lru()
        {
            ended.push(self.evicted(taken, cause));
        }
        // Who has lived too long may have been used a moment ago: all are looked at, once the first can be so old.
        if shelf.opened.saturating_add(self.lifetime) <= now {
            let old: Vec<K> = shelf
                .places
                .iter()
                .filter(|(_, place)| self.end(place, now).is_some())
                .map(|(key, _)| key.clone())
                .collect();
            for key in old {
                let taken = shelf.places.remove_entry(&key);
                ended.extend(taken.map(|taken| self.evicted(taken, Eviction::Lifetime)));
            }
            shelf.opened = shelf.places.iter().map(|(_, place)| place.opened).min().unwrap_or(Time::MAX);
        }
        // Those that nobody uses have nobody else who drops what is over.
        let now = Instant::now();
        shelf.places.iter().for_each(|(_, place)| place.session.tidy(now));
        drop(shelf);
        Some(ended)
    }

    /// All sessions, which leave their shelves.
    pub(super) fn drain(&self) -> Vec<Session> {
        let mut all = Vec::new();
        for shelf in &self.shelves {
            let mut shelf = lock(shelf);
            let taken = std::mem::replace(&mut shelf.places, LruCache::new_unbounded());
            self.count.fetch_sub(taken.len(), Ordering::Relaxed);
            drop(shelf);
            all.extend(taken.into_iter().map(|(_, place)| place.session));
        }
        all
    }

    /// All sessions, those that have ended too, one shelf after the other.
    pub(super) fn sessions(&self) -> impl Iterator<Item = Session> {
        self.shelves
            .iter()
            .flat_map(|shelf| lock(shelf).places.iter().map(|(_, place)| place.session.clone()).collect::<Vec<_>>())
    }

    /// What stands on the shelves, one of them after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, Session)> {
        self.shelves.iter().flat_map(|shelf| {
            let now = self.now();
            let alive = |(key, place): (&K, &Place)| match self.end(place, now) {
                None => Some((key.clone(), place.session.clone())),
                Some(_) => None,
            };
            lock(shelf).places.iter().filter_map(alive).collect::<Vec<_>>()
        })
    }

    fn with<T>(&self, key: &K, act: impl FnOnce(&mut Shelf<K>) -> T) -> T {
        let number = self.hasher.hash_one(key) % SHELVES as u64;
        act(&mut lock(&self.shelves[number as usize]))
    }

    pub(super) fn now(&self) -> Time {
        nanoseconds(self.began.elapsed())
    }

    fn end(&self, place: &Place, now: Time) -> Option<Eviction> {
        if place.opened.saturating_add(self.lifetime) <= now {
            Some(Eviction::Lifetime)
        } else if place.used.saturating_add(self.idle) <= now {
            Some(Eviction::Idle)
        } else {
            None
        }
    }

    /// Under the lock of its shelf.
    fn evicted(&self, (key, place): (K, Place), cause: Eviction) -> Evicted<K> {
        self.count.fetch_sub(1, Ordering::Relaxed);
        Evicted { key, session: place.session, cause, errand: self.errands.begin() }
    }
}

impl<K: Eq + Hash + Clone> Shelf<K> {
    /// Who was used least recently, but for this one.
    fn head(&self, but: &K) -> Option<(&K, &Place)> {
        self.places.iter().find(|(key, _)| *key != but)
    }
}

// Nothing that runs under the lock leaves a shelf half changed when a key's code panics.
fn lock<K>(shelf: &Mutex<Shelf<K>>) -> MutexGuard<'_, Shelf<K>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn nanoseconds(duration: Duration) -> Time {
    duration.as_nanos().try_into().unwrap_or(Time::MAX)
}
