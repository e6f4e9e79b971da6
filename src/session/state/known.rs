//! What a login knows of its record in the store, and what it makes of one that it finds there.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{asks::Asks, shelf::Limits};
use crate::{
    clock,
    error::Error,
    identity::Generation,
    store::{Owner, OwnerFacts, Record, Spending, Trials, Version},
};

/// How long a look at the store holds while the session has nothing good.
const LOOK: Duration = Duration::from_secs(1);

/// What a login knows of its record.
#[derive(Clone)]
pub(crate) struct Known {
    pub(super) facts: OwnerFacts,
    /// How long a look at the store holds while there is traffic.
    pub(crate) news_every: Duration,
    /// It was looked up by its key: without a record, or with one that is too old, there is no such login.
    pub(super) resumed: Option<Limits>,
    /// The login begins here: nothing that stands in the store is for it.
    pub(super) fresh: bool,
    /// The version that stands there, where it is another login's.
    pub(super) seen: Option<Version>,
    pub(super) mine: Option<Mine>,
    /// What memory holds is not in the store.
    pub(crate) unsaved: bool,
    /// Nor was it ever seen there: nobody else has it.
    pub(super) unseen: bool,
    pub(super) looked: Option<Instant>,
    /// When others were told last that it is used.
    pub(super) used: Option<SystemTime>,
    /// The refresh token may have been spent by a process that died.
    pub(super) doubtful: bool,
    /// The token that was found in the store, not fetched.
    pub(super) adopted: Generation,
    pub(super) asks: Asks,
    /// What others know of a credential that this login has not: it is handed on.
    pub(super) others: Option<Box<Trials>>,
}

/// The record of this login, but for its tokens.
#[derive(Clone)]
pub(super) struct Mine {
    pub(super) version: Version,
    pub(super) owner: Option<Owner>,
    pub(super) created: SystemTime,
}

/// What a record that was found is to a login.
pub(crate) enum Found {
    /// Nothing that it does not know.
    Same,
    News(Box<Record>),
    /// The login was ended elsewhere, or another one took its place.
    Ended,
    /// There is no login of this key.
    Nobody,
    /// It is not for this session.
    Foreign(Error),
}

impl Known {
    pub(crate) fn new(facts: OwnerFacts, fresh: bool, news_every: Duration) -> Self {
        Self {
            facts,
            news_every,
            resumed: None,
            fresh,
            seen: None,
            mine: None,
            unsaved: false,
            unseen: false,
            looked: None,
            used: None,
            doubtful: false,
            adopted: Generation::NONE,
            asks: Asks::NONE,
            others: None,
        }
    }

    /// One that was looked up by its key.
    pub(super) fn resumed(self, limits: Option<Limits>) -> Self {
        Self { resumed: limits, ..self }
    }

    /// When the store is to be looked at again for the sake of news alone.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.looked.map(|looked| looked + self.news_every)
    }

    /// Whether a session that has nothing good may look.
    pub(crate) fn may_look(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| now >= looked + LOOK)
    }

    pub(crate) fn looks(&mut self, now: Instant) {
        self.looked = Some(now);
    }

    /// What whoever saves has seen last.
    pub(crate) fn seen(&self) -> Option<Version> {
        self.mine.as_ref().map(|mine| mine.version).or(self.seen)
    }

    /// The version of the login's own record.
    pub(crate) fn version(&self) -> Option<Version> {
        self.mine.as_ref().map(|mine| mine.version)
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Whether it has not seen its own record yet.
    pub(super) fn is_first(&self) -> bool {
        self.mine.is_none()
    }

    pub(crate) fn has_adopted(&self, generation: Generation) -> bool {
        self.adopted == generation
    }

    /// Whether a record may be of this owner.
    pub(crate) fn owns(&self, record: &Record) -> bool {
        self.has_key_of(record) && self.has_owner_of(record)
    }

    fn has_owner_of(&self, record: &Record) -> bool {
        record.owner.as_ref().is_none_or(|owner| owner.is(&self.facts))
    }

    fn has_key_of(&self, record: &Record) -> bool {
        record.is_for_key(self.facts.dpop.as_deref())
    }

    /// Whether others are to be told that it is used; they count as told then.
    pub(crate) fn is_to_touch(&mut self, every: Duration, now: SystemTime) -> bool {
        let told = self.used.filter(|_| self.mine.is_some());
        let is_due = told.is_some_and(|used| used + every <= now);
        if is_due {
            self.used = Some(now);
        }
        is_due
    }

    /// Notes what the login's record is from now on.
    pub(crate) fn is_now(&mut self, record: &Record) {
        if self.version() != Some(record.version) {
            (self.asks, self.others) = (Asks::NONE, None);
        }
        self.fresh = false;
        self.used = Some(record.used);
        self.mine = Some(Mine { version: record.version, owner: record.owner.clone(), created: record.created });
    }

    /// Notes new tokens of the login's own. While it has not seen the store and could not save them, what stands there may still
    /// be its record.
    pub(crate) fn brings(&mut self, record: &Record, unsaved: bool) {
        if !unsaved || self.fresh || self.mine.is_some() {
            self.is_now(record);
        }
        (self.unsaved, self.unseen, self.doubtful) = (unsaved, unsaved, false);
    }

    /// It stands in the store as it is here.
    pub(crate) fn is_saved(&mut self) {
        (self.unsaved, self.unseen) = (false, false);
    }

    /// Whether the refresh token stands in no store. One that could not be saved may stand there all the same, by an answer that
    /// was lost: there must have been a look since. `looked`: just now, and it was not there.
    pub(crate) fn is_free(&self, looked: bool) -> bool {
        self.fresh || (looked && self.unseen)
    }

    /// Whether a version that others saved is to be looked at.
    pub(crate) fn is_news(&self, version: Version) -> bool {
        !self.fresh && self.seen() != Some(version)
    }

    /// What a record is to this login, which has a credential of its own or has not.
    pub(crate) fn judge(&self, found: Option<&Record>, has_own: bool) -> Found {
        let limits = self.resumed.filter(|_| self.is_first());
        let Some(found) = found else { return if limits.is_some() { Found::Nobody } else { Found::Same } };
        let Some(mine) = &self.mine else {
            return match () {
                () if self.fresh => Found::Same,
                () if limits.is_some_and(|limits| found.is_logged_out() || !limits.allow(found, clock::date())) => {
                    Found::Nobody
                }
                () if found.is_logged_out() => {
                    if has_own {
                        Found::Same
                    } else {
                        Found::Ended
                    }
                }
                () if self.owns(found) => Found::News(Box::new(found.clone())),
                () if self.has_key_of(found) => Found::Foreign(foreign()),
                () => Found::Foreign(other_key()),
            };
        };
        if found.is_logged_out() {
            return if found.version.epoch() >= mine.version.epoch() { Found::Ended } else { Found::Same };
        }
        if found.version <= mine.version {
            return Found::Same;
        }
        let is_named = found.owner.as_ref().is_some_and(Owner::is_named);
        let goes_on = found.version.epoch() == mine.version.epoch() || is_named;
        match () {
            () if goes_on && self.owns(found) => Found::News(Box::new(found.clone())),
            // Another process goes on with it, by a key that was not given to this one: nobody has logged out.
            () if goes_on && self.has_owner_of(found) => Found::Foreign(other_key()),
            () => Found::Ended,
        }
    }
}

pub(crate) fn foreign() -> Error {
    Error::store(
        "the stored record belongs to another owner: another user, client, token endpoint or kind of grant, or another \
         `owner`; `Session::login` writes a new one in its place",
    )
}

pub(crate) fn other_key() -> Error {
    Error::store(
        "the stored record is bound to another DPoP key than the session's: give the session the key that the login began with; \
         `Session::login` writes a new record in its place",
    )
}

/// A claim for as long as a token request may take.
pub(crate) fn claim(by: u64, time: Duration) -> Spending {
    let since = clock::date();
    Spending { by, since, until: since + time }
}
