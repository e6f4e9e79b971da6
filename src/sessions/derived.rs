//! Many users behind the layer of one API of several: each one's session, derived for that API.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::Extensions;
use tokio::time::Instant;

use super::choose::{Choice, Choose};
use crate::{
    context::Wish,
    error::Error,
    identity::SessionId,
    session::{Session, Status},
};

/// Between two looks for those that are over.
const PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Derived {
    sessions: Arc<dyn Choose>,
    wish: Wish,
    held: RwLock<Held>,
}

/// The derived sessions, by their parents' numbers. They are held, since nobody else does so between two calls.
#[derive(Default)]
struct Held {
    sessions: HashMap<SessionId, Session>,
    tidied: Option<Instant>,
}

impl Derived {
    pub(super) fn new(sessions: Arc<dyn Choose>, wish: Wish) -> Self {
        Self { sessions, wish, held: RwLock::default() }
    }

    fn of(&self, parent: &Session) -> Session {
        let known = self.held.read().unwrap_or_else(PoisonError::into_inner).sessions.get(&parent.id()).cloned();
        known.unwrap_or_else(|| self.derive(parent))
    }

    #[cold]
    fn derive(&self, parent: &Session) -> Session {
        let session = parent.derive(|wish| self.wish.clone_into(wish));
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.sessions.insert(parent.id(), session.clone());
        let over = held.take_over(Instant::now());
        drop(held);
        // Without the lock: their parents go with them.
        drop(over);
        session
    }
}

impl Held {
    /// Takes out those whose login has ended, and those whose parent nobody else holds any more.
    fn take_over(&mut self, now: Instant) -> Vec<Session> {
        if self.tidied.is_some_and(|tidied| now < tidied + PAUSE) {
            return Vec::new();
        }
        self.tidied = Some(now);
        let is_over = |session: &Session| session.status() == Status::LoggedOut || session.is_left_alone();
        self.sessions.extract_if(|_, session| is_over(session)).map(|(_, session)| session).collect()
    }
}

impl Choose for Derived {
    fn choose(&self, extensions: &Extensions) -> Result<Choice, Error> {
        Ok(match self.sessions.choose(extensions)? {
            Choice::Among(session) => Choice::Among(self.of(&session)),
            other => other,
        })
    }

    fn wish(&self) -> Option<(Arc<dyn Choose>, Wish)> {
        Some((self.sessions.clone(), self.wish.clone()))
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("sessions", &self.sessions).field("wish", &self.wish).finish_non_exhaustive()
    }
}
