//! A store in memory, for several "processes" of one test: it knows leases, counts, and fails, holds or forgets when it is told to.
//! One that is made `with_news` also tells each of them what the others do.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tower_reauth::{Ear, Error, Lease, Leased, Listening, News, Record, Saved, StoreKey, TokenStore, Version};

use super::Gate;

/// Clones are the same place.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    records: HashMap<StoreKey, Record>,
    leases: HashSet<StoreKey>,
    fails: Fails,
    slow: Option<Duration>,
    gates: HashMap<Step, Gate>,
    loads: usize,
    /// What was saved, the newest last.
    history: Vec<Record>,
    /// So many loads answer what stood there before.
    stale_loads: usize,
    before: HashMap<StoreKey, Record>,
    /// Where the place carries news.
    messages: Option<Messages>,
    ears: Vec<(StoreKey, usize, Ear)>,
    listened: usize,
    asks: Vec<Version>,
}

/// What becomes of the messages of a place that carries news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    Arrive,
    GetLost,
    /// The same comes so often more.
    Repeat(usize),
    Late(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Load,
    Save,
    Lease,
    Ask,
}

/// What does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fails {
    #[default]
    Nothing,
    /// It is full, or may only be read.
    Saves,
    /// What is saved stands there, and whoever saved it is not told so; nothing else works.
    Answers,
    Everything,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_news() -> Self {
        let store = Self::default();
        store.messages(Messages::Arrive);
        store
    }

    pub fn messages(&self, what: Messages) {
        self.with(|shared| shared.messages = Some(what));
    }

    pub fn fails(&self, what: Fails) {
        self.with(|shared| shared.fails = what);
    }

    /// Each answer takes so long.
    pub fn takes(&self, time: Duration) {
        self.with(|shared| shared.slow = Some(time));
    }

    /// Holds the next of these steps until the gate opens.
    pub fn hold(&self, step: Step, gate: &Gate) {
        self.with(|shared| shared.gates.insert(step, gate.clone()));
    }

    pub fn record(&self, key: &str) -> Option<Record> {
        self.with(|shared| shared.records.get(&StoreKey::from(key)).cloned())
    }

    /// Puts a record there, whatever stands there, and tells nobody.
    pub fn put(&self, key: &str, record: Record) {
        self.with(|shared| shared.records.insert(key.into(), record));
    }

    pub fn lose(&self, key: &str) {
        self.with(|shared| shared.records.remove(&StoreKey::from(key)));
    }

    /// So many loads answer what stood there before the last save of another version.
    pub fn loads_are_stale(&self, loads: usize) {
        self.with(|shared| shared.stale_loads = loads);
    }

    /// Somebody takes the lease who never gives it back.
    pub fn take_lease(&self, key: &str) {
        self.with(|shared| shared.leases.insert(key.into()));
    }

    /// The lease of [`take_lease`](MemoryStore::take_lease) ends.
    pub fn end_lease(&self, key: &str) {
        drop(Guard { store: self.clone(), key: key.into() });
    }

    pub fn is_leased(&self, key: &str) -> bool {
        self.with(|shared| shared.leases.contains(&StoreKey::from(key)))
    }

    pub fn loads(&self) -> usize {
        self.with(|shared| shared.loads)
    }

    pub fn history(&self) -> Vec<Record> {
        self.with(|shared| shared.history.clone())
    }

    /// How many listen.
    pub fn ears(&self) -> usize {
        self.with(|shared| shared.ears.len())
    }

    /// What was asked for.
    pub fn asks(&self) -> Vec<Version> {
        self.with(|shared| shared.asks.clone())
    }

    /// Tells all who listen.
    pub fn tell(&self, key: &str, news: News) {
        self.tell_of(&key.into(), news);
    }

    /// The time of day as the sessions see it: it goes on with tokio's clock.
    pub fn now() -> SystemTime {
        let (tokio, own) = (Instant::now().into_std(), std::time::Instant::now());
        match tokio.checked_duration_since(own) {
            Some(ahead) => SystemTime::now() + ahead,
            None => SystemTime::now() - own.saturating_duration_since(tokio),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().expect("nothing panics under the lock"))
    }

    async fn reach(&self, step: Step) -> Result<(), Error> {
        let (gate, slow) = self.with(|shared| (shared.gates.remove(&step), shared.slow));
        if let Some(gate) = gate {
            gate.pass().await;
        }
        if let Some(time) = slow {
            tokio::time::sleep(time).await;
        }
        match (self.with(|shared| shared.fails), step) {
            (Fails::Answers, Step::Save) => Ok(()),
            (Fails::Everything | Fails::Answers, _) | (Fails::Saves, Step::Save) => {
                Err(Error::store("the disk is full"))
            }
            _ => Ok(()),
        }
    }

    fn tell_of(&self, key: &StoreKey, news: News) {
        let (messages, ears) = self.with(|shared| {
            let ears = shared.ears.iter().filter(|(other, ..)| other == key).map(|(.., ear)| ear.clone());
            (shared.messages, ears.collect::<Vec<_>>())
        });
        for ear in ears {
            match messages {
                None | Some(Messages::GetLost) => {}
                Some(Messages::Arrive) => ear.hear(news),
                Some(Messages::Repeat(times)) => (0..=times).for_each(|_| ear.hear(news)),
                Some(Messages::Late(time)) => {
                    tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        ear.hear(news);
                    });
                }
            }
        }
    }
}

impl TokenStore for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        self.with(|shared| shared.loads += 1);
        self.reach(Step::Load).await?;
        Ok(self.with(|shared| {
            let is_stale = shared.stale_loads > 0;
            shared.stale_loads = shared.stale_loads.saturating_sub(1);
            let records = if is_stale { &shared.before } else { &shared.records };
            records.get(key).cloned()
        }))
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        self.reach(Step::Save).await?;
        let saved = self.with(|shared| {
            let current = shared.records.get(key);
            if let Some(current) = current
                && !record.may_replace(current, seen, Self::now())
            {
                return Saved::Overtaken(Box::new(current.clone()));
            }
            if let Some(current) = current.filter(|current| current.version() != record.version()) {
                shared.before.insert(key.clone(), current.clone());
            }
            shared.records.insert(key.clone(), record.clone());
            shared.history.push(record.clone());
            Saved::Saved
        });
        if let Saved::Saved = saved {
            self.tell_of(key, News::Saved(record.version()));
        }
        match self.with(|shared| shared.fails) {
            Fails::Answers => Err(Error::store("the connection broke")),
            _ => Ok(saved),
        }
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        self.reach(Step::Lease).await?;
        let guard = Guard { store: self.clone(), key: key.clone() };
        Ok(match self.with(|shared| shared.leases.insert(key.clone())) {
            true => Leased::Held(Lease::new(guard)),
            false => {
                std::mem::forget(guard);
                Leased::Taken
            }
        })
    }

    fn news_every(&self) -> Duration {
        Duration::from_secs(if self.with(|shared| shared.messages.is_some()) { 4 } else { 30 })
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        let number = self.with(|shared| {
            shared.messages?;
            shared.listened += 1;
            shared.ears.push((key.clone(), shared.listened, ear));
            Some(shared.listened)
        })?;
        Some(Listening::new(Listener { store: self.clone(), number }))
    }

    async fn ask(&self, key: &StoreKey, dead: Version) -> Result<bool, Error> {
        self.reach(Step::Ask).await?;
        let is_heard = self.with(|shared| {
            shared.asks.push(dead);
            // Whoever asks listens, too.
            shared.ears.iter().filter(|(other, ..)| other == key).count() > 1
        });
        self.tell_of(key, News::Wanted(dead));
        Ok(is_heard)
    }
}

struct Guard {
    store: MemoryStore,
    key: StoreKey,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.store.with(|shared| shared.leases.remove(&self.key));
        self.store.tell_of(&self.key, News::Free);
    }
}

struct Listener {
    store: MemoryStore,
    number: usize,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ear = self.store.with(|shared| {
            let place = shared.ears.iter().position(|(_, number, _)| *number == self.number)?;
            Some(shared.ears.swap_remove(place))
        });
    }
}
