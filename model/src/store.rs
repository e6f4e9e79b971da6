//! A store that delays, loses and repeats, and tells others what is done to it. Its own locks are std's, so that looking adds no schedules; where it may be
//! interrupted, it yields.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use secrecy::ExposeSecret;
use shuttle::future::yield_now;
use tower_reauth::{Ear, Error, Lease, Leased, Listening, News, Record, Saved, StoreKey, TokenStore, Version};

use crate::family::number_of;

/// What is wrong with a store. Loads and saves are counted from zero, those of all sessions together.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub no_leases: bool,
    /// Saves that are lost when they are done, as a fail-over loses them.
    pub forgets: Range<usize>,
    /// Saves that fail.
    pub fails: Range<usize>,
    /// Saves that are done, and then seem to fail.
    pub loses_answers: Range<usize>,
    /// Loads that answer what stood there before.
    pub repeats: Range<usize>,
    /// Leases that run out, at any time: another one may have it.
    pub run_out: Range<usize>,
    /// It carries news: each piece on its own, in any order, as late as can be.
    pub news: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Store(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    faults: Faults,
    /// All that ever stood there; the last is what does.
    records: Mutex<Vec<Record>>,
    /// The newest pair that was not saved, and whoever saved it was told so.
    unsaved: AtomicUsize,
    loads: AtomicUsize,
    saves: AtomicUsize,
    leases: AtomicUsize,
    /// The number of the lease that is held.
    leased: Mutex<Option<usize>>,
    ears: Mutex<Vec<(usize, Ear)>>,
    listeners: AtomicUsize,
}

struct Guard(Store, usize);

struct Listener(Store, usize);

impl Store {
    pub fn new(faults: Faults) -> Self {
        Self(Arc::new(Books { faults, ..Books::default() }))
    }

    pub fn put(&self, record: Record) {
        self.0.records.lock().unwrap().push(record);
    }

    pub fn current(&self) -> Option<Record> {
        self.0.records.lock().unwrap().last().cloned()
    }

    /// Whether it holds this pair.
    pub fn holds(&self, number: usize) -> bool {
        self.current().is_some_and(|record| pair(&record) == number)
    }

    /// Whether this pair was saved once, or whoever saved it knows that it was not.
    pub fn knows(&self, number: usize) -> bool {
        let was_saved = self.0.records.lock().unwrap().iter().any(|record| pair(record) == number);
        was_saved || self.0.unsaved.load(SeqCst) >= number
    }

    pub fn is_leased(&self) -> bool {
        self.0.leased.lock().unwrap().is_some()
    }

    /// Whether what it tells must be enough, without the clock.
    pub fn stands_still(&self) -> bool {
        self.0.faults.news && self.0.faults.run_out.is_empty()
    }

    fn tell(&self, news: News) {
        if !self.0.faults.news {
            return;
        }
        let ears = self.0.ears.lock().unwrap().clone();
        for (number, ear) in ears {
            let store = self.clone();
            drop(shuttle::future::spawn(async move {
                yield_now().await;
                let is_there = store.0.ears.lock().unwrap().iter().any(|(other, _)| *other == number);
                if is_there {
                    ear.hear(news);
                }
            }));
        }
    }
}

fn pair(record: &Record) -> usize {
    record.access_token().map_or(0, |token| number_of(token.expose_secret()))
}

impl TokenStore for Store {
    async fn load(&self, _key: &StoreKey) -> Result<Option<Record>, Error> {
        let number = self.0.loads.fetch_add(1, SeqCst);
        yield_now().await;
        let records = self.0.records.lock().unwrap();
        let back = if self.0.faults.repeats.contains(&number) && records.len() > 1 { 2 } else { 1 };
        Ok(records.len().checked_sub(back).map(|place| records[place].clone()))
    }

    async fn save(&self, _key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let number = self.0.saves.fetch_add(1, SeqCst);
        yield_now().await;
        let faults = &self.0.faults;
        if faults.fails.contains(&number) {
            self.0.unsaved.fetch_max(pair(record), SeqCst);
            return Err(Error::store("the disk is full"));
        }
        let mut records = self.0.records.lock().unwrap();
        if let Some(current) = records.last()
            && !record.may_replace(current, seen, tokio::time::date())
        {
            return Ok(Saved::Overtaken(Box::new(current.clone())));
        }
        if !faults.forgets.contains(&number) {
            records.push(record.clone());
        }
        // Somebody else may run while it tells.
        drop(records);
        self.tell(News::Saved(record.version()));
        if faults.loses_answers.contains(&number) {
            return Err(Error::store("the connection broke"));
        }
        Ok(Saved::Saved)
    }

    async fn lease(&self, _key: &StoreKey) -> Result<Leased, Error> {
        if self.0.faults.no_leases {
            return Ok(Leased::Unknown);
        }
        yield_now().await;
        let mut leased = self.0.leased.lock().unwrap();
        if leased.is_some_and(|number| !self.0.faults.run_out.contains(&number)) {
            return Ok(Leased::Taken);
        }
        let number = self.0.leases.fetch_add(1, SeqCst);
        *leased = Some(number);
        Ok(Leased::Held(Lease::new(Guard(self.clone(), number))))
    }

    fn listen(&self, _key: &StoreKey, ear: Ear) -> Option<Listening> {
        if !self.0.faults.news {
            return None;
        }
        let number = self.0.listeners.fetch_add(1, SeqCst);
        self.0.ears.lock().unwrap().push((number, ear));
        Some(Listening::new(Listener(self.clone(), number)))
    }

    async fn ask(&self, _key: &StoreKey, dead: Version) -> Result<bool, Error> {
        yield_now().await;
        self.tell(News::Wanted(dead));
        Ok(self.0.faults.news)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Self(store, number) = self;
        let is_held = store.0.leased.lock().unwrap().take_if(|leased| leased == number).is_some();
        if is_held {
            store.tell(News::Free);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Self(store, number) = self;
        let _ear = {
            let mut ears = store.0.ears.lock().unwrap();
            let at = ears.iter().position(|(other, _)| other == number);
            at.map(|at| ears.remove(at))
        };
    }
}
