//! Looking into the store for news, every 30 s while there is traffic: another process may have renewed the token, or ended the
//! login.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{
    Session,
    inner::Inner,
    refresh_ahead,
    state::{Found, NEWS, Shelf, State},
};
use crate::{
    clock, events,
    identity::Generation,
    store::{Record, Version},
};

impl Session {
    /// Starts a look if one is due. Nobody waits for it.
    #[cold]
    pub(super) fn look_for_news(&self, now: Instant) {
        if self.is_derived() {
            let set = |state: &mut State| state.login.as_mut().map(|login| login.rare_mut().look_at = Some(now + NEWS));
            self.inner.change(set);
            return self.head().look_for_news(now);
        }
        let Ok(runtime) = self.inner.runtime() else { return };
        let due = self.inner.change(|state| {
            let shelf = state.shelf().cloned()?;
            let login = state.login.as_mut()?;
            if login.flight().is_some() || !login.rare().look_is_due(now) {
                return None;
            }
            let (epoch, known) = (login.epoch, login.known_mut()?);
            known.looks(now);
            let touch = shelf.limits.is_some_and(|limits| known.is_to_touch(limits.touch(), clock::date()));
            Some((shelf, epoch, known.seen(), touch))
        });
        if let Some((shelf, epoch, seen, touch)) = due {
            runtime.spawn(look(Arc::downgrade(&self.inner), shelf, epoch, seen, touch));
        }
    }
}

async fn look(session: Weak<Inner>, shelf: Arc<Shelf>, epoch: Generation, seen: Option<Version>, touch: bool) {
    let Some(name) = session.upgrade().map(|session| session.name()) else { return };
    if touch {
        shelf.touch(name, clock::date()).await;
    }
    let Ok(true) = shelf.changed(name, seen).await else { return };
    let Ok(found) = shelf.load(name).await else { return };
    let Some(inner) = session.upgrade() else { return };
    let is_behind = |found: &Record| seen.is_some_and(|seen| found.version() < seen) && !found.is_logged_out();
    match found {
        Some(found) if !is_behind(&found) => inner.take_in(&shelf, epoch, &found),
        // The store has lost something: whoever knows more writes it back.
        _ => {
            let _ = Session { inner }.save().await;
        }
    }
}

impl Inner {
    /// Takes in what stands in the store, outside of a flight: one that is under way looks by itself.
    pub(super) fn take_in(self: &Arc<Self>, shelf: &Shelf, epoch: Generation, found: &Record) {
        let (mut ended, mut adopted) = (false, None);
        self.change(|state| {
            state.look_at_next_call();
            let Some(login) = state.login.as_mut().filter(|login| login.epoch == epoch) else { return };
            if login.flight().is_some() {
                return;
            }
            match login.known().map(|known| known.judge(Some(found), login.has_own_credential())) {
                Some(Found::News(record)) => {
                    let now = Instant::now();
                    adopted = login.adopt(now, &record, shelf.claimant).ok().flatten();
                    refresh_ahead::restart(self, login, now);
                }
                Some(Found::Ended | Found::Nobody) => ended = true,
                _ => {}
            }
        });
        if let Some(generation) = adopted {
            events::token_adopted(self.name(), generation);
        }
        if ended {
            self.end_elsewhere(epoch);
        }
    }
}
