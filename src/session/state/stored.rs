//! A login and its record: what it makes of one that it finds in the store, and what it writes there.

use std::time::SystemTime;

use secrecy::SecretString;
use tokio::time::Instant;

use super::{doubt::Doubts, known::Known, login::Login, refusal::Refusals, shelf::Shelf};
use crate::{
    clock,
    context::Wish,
    credential::Credential,
    error::Error,
    identity::Generation,
    store::{Owner, Record, Trials, Version},
    token,
};

impl Login {
    /// What the login begins with, besides its grant: its record, and what it knows of the store.
    pub(crate) fn begin(&mut self, shelf: Option<&Shelf>, fresh: bool, record: Option<&Record>, now: Instant) {
        let is_new = record.is_some_and(|record| record.version.epoch() == 0);
        if let Some(shelf) = shelf {
            let known = Known::new(
                self.grant.owner(shelf.owner.clone(), shelf.dpop.clone()),
                fresh || is_new,
                shelf.news_every,
            );
            let known = if shelf.resumed && !fresh { known.resumed(shelf.limits) } else { known };
            self.rare_mut().known = Some(Box::new(known));
        }
        let Some(record) = record else { return };
        // Checked when it was given: what is in it can be used.
        let _ = self.adopt(now, record, 0);
        if let Some(known) = self.known_mut() {
            known.adopted = Generation::NONE;
            if is_new {
                (known.fresh, known.unsaved, known.mine) = (true, true, None);
            }
        }
    }

    /// Takes note of what stands in the store, where it is nothing new. `by` is the session's own claimant.
    pub(crate) fn note(&mut self, found: Option<&Record>, by: u64, now: Instant) {
        let wall = clock::date();
        let has_refresh_token = self.refresh_token.is_some();
        let (mut same, mut drops) = (false, false);
        let Some(known) = self.known_mut() else { return };
        known.looks(now);
        let Some(found) = found else {
            // Lost without a mark: it is written again.
            known.unsaved |= known.mine.is_some();
            known.seen = None;
            return;
        };
        match &known.mine {
            // A mark of a login that is over, or the record of one: this login takes its place.
            None => known.seen = Some(found.version),
            Some(mine) if found.version == mine.version => {
                same = true;
                known.unseen = false;
                // Dropped by whoever was refused with it.
                drops = has_refresh_token && found.refresh_token.is_none() && !known.unsaved;
                // Whoever looks into it claims the record himself, which tells nothing of the refresh token.
                known.doubtful |= is_doubtful(found, by, wall);
            }
            Some(_) => known.unsaved = true,
        }
        if drops {
            self.forget_refresh_token();
        }
        if same {
            self.absorb(&found.trials, now, wall);
        }
    }

    /// Takes over what other processes have learned of the credentials.
    fn absorb(&mut self, trials: &Trials, now: Instant, wall: SystemTime) {
        self.rare_mut().refusals.absorb(trials, now, wall);
        let has_own = self.has_own_credential();
        if let Some(known) = self.known_mut() {
            known.others = (!has_own && !trials.is_quiet()).then(|| Box::new(trials.clone()));
        }
        if let Some(unsure) = trials.refresh_token.as_ref().filter(|_| self.refresh_token.is_some()) {
            let is_next = self.has_next_rung();
            self.rare_mut().doubts.absorb(unsure, is_next, now, wall);
        }
    }

    /// Goes on from a record that is newer than what is known. Gives the generation where its access token is of use; one that
    /// `looks_expired` is tried all the same where it was issued while this login was going on, since clocks differ.
    pub(crate) fn adopt(&mut self, now: Instant, record: &Record, by: u64) -> Result<Option<Generation>, Error> {
        let wall = clock::date();
        let first = self.known().is_none_or(Known::is_first);
        let tokens = record.token_set(wall)?.filter(|tokens| self.takes.allows(tokens.is_bound()));
        if let Some(known) = self.known_mut() {
            known.is_now(record);
            known.looks(now);
            known.is_saved();
            known.doubtful = is_doubtful(record, by, wall);
        }
        let (credential, worked) = (self.credential, self.worked || record.trials.worked);
        self.worked = worked;
        let rare = self.rare_mut();
        (rare.doubts, rare.refusals) = (Doubts::NONE, Refusals::new(credential, worked));
        self.refresh_token.clone_from(&record.refresh_token);
        self.had_refresh_token |= self.refresh_token.is_some();
        self.adopt_granted(record);
        let generation =
            tokens.filter(|_| !(first && record.is_expired(wall))).map(|tokens| self.keep(now, tokens, None));
        self.absorb(&record.trials, now, wall);
        let Some(generation) = generation else { return Ok(None) };
        if let Some(known) = self.known_mut() {
            known.adopted = generation;
        }
        Ok(Some(generation))
    }

    /// Whether a record has a token that is worth a try: one of the session's own, or for what a derived one wants.
    pub(crate) fn is_helped_by(&self, record: &Record, wish: Option<&Wish>) -> bool {
        if let Some(wish) = wish {
            return self.is_helped_with(wish, record);
        }
        let first = self.known().is_none_or(Known::is_first);
        let is_held =
            |token: &SecretString| self.held.as_ref().is_some_and(|held| token::is_carried_by(token, &held.header));
        let is_old = first && record.is_stale(clock::date());
        record.access_token().is_some_and(|token| !is_held(token)) && !is_old && self.takes.allows(record.is_bound())
    }

    /// The record of this login as it is now.
    pub(crate) fn record(&self, now: Instant) -> Record {
        let wall = clock::date();
        let mut record = Record::nothing(wall);
        if let Some(tokens) = self.token_set() {
            let expires_at = self.expires_at(now);
            record = record.with_tokens(tokens, wall).ending_at(expires_at);
        }
        record = self.with_granted(record, now);
        record.refresh_token.clone_from(&self.refresh_token);
        let others = self.known().and_then(|known| known.others.as_deref().cloned());
        record.trials = others.unwrap_or_else(|| self.rare().refusals.trials(now, wall));
        record.trials.worked = self.worked;
        let doubts = self.rare().doubts.told(now, wall).filter(|_| self.refresh_token.is_some());
        record.trials.refresh_token = doubts.map(Box::new);
        let Some(known) = self.known() else { return record };
        match &known.mine {
            Some(mine) => {
                record.version = mine.version;
                record.owner.clone_from(&mine.owner);
                record.created = mine.created;
            }
            None => {
                let later = known.seen.map_or(0, |seen| seen.epoch().saturating_add(1));
                record.version = Version::first(Version::epoch_at(wall).max(later));
            }
        }
        record.owner.get_or_insert_with(|| Owner::new(&known.facts));
        record
    }

    /// The version that another process is to renew, if one is to be asked now: nothing is left here to renew it with, or nothing
    /// but a refresh token that a process which died may have spent, or that was refused.
    pub(crate) fn wants(&self, now: Instant) -> Option<Version> {
        let known = self.known().filter(|_| !self.has_own_credential())?;
        let is_lost = self.refresh_token.is_none() || known.is_doubtful() || self.rare().doubts.is_refused();
        known.version().filter(|_| is_lost && known.asks.are_due(now))
    }

    /// Others were asked, and nobody renewed. Says whether it is the first time.
    pub(crate) fn asked_in_vain(&mut self, now: Instant) -> bool {
        self.known_mut().is_some_and(|known| known.asks.in_vain(now))
    }

    /// Whether there is something besides a refresh token.
    pub(crate) fn has_own_credential(&self) -> bool {
        self.credential != Credential::RefreshToken
    }

    pub(crate) fn known(&self) -> Option<&Known> {
        self.rare().known.as_deref()
    }

    pub(crate) fn known_mut(&mut self) -> Option<&mut Known> {
        self.rare.as_mut()?.known.as_deref_mut()
    }
}

/// Whether somebody else may have spent the refresh token, and nobody knows what came of it.
fn is_doubtful(record: &Record, by: u64, wall: SystemTime) -> bool {
    record.spending.is_some_and(|spending| spending.by != by && !spending.is_void() && spending.left(wall).is_zero())
}
