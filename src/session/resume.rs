//! Sessions among many that a store keeps: one that is looked up there, and one that gets a place there after its login.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{
    Session, pending, refresh_ahead,
    state::{Found, Known, Pending, Shelf},
};
use crate::{
    error::Error,
    identity::SessionName,
    store::{Leased, Record},
};

/// Whoever is overtaken so often gives up.
const ROUNDS: u32 = 8;

impl Session {
    /// Looks for the login's record; gives it, or nothing where there is none, or one that is too old: the session has no login
    /// then.
    pub(crate) async fn resume(&self) -> Result<Option<Record>, Error> {
        let name = self.inner.name();
        for _ in 0..ROUNDS {
            // A renewal looks by itself.
            self.idle().await;
            let Some(shelf) = self.inner.read(|state| state.shelf().cloned()) else { return Ok(None) };
            let Ok(epoch) = self.epoch() else { return Ok(None) };
            let found = shelf.load(name).await?;
            let now = Instant::now();
            let outcome = self.inner.change(|state| {
                state.look_at_next_call();
                let Some(login) = state.login.as_mut().filter(|login| login.epoch == epoch) else {
                    // By whoever else looked, and found nothing; or logged out meanwhile.
                    return Ok(Some(false));
                };
                if login.flight().is_some() {
                    return Ok(None);
                }
                if login.known().is_some_and(|known| known.version().is_some()) {
                    return Ok(Some(true));
                }
                match login.known().map(|known| known.judge(found.as_ref(), false)) {
                    Some(Found::News(record)) => {
                        login.adopt(now, &record, shelf.claimant)?;
                        refresh_ahead::restart(&self.inner, login, now);
                        Ok(Some(true))
                    }
                    Some(Found::Foreign(error)) => Err(error),
                    _ => Ok(Some(false)),
                }
            });
            match outcome {
                Ok(None) => {}
                Ok(Some(true)) => {
                    self.inner.listen(&shelf);
                    return Ok(found);
                }
                Ok(Some(false)) => {
                    drop(self.inner.change(|state| state.login.take_if(|login| login.epoch == epoch)));
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::store("renewals came in between again and again"))
    }

    /// Gives a session without a store a place in this one: its login begins there.
    pub(crate) fn keep_in(&self, mut shelf: Shelf) {
        let now = Instant::now();
        self.inner.change(|state| {
            // A derived one is saved with its login.
            if state.shelf().is_some() || state.parent().is_some() {
                return;
            }
            shelf.owner = state.aside().owner.take();
            shelf.dpop = self.inner.settings.thumbprint();
            if let Some(login) = &mut state.login {
                let mut known =
                    Known::new(login.grant.owner(shelf.owner.clone(), shelf.dpop.clone()), true, shelf.news_every);
                known.unsaved = true;
                known.looks(now);
                login.rare_mut().known = Some(Box::new(known));
            }
            state.aside().shelf = Some(Arc::new(shelf));
        });
        for child in self.inner.children() {
            child.change(|state| state.login.as_mut().map(|login| login.rare_mut().look_at = Some(now)));
        }
    }

    /// Saves what the session holds; where that fails, it is tried again in the background.
    pub(crate) async fn save_or_later(&self) {
        if self.save().await.is_ok() {
            return;
        }
        let now = Instant::now();
        let waiting = self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.known().is_some_and(|known| known.unsaved))?;
            let record = login.record(now);
            let shelf = state.shelf().cloned().filter(|_| !record.is_empty())?;
            Some((shelf, login.epoch, record, login.grant.clone()))
        });
        if let Some((shelf, epoch, record, grant)) = waiting {
            let revoker = grant.revoker(self.inner.settings.flight_limit);
            let pending = Pending { seen: Some(record.version), record, revoker, lease: None };
            drop(grant);
            self.inner.change(|state| {
                let login = state.login.as_mut().filter(|login| login.epoch == epoch);
                if let Some(known) = login.and_then(|login| login.known_mut()) {
                    known.brings(&pending.record, true);
                }
            });
            pending::save_later(&Arc::downgrade(&self.inner), self.inner.name(), epoch, &shelf, pending);
        }
    }
}

impl Shelf {
    /// Marks the record as used now, unless somebody is at work on it. That is no new version.
    pub(super) async fn touch(&self, session: SessionName, now: SystemTime) {
        let Ok(lease @ (Leased::Held(_) | Leased::Unknown)) = self.lease(session).await else { return };
        let Ok(Some(found)) = self.load(session).await else { return };
        if found.is_logged_out() {
            return;
        }
        let seen = Some(found.version());
        let record = Record { used: now, ..found };
        // Whoever overtakes it has told so, too.
        let _ = self.save(session, &record, seen).await;
        drop(lease);
    }
}
