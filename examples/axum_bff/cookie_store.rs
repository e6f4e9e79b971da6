//! Where the cookie sessions lie: in memory, and swept of what has expired.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    cookie::time::OffsetDateTime,
    session::{Id, Record},
    session_store::Result,
};

const FIRST_SWEEP: usize = 1024;

/// A store for one process, which the tokens live in as well: a browser that comes to another one has to log in there. Several
/// instances share `RedisCookies`.
#[derive(Clone, Default)]
pub(crate) struct CookieStore {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    records: HashMap<Id, Record>,
    sweep_at: usize,
}

impl CookieStore {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Looks through everything each time that twice as much is there as was left the last time: a constant cost for each new
    /// record.
    fn sweep(&mut self) {
        if self.records.len() >= self.sweep_at {
            let now = OffsetDateTime::now_utc();
            self.records.retain(|_, record| record.expiry_date > now);
            self.sweep_at = (self.records.len() * 2).max(FIRST_SWEEP);
        }
    }
}

#[async_trait]
impl SessionStore for CookieStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut shelf = self.shelf();
        shelf.sweep();
        while shelf.records.contains_key(&record.id) {
            record.id = Id::default();
        }
        shelf.records.insert(record.id, record.clone());
        drop(shelf);
        Ok(())
    }

    /// Only what is there: a request that was under way during a logout must not bring the session back.
    async fn save(&self, record: &Record) -> Result<()> {
        if let Some(known) = self.shelf().records.get_mut(&record.id) {
            *known = record.clone();
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let now = OffsetDateTime::now_utc();
        Ok(self.shelf().records.get(id).filter(|record| record.expiry_date > now).cloned())
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.shelf().records.remove(id);
        Ok(())
    }
}

impl fmt::Debug for CookieStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieStore").field("records", &self.shelf().records.len()).finish_non_exhaustive()
    }
}
