//! A store in memory, for several "processes" of one test: it knows leases, counts, and fails or holds when it is told to.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tower_reauth::{Error, Lease, Leased, Record, Saved, StoreKey, TokenStore, Version};

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
    leased: usize,
    fails: Fails,
    slow: Option<Duration>,
    gates: HashMap<Step, Gate>,
    loads: usize,
    /// What was saved, the newest last.
    history: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Load,
    Save,
    Lease,
}

/// What does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fails {
    #[default]
    Nothing,
    /// It is full, or may only be read.
    Saves,
    Everything,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
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

    /// Puts a record there, whatever stands there.
    pub fn put(&self, key: &str, record: Record) {
        self.with(|shared| shared.records.insert(key.into(), record));
    }

    pub fn lose(&self, key: &str) {
        self.with(|shared| shared.records.remove(&StoreKey::from(key)));
    }

    /// Somebody takes the lease who never gives it back.
    pub fn take_lease(&self, key: &str) {
        self.with(|shared| shared.leases.insert(key.into()));
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
            (Fails::Everything, _) | (Fails::Saves, Step::Save) => Err(Error::store("the disk is full")),
            _ => Ok(()),
        }
    }
}

impl TokenStore for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        self.with(|shared| shared.loads += 1);
        self.reach(Step::Load).await?;
        Ok(self.with(|shared| shared.records.get(key).cloned()))
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        self.reach(Step::Save).await?;
        Ok(self.with(|shared| {
            if let Some(current) = shared.records.get(key)
                && !record.may_replace(current, seen, Self::now())
            {
                return Saved::Overtaken(Box::new(current.clone()));
            }
            shared.records.insert(key.clone(), record.clone());
            shared.history.push(record.clone());
            Saved::Saved
        }))
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
}

struct Guard {
    store: MemoryStore,
    key: StoreKey,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.store.with(|shared| shared.leases.remove(&self.key));
    }
}
