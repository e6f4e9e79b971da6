//! One login per key, however many ask for it.
//!
//! 1. A login that is under way stands in one table, and whoever overtakes it takes it out of there: its session is then not
//!    put in place but logged out.
//! 2. The table's lock is held while a session is put in place or taken away, so that one of the two comes first.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{FutureExt, Shared as SharedFuture};
use tokio::{runtime::Handle, sync::oneshot};

use super::{Sessions, Shared};
use crate::{Error, ErrorKind, Session, identity::Generation, session::Errand};

type Outcome = Result<Session, Error>;

pub(super) struct Logins<K> {
    under_way: Mutex<HashMap<K, Login>>,
}

struct Login {
    id: Generation,
    outcome: SharedFuture<oneshot::Receiver<Outcome>>,
}

/// What a caller finds who comes without a session.
enum Found {
    Session(Session),
    Login(SharedFuture<oneshot::Receiver<Outcome>>),
}

/// However the login ends, it leaves the table.
struct UnderWay<K: Eq + Hash> {
    sessions: Arc<Shared<K>>,
    key: K,
    id: Generation,
    errand: Errand,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Sessions<K> {
    pub(super) async fn log_in<F>(&self, key: K, login: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let outcome = match self.join_or_start(key, login)? {
            Found::Session(session) => return Ok(session),
            Found::Login(outcome) => outcome,
        };
        outcome.await.unwrap_or_else(|_| {
            let why = "the login died: its code panicked, or the runtime that ran it went away";
            Err(Error::new(ErrorKind::RenewalLost, why))
        })
    }

    fn join_or_start<F>(&self, key: K, login: impl FnOnce() -> F) -> Result<Found, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime =
            Handle::try_current().map_err(|_| Error::new(ErrorKind::NoRuntime, "a login needs a tokio runtime"))?;
        let id = Generation::next();
        let (sender, receiver) = oneshot::channel();
        let found = self.shared.logins.with(|under_way| match under_way.entry(key.clone()) {
            Entry::Occupied(login) => Err(Found::Login(login.get().outcome.clone())),
            // One that ended since the caller looked has put its session in place.
            Entry::Vacant(place) => match self.shared.shelves.peek(&key) {
                Some(session) => Err(Found::Session(session)),
                None => Ok(place.insert(Login { id, outcome: receiver.shared() }).outcome.clone()),
            },
        });
        let outcome = match found {
            Ok(outcome) => outcome,
            Err(found) => return Ok(found),
        };
        let errand = self.shared.shelves.errands().begin();
        let under_way = UnderWay { sessions: self.shared.clone(), key, id, errand };
        let login = login();
        // Detached: a password may be on the wire already when everybody leaves.
        runtime.spawn(async move {
            let outcome = under_way.end(login.await);
            // Everybody may have left: the session is in its place all the same.
            let _ = sender.send(outcome);
        });
        Ok(Found::Login(outcome))
    }
}

impl<K: Eq + Hash> Logins<K> {
    /// Puts a session in place or takes it away, and overtakes the login that is under way for its key.
    pub(super) fn overtake<T>(&self, key: &K, act: impl FnOnce() -> T) -> T {
        self.with(|under_way| {
            under_way.remove(key);
            act()
        })
    }

    pub(super) fn overtake_all<T>(&self, act: impl FnOnce() -> T) -> T {
        self.with(|under_way| {
            under_way.clear();
            act()
        })
    }

    /// Takes this very login out of the table, and acts before another one can begin; `None` where it was overtaken.
    fn end<T>(&self, key: &K, id: Generation, act: impl FnOnce() -> T) -> Option<T> {
        self.with(|under_way| {
            under_way.get(key).filter(|login| login.id == id)?;
            under_way.remove(key);
            Some(act())
        })
    }

    // Nothing that runs under the lock leaves the table half changed when a key's code panics.
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<K, Login>) -> T) -> T {
        act(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> UnderWay<K> {
    fn end(self, outcome: Outcome) -> Outcome {
        let Shared { logins, shelves, .. } = &*self.sessions;
        let session = outcome?;
        match logins.end(&self.key, self.id, || shelves.insert(self.key.clone(), session.clone())) {
            Some(_older) => {
                self.sessions.inserted(&self.key);
                Ok(session)
            }
            None => {
                let placed = self.sessions.find(&self.key);
                // It may be the same one: a login may put its session in place itself.
                if placed.as_ref().is_none_or(|placed| placed.id() != session.id()) {
                    // Invariant 6: what a login brings in after the logout is thrown away and revoked.
                    drop(session.start_logout(Some(self.errand.clone())));
                }
                placed.ok_or_else(|| Error::new(ErrorKind::LoggedOut, "a logout overtook the login"))
            }
        }
    }
}

impl<K: Eq + Hash> Drop for UnderWay<K> {
    fn drop(&mut self) {
        self.sessions.logins.end(&self.key, self.id, || ());
    }
}

impl<K> Default for Logins<K> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}
