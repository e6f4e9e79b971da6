//! A flight's way through the store: look, lease, look again, claim, and after the answer save.
//!
//! 1. What others have saved is adopted before anything is sent.
//! 2. A token request goes out only with the lease, where the store knows leases, and after a claim was written that says until
//!    when the request may still arrive. Whoever finds another's claim waits until it is over, and looks again. That may take as
//!    long as a renewal; the flight's own limit counts from its own claim.
//! 3. A holder of the lease that claims nothing for a while, stopped perhaps, is passed over. What protects then is the version:
//!    each save compares it.
//! 4. New tokens are saved before anybody is handed them. Where that fails, they are handed out after two seconds, the lease is
//!    held on to, and [`pending`](super::pending) goes on.
//! 5. Whoever has nothing to send but what may be dead asks the others first: they may have a credential.
//! 6. Where the store cannot be reached, a refresh token that stands in it is never spent.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    asks::{Asked, ask},
    holding::Holding,
    inner::{Inner, with_login},
    look::{Look, look},
    overtaken::{is_useless, overtaken},
    pending,
    state::{Brought, Known, Order, Pending, Rung, Shelf, claim},
};
use crate::{
    clock,
    error::{Error, ErrorKind, TokenVerdict},
    events,
    store::{Leased, Record, Saved, Trials, Version},
    token::TokenSet,
};

/// A holder of the lease that claims nothing is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever is overtaken so often gives up for now.
const ROUNDS: u32 = 16;

/// What a flight holds of the store while its token request is under way.
pub(super) struct Visit {
    lease: Holding,
    /// As it stands in the store, with the claim.
    pub(super) record: Record,
    seen: Option<Version>,
    /// Of a login that begins here, nothing stands in the store before it has tokens.
    fresh: bool,
    /// Without the store, this rung and no other.
    only: Option<Rung>,
    /// The refresh token stands in no store.
    free: bool,
}

pub(super) enum Entered {
    /// Another process was first.
    Found(Box<Record>),
    Visit(Box<Visit>),
}

/// Before anything is sent.
pub(super) async fn enter(
    session: &Weak<Inner>,
    order: &mut Order,
    shelf: &Arc<Shelf>,
    limit: &mut Instant,
) -> Result<Entered, Error> {
    let (name, end, whole) = (order.session, *limit, limit.saturating_duration_since(Instant::now()));
    let mut lease = Holding::of_pending(shelf);
    let (mut asked, mut patience) = (lease.is_held(), Instant::now() + PATIENCE);
    let ((mut pause, longest), mut rounds) = (shelf.begin_to_wait(), 0);
    loop {
        let looked = look(session, order, shelf).await?;
        if let Some(inner) = session.upgrade() {
            inner.listen(shelf);
        }
        let claim_there = match looked {
            Look::Found(record) => return Ok(Entered::Found(record)),
            Look::Same(claim) => claim,
            Look::Failed(error) => return without(session, order, lease, (error, false)),
        };
        match with_login(session, order, |login| login.held_back(Instant::now()))? {
            // It was held back by the store alone, and that works again.
            Some(error) if error.kind() == ErrorKind::Store => order.looks = false,
            Some(error) => {
                drop(lease);
                return match ask(session, order, shelf, end).await? {
                    Asked::Found(record) => Ok(Entered::Found(record)),
                    Asked::Changed | Asked::Nobody => Err(error),
                };
            }
            None if order.looks => return Err(Error::store("there is nothing new in the store")),
            None => {}
        }
        let foreign = claim_there.filter(|claim| claim.by != shelf.claimant);
        let left = foreign.map_or(Duration::ZERO, |spending| spending.left(clock::date()));
        if !left.is_zero() {
            // A record says how long it is: whatever it says, it is no longer than this flight.
            patience = Instant::now().checked_add(left.max(PATIENCE)).unwrap_or(end);
        }
        if !lease.is_held() && left.is_zero() {
            match ask(session, order, shelf, end).await? {
                Asked::Found(record) => return Ok(Entered::Found(record)),
                Asked::Changed => continue,
                Asked::Nobody => {}
            }
        }
        let mut taken = false;
        if !asked && left.is_zero() {
            match shelf.lease(name).await {
                Ok(Leased::Held(held)) => {
                    // What happened before is seen now.
                    lease.take(held);
                    asked = true;
                    continue;
                }
                Ok(Leased::Unknown) => asked = true,
                Ok(Leased::Taken) if Instant::now() >= patience => {
                    events::lease_passed_over(name);
                    asked = true;
                }
                Ok(Leased::Taken) => taken = true,
                Err(error) => return without(session, order, lease, (error, true)),
            }
        }
        if !taken && left.is_zero() {
            // What it took to wait for others is not taken from the token request: that would be cut off, and its answer lost.
            *limit = Instant::now() + whole;
            let (record, seen, fresh, has_own) = with_login(session, order, |login| {
                login.flies_until(*limit);
                let fresh = login.known().is_none_or(|known| known.is_fresh() && known.version().is_none());
                let seen = login.known().and_then(|known| known.seen());
                (login.record(Instant::now()), seen, fresh, login.has_own_credential())
            })?;
            // A login that begins here must not end the one before it, until it has tokens. One that has nothing to send leaves no
            // trace.
            let is_empty = record.refresh_token().is_none() && !has_own;
            if (fresh && seen.is_some()) || is_empty {
                return Ok(Visit { lease, record, seen, fresh, only: None, free: true }.into());
            }
            let spending = Some(claim(shelf.claimant, whole));
            let record = Record { spending, ..record };
            match shelf.save(name, &record, seen).await {
                Ok(Saved::Saved) => {
                    // What waited to be saved stands there now.
                    shelf.pending(|pending| pending.take_if(|pending| pending.record.version == record.version));
                    let noted = with_login(session, order, |login| {
                        if let Some(known) = login.known_mut() {
                            known.is_now(&record);
                            known.is_saved();
                        }
                    });
                    let seen = Some(record.version);
                    let mut visit = Visit { lease, record, seen, fresh: false, only: None, free: true };
                    if let Err(error) = noted {
                        visit.release(session, order, &error.clone().not_sent()).await;
                        return Err(error);
                    }
                    return Ok(visit.into());
                }
                // Another one was first: what it wrote is looked at.
                Ok(Saved::Overtaken(_)) => {}
                Err(error) => return without(session, order, lease, (error, true)),
            }
            rounds += 1;
        }
        if Instant::now() + pause >= end || rounds >= ROUNDS {
            return Err(Error::store("another process renews this token, and does not come to an end"));
        }
        shelf.pause(if left.is_zero() { pause } else { pause.min(left) }).await;
        pause = (pause * 2).min(longest);
    }
}

/// The store cannot be reached: what it may hold is not spent (DESIGN 10.9). `looked`: it could be read a moment ago.
fn without(
    session: &Weak<Inner>,
    order: &Order,
    lease: Holding,
    (error, looked): (Error, bool),
) -> Result<Entered, Error> {
    if order.looks {
        return Err(error);
    }
    let (record, seen, fresh, (free, rung)) = with_login(session, order, |login| {
        let known = login.known();
        let fresh = known.is_none_or(|known| known.is_fresh());
        let free = known.is_none_or(|known| known.is_free(looked));
        let rung = login.rung_without_store(Instant::now(), free);
        (login.record(Instant::now()), known.and_then(|known| known.seen()), fresh, (free, rung))
    })?;
    let Some(rung) = rung? else { return Err(error) };
    Ok(Visit { lease, record, seen, fresh, only: Some(rung), free }.into())
}

impl Visit {
    /// The rung to take where the store cannot be reached.
    pub(super) fn only(&self) -> Option<Rung> {
        self.only
    }

    /// Whether the refresh token may be spent: it stands in no store, or that can be reached.
    pub(super) fn is_free(&self) -> bool {
        self.free
    }

    /// Gives claim and lease back before others are asked. Says whether that is done: they must not find the refresh token that was
    /// refused.
    pub(super) async fn give_back(&mut self, session: &Weak<Inner>, order: &Order, error: &Error) -> bool {
        let is_done = self.only.is_none() && self.release(session, order, error).await;
        if is_done {
            self.record.spending = None;
            self.lease = Holding::nothing(self.lease.shelf());
        }
        is_done
    }

    /// A look before a refusal is believed.
    pub(super) async fn look(&self, session: &Weak<Inner>, order: &Order) -> Option<Box<Record>> {
        match look(session, order, self.lease.shelf()).await {
            Ok(Look::Found(record)) => Some(record),
            _ => None,
        }
    }

    /// Saves the tokens before anybody is handed them.
    pub(super) async fn keep(
        &mut self,
        session: &Weak<Inner>,
        order: &Order,
        tokens: TokenSet,
    ) -> Result<Brought, Error> {
        // Invariant 6: what comes after a logout is not for the store. The landing revokes it.
        if order.parting().revoke {
            return Ok(Brought::Tokens(tokens));
        }
        let wall = clock::date();
        // One that was refused in this flight is not kept for others.
        if let Ok(left) = with_login(session, order, |login| login.refresh_token.clone()) {
            self.record.refresh_token = left;
        }
        let record = self.record.clone();
        let mut record = match &order.wish {
            Some(wish) => record.granting(wish, &tokens, wall),
            None => record.with_tokens(tokens.clone(), wall),
        };
        record.version = if self.fresh { record.version } else { record.version.next() };
        record.spending = None;
        record.trials = Trials { worked: record.trials.worked || order.spent.is_none(), ..Trials::default() };
        let mut rounds = 0;
        let saved = loop {
            rounds += 1;
            match self.lease.shelf().save(order.session, &record, self.seen).await {
                // The login before this one went on: this one takes its place all the same.
                Ok(Saved::Overtaken(older)) if self.fresh && rounds < ROUNDS => {
                    let epoch = record.version.epoch().max(older.version.epoch().saturating_add(1));
                    (record.version, self.seen) = (Version::first(epoch), Some(older.version));
                }
                // It had not been seen, and helps nobody: this is the next one after it.
                Ok(Saved::Overtaken(older))
                    if self.seen.is_none() && rounds < ROUNDS && is_useless(session, order, &older) =>
                {
                    (record.version, self.seen) = (older.version.next(), Some(older.version));
                    (record.owner, record.created) = (older.owner, older.created);
                    record.refresh_token = record.refresh_token.or(older.refresh_token);
                }
                saved => break saved,
            }
        };
        // Nor does what was saved in the meantime bring the login back.
        if order.parting().revoke {
            self.mark(session, order, record.version).await;
            return Ok(Brought::Tokens(tokens));
        }
        match saved {
            Ok(Saved::Saved) => {
                self.lease.shelf().pending(|pending| pending.take());
                Ok(Brought::Saved { tokens, record: Box::new(record), unsaved: false })
            }
            Ok(Saved::Overtaken(newer)) => {
                self.lease.shelf().pending(|pending| pending.take());
                overtaken(session, order, &tokens, &newer)
            }
            Err(_) => {
                let (lease, revoker) = (self.lease.give(), order.revoker.clone());
                // What takes an older one's place compares by its own version; what has not seen the store yet takes nobody's.
                let is_own = self.fresh || self.seen.is_some_and(|seen| seen.epoch() == record.version.epoch());
                let seen = if is_own { Some(record.version) } else { self.seen };
                let pending = Pending { record: record.clone(), seen, revoker, lease };
                pending::save_later(session, order.session, order.epoch, self.lease.shelf(), pending);
                Ok(Brought::Saved { tokens, record: Box::new(record), unsaved: true })
            }
        }
    }

    /// Puts the mark of a logout over what this flight saved.
    async fn mark(&self, session: &Weak<Inner>, order: &Order, version: Version) {
        let record = Record::mark(version.next(), clock::date());
        let seen = Some(record.version);
        if self.lease.shelf().save(order.session, &record, seen).await.is_err() {
            let pending = Pending { record, seen, revoker: None, lease: None };
            pending::save_later(session, order.session, order.epoch, self.lease.shelf(), pending);
        }
    }

    /// Takes the claim back, and leaves word of what the server said. Says whether it stands in the store.
    pub(super) async fn release(&mut self, session: &Weak<Inner>, order: &Order, error: &Error) -> bool {
        let wall = clock::date();
        if let Some(spending) = self.record.spending {
            if order.parting().revoke {
                self.mark(session, order, self.record.version).await;
                return false;
            }
            let left = with_login(session, order, |login| {
                let doubtful = login.known().map(Known::is_doubtful);
                (login.record(Instant::now()), doubtful)
            });
            let doubtful = left.as_ref().is_ok_and(|(_, doubtful)| *doubtful == Some(true));
            if let Ok((record, Some(_))) = left {
                self.record.trials = record.trials;
                self.record.refresh_token = record.refresh_token;
            }
            self.record.spending = Some(match error.verdict(order.session.id) {
                TokenVerdict::Broken { .. } if error.status().is_none() => spending,
                TokenVerdict::Broken { .. } => spending.over(wall),
                // What another process began is as uncertain as before.
                _ if doubtful => spending.over(wall),
                _ => spending.void(),
            });
            // Where it fails the claim ends by itself.
            return matches!(self.lease.shelf().save(order.session, &self.record, self.seen).await, Ok(Saved::Saved));
        }
        true
    }
}

impl From<Visit> for Entered {
    fn from(visit: Visit) -> Self {
        Self::Visit(Box::new(visit))
    }
}
