//! What other processes tell, where the store carries news: they wake the flight that waits for others, start a look, or ask for a
//! renewal. Nothing depends on it: what is lost is found by the look that comes anyway.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Session,
    inner::Inner,
    need::{Answer, Need},
    news,
    state::{Known, Login, Shelf},
};
use crate::{
    asked::Challenge,
    events,
    store::{Ear, News, Version},
};

/// After a lost connection everybody may have missed something: not all of them look in one instant.
const SPREAD: Duration = Duration::from_secs(1);

/// However its task ends, the look is over.
struct Looking {
    shelf: Arc<Shelf>,
    goes_on: bool,
}

impl Inner {
    /// Listens to what others do with the record, unless the session does so.
    pub(super) fn listen(self: &Arc<Self>, shelf: &Shelf) {
        shelf.hearing.listen(|| {
            let (session, listener) = (Arc::downgrade(self), Handle::try_current().ok());
            let ear = Ear::new(move |news| {
                if let Some(session) = session.upgrade() {
                    session.hear(news, listener.as_ref());
                }
            });
            shelf.store.listen(&shelf.key, ear)
        });
        // A logout that came meanwhile took nothing away.
        if self.read(|state| state.login.is_none()) {
            shelf.hearing.listen_no_more();
        }
    }

    /// There is no login any more.
    pub(super) fn listen_no_more(&self) {
        if let Some(shelf) = self.read(|state| state.shelf().cloned()) {
            shelf.hearing.listen_no_more();
        }
    }

    /// `listener`: the runtime that the session began to listen on. Whoever tells may have none.
    fn hear(self: &Arc<Self>, news: News, listener: Option<&Handle>) {
        let Some(shelf) = self.read(|state| state.shelf().cloned()) else { return };
        let _entered = Handle::try_current().is_err().then(|| listener.map(Handle::enter));
        match news {
            News::Saved(version) => {
                shelf.hearing.woken.notify_one();
                let is_news = |login: &Login| login.known().is_some_and(|known| known.is_news(version));
                if !shelf.hearing.is_own(version) && self.read(|state| state.login.as_ref().is_some_and(is_news)) {
                    self.look_now(shelf);
                }
            }
            News::Missed => {
                shelf.hearing.woken.notify_one();
                self.look_soon(shelf);
            }
            News::Free => shelf.hearing.woken.notify_one(),
            News::Wanted(dead) => {
                let is_behind = |login: &Login| {
                    let version = login.known().and_then(Known::version).filter(|_| login.has_own_credential());
                    version.is_some_and(|version| version.epoch() == dead.epoch() && version < dead)
                };
                if self.read(|state| state.login.as_ref().is_some_and(is_behind)) {
                    shelf.hearing.wants(dead);
                    self.look_now(shelf);
                } else {
                    self.renew_for_others(&shelf, dead);
                }
            }
        }
    }

    fn look_soon(self: &Arc<Self>, shelf: Arc<Shelf>) {
        let Ok(runtime) = self.runtime() else { return };
        let session = Arc::downgrade(self);
        runtime.spawn(async move {
            sleep(SPREAD.mul_f64(fastrand::f64())).await;
            if let Some(session) = session.upgrade() {
                session.look_now(shelf);
            }
        });
    }

    /// Looks into the store, unless somebody does so: then once more after that.
    fn look_now(self: &Arc<Self>, shelf: Arc<Shelf>) {
        let Ok(runtime) = self.runtime() else { return };
        if !shelf.hearing.begins_look() {
            return;
        }
        let (session, mut looking) = (Arc::downgrade(self), Looking { shelf, goes_on: true });
        runtime.spawn(async move {
            while looking.goes_on {
                let hearing = &looking.shelf.hearing;
                if let Some(next) = hearing.next_look() {
                    sleep_until(next).await;
                }
                hearing.looks(Instant::now());
                news::look_now(&session, &looking.shelf).await;
                if let (Some(dead), Some(session)) = (hearing.wanted(), session.upgrade()) {
                    session.renew_for_others(&looking.shelf, dead);
                }
                looking.goes_on = hearing.looks_again();
            }
        });
    }

    /// The tokens of this version are dead, and whoever found that has no credential of its own. It counts like a rejection here.
    fn renew_for_others(self: &Arc<Self>, shelf: &Arc<Shelf>, dead: Version) {
        let wanted = self.read(|state| {
            let login = state.login.as_ref().filter(|login| login.has_own_credential() && login.flight().is_none())?;
            let is_current = login.known().is_some_and(|known| known.version() == Some(dead));
            is_current.then(|| (login.epoch, login.generation()))
        });
        let Some((epoch, generation)) = wanted else { return };
        if let Err(turn) = shelf.hearing.renews_for_others(Instant::now()) {
            if let Some(turn) = turn {
                self.renew_for_others_at(turn, shelf.clone(), dead);
            }
            return;
        }
        let need = Need::Rejected { generation, from: None, challenge: Challenge::NONE };
        if let Answer::Wait(_) = (Session { inner: self.clone() }).ask(need, epoch, Instant::now()) {
            events::renewal_wanted(self.name());
        }
    }

    /// Whoever asks waits for five seconds, and so for their turn, too.
    fn renew_for_others_at(self: &Arc<Self>, turn: Instant, shelf: Arc<Shelf>, dead: Version) {
        let Ok(runtime) = self.runtime() else { return shelf.hearing.has_waited() };
        let session = Arc::downgrade(self);
        runtime.spawn(async move {
            sleep_until(turn).await;
            shelf.hearing.has_waited();
            if let Some(session) = session.upgrade() {
                session.renew_for_others(&shelf, dead);
            }
        });
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // After its end another one may be under way.
        if self.goes_on {
            self.shelf.hearing.looks_no_more();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::store_fn;

    #[test]
    fn look_that_has_ended_takes_nothing_from_the_next_one() {
        let store = store_fn(|_| async { Ok(None) }, |_, _| async { Ok(()) });
        let shelf = Arc::new(Shelf::new(Arc::new(store), "alice".into(), None));
        let hearing = &shelf.hearing;
        assert!(hearing.begins_look());
        let mut looking = Looking { shelf: shelf.clone(), goes_on: true };
        looking.goes_on = hearing.looks_again();
        assert!(!looking.goes_on);
        // Something is told before the first task has gone.
        assert!(hearing.begins_look());
        assert!(!hearing.begins_look());
        drop(looking);
        assert!(hearing.looks_again(), "what came during the second look is looked at as well");
        // One that is cut off leaves the place to others.
        drop(Looking { shelf: shelf.clone(), goes_on: true });
        assert!(hearing.begins_look());
    }
}
