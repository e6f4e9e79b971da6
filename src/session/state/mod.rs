//! What a session knows, behind its lock: the lower storey. Nothing here asks, sends or spawns a renewal.

mod aside;
mod asks;
mod claims;
mod consequence;
mod cool_down;
mod damping;
mod derived;
mod doubt;
mod errand;
mod family;
mod flight;
mod granted;
mod heard;
mod known;
mod landing;
mod login;
mod rare;
mod refresher;
mod refusal;
mod route;
mod rung;
mod schedule;
mod settings;
mod shelf;
mod status;
mod stored;
mod sync;
mod waiters;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::aside::Aside;
pub(crate) use self::aside::Copies;
#[cfg(feature = "dpop")]
pub(super) use self::settings::Bound;
pub(super) use self::{
    damping::{Cause, Turn},
    doubt::Fate,
    family::{Family, Parent, Relative},
    flight::{Brought, FOREVER, Flight, Order, Parting},
    known::{Found, Known, claim, foreign, other_key},
    landing::lost,
    login::{Held, Login},
    refresher::Refresher,
    rung::Rung,
    settings::{OwnRuntime, Settings},
    shelf::Pending,
    status::logged_out,
    sync::{AtomicU64, Mutex, RwLock},
    waiters::{Landing, Place, Waiters},
};
pub(crate) use self::{
    errand::{Errand, Errands},
    route::Route,
    shelf::{Limits, Shelf},
};
pub use self::{settings::RenewAhead, status::Status};
use crate::{clock, identity::Generation};

/// A number of seconds that no token lives for.
const EACH_CALL: u32 = u32::MAX;

/// The truth about one session.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) login: Option<Login>,
    pub(crate) aside: Option<Box<Aside>>,
    /// How many tasks the session has set free.
    pub(crate) running: u32,
    /// How many seconds before the renewal of the token that is held somebody has to look whether the machine slept.
    look_before: AtomicU32,
}

impl State {
    pub(crate) fn status(&self) -> Status {
        match &self.login {
            None => Status::LoggedOut,
            Some(login) if login.is_refused() => Status::Refused,
            Some(login) if login.held.is_some() => Status::Active,
            Some(_) => Status::Idle,
        }
    }

    /// For a new token.
    pub(crate) fn look_at_next_call(&mut self) {
        *self.look_before.get_mut() = EACH_CALL;
    }

    /// Whether the token that is held may go with a call, and nobody has to look at anything but tokio's clock.
    pub(crate) fn is_at_rest(&self, held: &Held, now: Instant) -> bool {
        let look_before = Duration::from_secs(self.look_before.load(Ordering::Relaxed).into());
        held.expiry.is_none_or(|expiry| now + look_before < expiry.renew_at())
    }

    /// Looks whether the machine slept, and says whether the token that is held is due for a renewal; `None` where it is stale.
    #[cold]
    pub(crate) fn look(&self, held: &Held, now: Instant) -> Option<bool> {
        clock::look(now);
        let renew_at = held.expiry.map_or(now, |expiry| expiry.renew_at());
        let rest = renew_at.saturating_duration_since(clock::with_sleep(now));
        // Whole seconds, so that the next look comes within one.
        let seconds = renew_at.saturating_duration_since(now).as_secs();
        let look_before = if rest < clock::LOOK { EACH_CALL } else { seconds.try_into().unwrap_or(EACH_CALL) };
        self.look_before.store(look_before, Ordering::Relaxed);
        if rest.is_zero() { held.is_fresh(now).then_some(true) } else { Some(false) }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.login.as_ref().map_or(Generation::NONE, Login::generation)
    }

    /// The login that there is.
    pub(crate) fn epoch(&self) -> Option<Generation> {
        self.login.as_ref().map(|login| login.epoch)
    }

    /// Where the session's record stands, if it has a store.
    pub(crate) fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.aside.as_ref()?.shelf.as_ref()
    }

    pub(crate) fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    pub(crate) fn parent(&self) -> Option<&Parent> {
        self.aside.as_ref()?.family.as_ref()?.parent.as_ref()
    }

    pub(crate) fn parent_mut(&mut self) -> Option<&mut Parent> {
        self.aside.as_mut()?.family.as_mut()?.parent.as_mut()
    }

    pub(crate) fn family(&mut self) -> &mut Family {
        self.aside().family.get_or_insert_default()
    }

    /// Forgets copies that are gone, and is as small again as before there were any.
    pub(crate) fn forget_copies(&mut self) {
        let Some(aside) = &mut self.aside else { return };
        aside.copies.retain(|copies| copies.strong_count() > 0);
        if aside.is_empty() {
            self.aside = None;
        }
    }

    /// Where there are copies of the token.
    pub(crate) fn copies(&self) -> Vec<Arc<dyn Copies>> {
        let copies = self.aside.as_ref().map(|aside| &aside.copies);
        copies.into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn children(&self) -> Vec<Arc<dyn Relative>> {
        let family = self.aside.as_ref().and_then(|aside| aside.family.as_ref());
        family.into_iter().flat_map(|family| &family.children).filter_map(|(_, child)| child.upgrade()).collect()
    }
}
