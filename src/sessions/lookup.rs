//! Keys that this process does not know are looked up in the store.
//!
//! 1. One look-up for all who ask: a session that is not in its place yet stands in one table, and whoever comes for its key
//!    gets it. It looks into the store by itself at its first call; the task here puts it in its place, or drops it.
//! 2. Whoever puts a session in place or takes it away on purpose overtakes the look-up under the lock of the logins.
//! 3. While a logout is on its way to the store, nothing brings its key back from there.

use std::{hash::Hash, sync::Arc};

use super::{Sessions, settings::Stored, shared::Shared};
use crate::{
    clock,
    error::Error,
    session::{Errand, Session, Shelf},
    store::Record,
};

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Sessions<K> {
    /// The session of a key, looked up in the [store](crate::SessionsBuilder::store) if this process does not know it. This counts
    /// as a use of the session.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed, or holds something else under this key.
    ///
    /// # Cancel safety
    /// Safe: the look-up goes on, and the session that it finds is kept.
    pub async fn look_up(&self, key: &K) -> Result<Option<Session>, Error> {
        if let Some(session) = self.shared.find(key) {
            return Ok(Some(session));
        }
        let Some(session) = self.shared.look_up(key)? else { return Ok(None) };
        Ok(session.resume().await?.map(|_| session))
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Shared<K> {
    /// The session of a key that this process does not know: it turns out later whether there is one.
    pub(super) fn look_up(self: &Arc<Self>, key: &K) -> Result<Option<Session>, Error> {
        let Some((stored, shelf)) = self.place(key) else { return Ok(None) };
        if let Some(session) = self.lookups.get(key) {
            return Ok(session);
        }
        // Made without the lock: it is the user's code.
        let session = (stored.resume)(key, shelf);
        let runtime = session.runtime()?;
        // One that was put in place since the caller looked is the one.
        let joined = self.logins.with(|_| match self.shards.peek(key) {
            Some(placed) => Ok(Some(placed)),
            None => self.lookups.join_or_begin(key, &session),
        })?;
        let Some(joined) = joined else { return Ok(None) };
        if joined.id() == session.id() {
            let (shared, key) = (self.clone(), key.clone());
            let errand = self.shards.errands().begin();
            runtime.spawn(async move {
                let found = session.resume().await;
                match found {
                    Ok(found) => shared.looked_up(&key, &session, found, errand),
                    // Whoever asks is told so by a look of their own. It says nothing of the login.
                    Err(_) => drop(shared.lookups.end(&key, session.id())),
                }
            });
        }
        Ok(Some(joined))
    }

    /// The place of a key in the store. A session whose login is ended elsewhere leaves its key to whoever comes next.
    pub(super) fn place(self: &Arc<Self>, key: &K) -> Option<(&Stored<K>, Shelf)> {
        let (stored, shelf) = self.settings.place(key)?;
        let (shared, key) = (Arc::downgrade(self), key.clone());
        let ended = move |session| {
            if let Some(shared) = shared.upgrade() {
                drop(shared.shards.remove_this(&key, session));
            }
        };
        Some((stored, shelf.when_ended_elsewhere(ended)))
    }

    /// Puts a session that was found in its place.
    fn looked_up(self: &Arc<Self>, key: &K, session: &Session, found: Option<Record>, errand: Errand) {
        let is_found = self.logins.with(|_| {
            let found = found.filter(|_| self.lookups.end(key, session.id()));
            found.map(|record| {
                let age = clock::date().duration_since(record.created()).unwrap_or_default();
                self.shards.insert_aged(key.clone(), session.clone(), age);
            })
        });
        match is_found {
            Some(()) => self.inserted(key),
            // Whoever overtook it has ended it, or put another one in place.
            None => {
                self.lookups.end(key, session.id());
                session.forget_with(Some(errand));
            }
        }
    }

    /// What a logout of these keys holds until it has reached the store.
    pub(super) fn leaving(&self, keys: Vec<K>, errand: Errand) -> Errand {
        if self.settings.stored.is_some() { errand.guarding(self.lookups.bury(keys)) } else { errand }
    }

    /// Begins the login of a session that was put in place here in the store, too.
    pub(super) fn keep(self: &Arc<Self>, key: &K, session: &Session) -> bool {
        let place = self.place(key);
        place.map(|(_, shelf)| session.keep_in(shelf)).is_some()
    }
}
