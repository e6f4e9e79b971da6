//! Looking into the store for news, now and then while there is traffic, and when others tell of some: another process may have
//! renewed the token, or ended the login.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{
    Session,
    inner::Inner,
    refresh_ahead,
    state::{Found, Shelf, State},
};
use crate::{
    clock, events,
    identity::{Generation, SessionName},
    store::{Record, Version},
};

impl Session {
    /// Starts a look if one is due. Nobody waits for it.
    #[cold]
    pub(super) fn look_for_news(&self, now: Instant) {
        if self.is_derived() {
            let head = self.head();
            let every = head.inner.read(|state| Some(state.login.as_ref()?.known()?.news_every));
            let next = every.map(|every| now + every);
            let set = |state: &mut State| state.login.as_mut().map(|login| login.rare_mut().look_at = next);
            self.inner.change(set);
            return head.look_for_news(now);
        }
        let Ok(runtime) = self.inner.runtime() else { return };
        let due = self.inner.change(|state| {
            let shelf = state.shelf().cloned()?;
            let login = state.login.as_mut()?;
            if !login.rare().look_is_due(now) {
                return None;
            }
            let is_flying = login.flight().is_some();
            let (epoch, known) = (login.epoch, login.known_mut()?);
            known.looks(now);
            let touch =
                !is_flying && shelf.limits.is_some_and(|limits| known.is_to_touch(limits.touch(), clock::date()));
            Some((shelf, epoch, known.seen(), touch))
        });
        if let Some((shelf, epoch, seen, touch)) = due {
            runtime.spawn(look(Arc::downgrade(&self.inner), shelf, epoch, seen, touch));
        }
    }
}

async fn look(session: Weak<Inner>, shelf: Arc<Shelf>, epoch: Generation, seen: Option<Version>, touch: bool) {
    let Some(name) = session.upgrade().map(|session| {
        session.listen(&shelf);
        session.name()
    }) else {
        return;
    };
    if touch {
        shelf.touch(name, clock::date()).await;
    }
    if let Ok(true) = shelf.changed(name, seen).await {
        look_at(&session, name, &shelf, epoch, seen).await;
    }
}

/// Looks whatever was seen last: somebody told of something.
pub(super) async fn look_now(session: &Weak<Inner>, shelf: &Arc<Shelf>) {
    let Some(inner) = session.upgrade() else { return };
    let known = inner.change(|state| {
        let login = state.login.as_mut()?;
        let (epoch, known) = (login.epoch, login.known_mut()?);
        known.looks(Instant::now());
        Some((epoch, known.seen()))
    });
    let name = inner.name();
    drop(inner);
    if let Some((epoch, seen)) = known {
        look_at(session, name, shelf, epoch, seen).await;
    }
}

async fn look_at(
    session: &Weak<Inner>,
    name: SessionName,
    shelf: &Arc<Shelf>,
    epoch: Generation,
    seen: Option<Version>,
) {
    let Ok(found) = shelf.load(name).await else { return };
    let Some(inner) = session.upgrade() else { return };
    let is_behind = |found: &Record| seen.is_some_and(|seen| found.version() < seen) && !found.is_logged_out();
    match found {
        Some(found) if !is_behind(&found) => inner.take_in(shelf, epoch, &found),
        // The store has lost something: whoever knows more writes it back.
        _ => {
            let _ = Session { inner }.save().await;
        }
    }
}

impl Inner {
    /// Takes in what stands in the store. A flight that is under way looks for news by itself; but it may take long to learn that its
    /// login has ended.
    pub(super) fn take_in(self: &Arc<Self>, shelf: &Shelf, epoch: Generation, found: &Record) {
        let (mut ended, mut adopted) = (false, None);
        self.change(|state| {
            state.look_at_next_call();
            let Some(login) = state.login.as_mut().filter(|login| login.epoch == epoch) else { return };
            let is_flying = login.flight().is_some();
            match login.known().map(|known| known.judge(Some(found), login.has_own_credential())) {
                Some(Found::News(record)) if !is_flying => {
                    let now = Instant::now();
                    adopted = login.adopt(now, &record, shelf.claimant).ok().flatten();
                    refresh_ahead::restart(self, login, now);
                }
                Some(Found::Ended) => ended = true,
                Some(Found::Nobody) => ended = !is_flying,
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
