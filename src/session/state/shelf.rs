//! Where a session's record stands.

use std::{
    sync::{
        PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{heard::Hearing, sync::Mutex};
use crate::{
    grant::Revoker,
    identity::SessionId,
    store::{Lease, Record, SharedStore, StoreKey, Version},
};

/// A clock can count so far for certain.
const LONGEST_REST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The store of a session, and the key of its record. It outlives logins, and the session where something is left to save.
pub(crate) struct Shelf {
    pub(crate) store: SharedStore,
    pub(crate) key: StoreKey,
    /// What the application calls the owner.
    pub(crate) owner: Option<Box<str>>,
    /// The thumbprint of the key that its tokens are bound to.
    pub(crate) dpop: Option<Box<str>>,
    /// The session is made for a key that was looked up.
    pub(crate) resumed: bool,
    /// How long the record is good without a use, and in all.
    pub(crate) limits: Option<Limits>,
    /// Tells this session's claims from those of others.
    pub(crate) claimant: u64,
    /// How long a look at the store holds while there is traffic.
    pub(crate) news_every: Duration,
    pub(crate) hearing: Hearing,
    /// Who is told that another process has ended the login of this session.
    ended: Option<Box<dyn Fn(SessionId) + Send + Sync>>,
    pending: Mutex<Option<Pending>>,
    failing: AtomicBool,
}

/// How long the record of one among many sessions is good: for all processes together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
}

impl Limits {
    /// How often others are told of a use: late by so little it is as good as told.
    pub(crate) fn touch(self) -> Duration {
        self.idle / 4
    }

    pub(crate) fn allow(self, record: &Record, now: SystemTime) -> bool {
        let since = |time| now.duration_since(time).unwrap_or_default();
        since(record.created) < self.lifetime && since(record.used) < self.idle
    }
}

/// A record that could not be saved yet.
pub(crate) struct Pending {
    pub(crate) record: Record,
    pub(crate) seen: Option<Version>,
    /// Who revokes its tokens, if the login turns out to have been ended.
    pub(crate) revoker: Option<Revoker>,
    /// Held on to: nobody else is to spend what this record replaces.
    pub(crate) lease: Option<Lease>,
}

impl Shelf {
    pub(crate) fn new(store: SharedStore, key: StoreKey, owner: Option<Box<str>>) -> Self {
        let (claimant, news_every) = (fastrand::u64(..), store.news_every().min(LONGEST_REST));
        Self {
            store,
            key,
            owner,
            dpop: None,
            resumed: false,
            limits: None,
            claimant,
            news_every,
            hearing: Hearing::default(),
            ended: None,
            pending: Mutex::default(),
            failing: AtomicBool::new(false),
        }
    }

    /// Of many sessions.
    pub(crate) fn among(store: SharedStore, key: StoreKey, limits: Limits) -> Self {
        Self { limits: Some(limits), ..Self::new(store, key, None) }
    }

    /// For a session that is made because its key was looked up.
    pub(crate) fn resumed_for(self, owner: Option<Box<str>>) -> Self {
        Self { owner, resumed: true, ..self }
    }

    /// For a session whose tokens are bound to the key with this thumbprint, if it has one.
    pub(crate) fn bound_to(self, dpop: Option<Box<str>>) -> Self {
        Self { dpop, ..self }
    }

    pub(crate) fn when_ended_elsewhere(self, ended: impl Fn(SessionId) + Send + Sync + 'static) -> Self {
        Self { ended: Some(Box::new(ended)), ..self }
    }

    /// Never under a lock.
    pub(crate) fn ended_elsewhere(&self, session: SessionId) {
        if let Some(ended) = &self.ended {
            ended(session);
        }
    }

    pub(crate) fn pending<T>(&self, act: impl FnOnce(&mut Option<Pending>) -> T) -> T {
        act(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes whether the store works; says whether that is news.
    pub(crate) fn fails(&self, fails: bool) -> bool {
        self.failing.swap(fails, Ordering::Relaxed) != fails
    }
}
