//! What other processes tell, where the store carries news: they wake the flight that waits for others, start a look, or ask for a
//! renewal. Nothing depends on it: what is lost is found by the look that comes anyway.

use std::sync::Arc;

use tokio::{runtime::Handle, time::Instant};

use super::{
    Session,
    inner::Inner,
    need::{Answer, Need},
    news,
    state::{Login, Shelf},
};
use crate::{
    asked::Challenge,
    events,
    store::{Ear, News, Version},
};

/// However its task ends, the look is over.
struct Looking(Arc<Shelf>);

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
                self.look_now(shelf);
            }
            News::Free => shelf.hearing.woken.notify_one(),
            News::Wanted(dead) => self.renew_for_others(dead),
        }
    }

    /// Looks into the store, unless somebody does so: then once more after that.
    fn look_now(self: &Arc<Self>, shelf: Arc<Shelf>) {
        let Ok(runtime) = self.runtime() else { return };
        if !shelf.hearing.begins_look() {
            return;
        }
        let (session, looking) = (Arc::downgrade(self), Looking(shelf));
        runtime.spawn(async move {
            loop {
                news::look_now(&session, &looking.0).await;
                if !looking.0.hearing.looks_again() {
                    return;
                }
            }
        });
    }

    /// The tokens of this version are dead, and whoever found that has no credential of its own. It counts like a rejection here.
    fn renew_for_others(self: &Arc<Self>, dead: Version) {
        let wanted = self.read(|state| {
            let login = state.login.as_ref().filter(|login| login.has_own_credential() && login.flight().is_none())?;
            let is_current = login.known().is_some_and(|known| known.version() == Some(dead));
            is_current.then(|| (login.epoch, login.generation()))
        });
        let Some((epoch, generation)) = wanted else { return };
        let need = Need::Rejected { generation, from: None, challenge: Challenge::NONE };
        if let Answer::Wait(_) = (Session { inner: self.clone() }).ask(need, epoch, Instant::now()) {
            events::renewal_wanted(self.name());
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.hearing.looks_no_more();
    }
}
