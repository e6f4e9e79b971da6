//! The state of a session behind its lock, and the number beside it.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, PoisonError, Weak,
        atomic::{self, Ordering},
    },
};

use super::state::{AtomicU64, Copies, Login, Order, Parting, Relative, RwLock, Settings, State, Status, logged_out};
use crate::{
    error::{Error, ErrorKind},
    events,
    identity::{Generation, KeyHash, SessionId, SessionName},
};

/// Beyond all generations.
const WATCHED: u64 = 1 << 63;

/// What all clones of a session share.
pub(super) struct Inner {
    pub(super) id: SessionId,
    // A hash of the key that finds this session among many; 0 where none does. Only people read it.
    key: atomic::AtomicU64,
    // Generation::NONE while there is no token, with `WATCHED` while no copy may be used unseen. Written under the lock,
    // read without it.
    generation: AtomicU64,
    state: RwLock<State>,
    pub(super) settings: Arc<Settings>,
}

impl Inner {
    pub(super) fn new(settings: Settings) -> Self {
        Self::with_shared(settings.shared(), 0)
    }

    /// For a derived session: with these settings, and found by the same key.
    pub(super) fn like(other: &Self) -> Self {
        Self::with_shared(other.settings.clone(), other.key.load(Ordering::Relaxed))
    }

    fn with_shared(settings: Arc<Settings>, key: u64) -> Self {
        Self {
            id: SessionId::next(),
            key: atomic::AtomicU64::new(key),
            generation: AtomicU64::new(Generation::NONE.number()),
            state: RwLock::default(),
            settings,
        }
    }

    pub(super) fn name(&self) -> SessionName {
        SessionName { id: self.id, key: NonZeroU64::new(self.key.load(Ordering::Relaxed)).map(KeyHash) }
    }

    // Nothing that runs under the lock leaves the state half changed when it panics: poison means nothing here.
    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state; the generation is told before the lock is released, so that it can't be overtaken.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let before = (state.status(), state.epoch());
        let token = state.generation();
        let result = act(&mut state);
        let watched = if state.login.as_ref().is_some_and(Login::is_watched) { WATCHED } else { 0 };
        self.generation.store(state.generation().number() | watched, Ordering::Release);
        let changed = (state.status(), state.epoch()) != before;
        let children = if changed { state.children() } else { Vec::new() };
        let copies = if state.generation() == token { Vec::new() } else { state.copies() };
        drop(state);
        // Invariants 6 and 9: whoever keeps a copy from now on looks at the new number first.
        copies.into_iter().for_each(|copies| copies.wipe());
        if changed {
            self.tell_status();
        }
        // Invariant 6: when whoever ends a login goes on, it has ended for all.
        children.into_iter().for_each(<dyn Relative>::follow);
        result
    }

    /// As users see it: a derived session is refused where its login is.
    pub(super) fn status(&self) -> Status {
        let (own, parent) = self.read(|state| (state.status(), state.parent().map(|parent| parent.session.clone())));
        match parent {
            Some(parent) if own != Status::LoggedOut && parent.status() == Status::Refused => Status::Refused,
            _ => own,
        }
    }

    /// Ends this login, which another process has ended or replaced: nothing is revoked.
    pub(super) fn end_elsewhere(&self, epoch: Generation) {
        let ended = self.change(|state| {
            let login = state.login.take_if(|login| login.epoch == epoch)?;
            login.part(Parting::default());
            Some(login)
        });
        if ended.is_some() {
            self.listen_no_more();
            events::logged_out_elsewhere(self.name());
            if let Some(shelf) = self.read(|state| state.shelf().cloned()) {
                shelf.ended_elsewhere(self.name().id);
            }
        }
    }

    /// The generation of the current token, without the lock.
    pub(super) fn generation(&self) -> Generation {
        // Acquire: whoever sees a logout's or a renewal's number also sees what was done before it.
        Generation::from_number(self.generation.load(Ordering::Acquire) & !WATCHED)
    }

    /// Whether a copy of the token of this generation may be used without asking.
    #[inline]
    pub(super) fn allows_copy_of(&self, generation: Generation) -> bool {
        self.generation.load(Ordering::Acquire) == generation.number()
    }

    /// Has these copies wiped whenever the token becomes another one, for as long as they are there.
    pub(super) fn wipes(&self, copies: Weak<dyn Copies>) {
        self.change(|state| {
            state.forget_copies();
            state.aside().copies.push(copies);
        });
    }

    /// Forgets copies that are gone. Where somebody has the lock, they are forgotten when the next ones come: whoever drops a layer may
    /// be anywhere.
    pub(super) fn forget_copies(&self) {
        if let Ok(mut state) = self.state.try_write() {
            state.forget_copies();
        }
    }

    /// Notes the hash of the key that finds the session from now on.
    pub(super) fn found_by(&self, key: u64) {
        self.key.store(key, Ordering::Relaxed);
    }
}

/// Acts on the login that the flight is for, while it is under way for it.
pub(super) fn with_login<T>(
    session: &Weak<Inner>,
    order: &Order,
    act: impl FnOnce(&mut Login) -> T,
) -> Result<T, Error> {
    let inner = session.upgrade().ok_or_else(logged_out)?;
    inner.change(|state| {
        let login = state.login.as_mut().filter(|login| login.epoch == order.epoch).ok_or_else(logged_out)?;
        if !login.is_flown_by(order.flight) {
            return Err(Error::new(ErrorKind::RenewalLost, "the renewal was given up before it had ended"));
        }
        Ok(act(login))
    })
}
