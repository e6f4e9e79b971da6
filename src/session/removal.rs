//! A logout reaches the store: a mark takes the place of the record, and its tokens are gone from there.
//!
//! The mark and the removal are one step, so that no process finds the record between them. It holds no secrets, and keeps others
//! from bringing the login back, whatever they still hold.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::state::{Known, Login, Shelf};
use crate::{
    clock,
    error::Error,
    identity::SessionName,
    store::{Record, Saved, Version},
};

/// Whoever is overtaken so often tries again later.
const ROUNDS: u32 = 8;
/// The first attempt, for which the caller of the logout may wait.
const LIMIT: Duration = Duration::from_secs(4);
/// Between two further attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a logout has to do in the store.
pub(super) struct Removal {
    shelf: Arc<Shelf>,
    known: Known,
    /// The login that is meant: what was found first, else one that had begun by the time of the logout.
    meant: Option<u64>,
    until: u64,
    first: bool,
    /// What stood there, if its tokens are newer than those in memory: they are to be revoked.
    found: Option<Record>,
}

impl Removal {
    pub(super) fn new(shelf: Arc<Shelf>, login: &Login) -> Option<Self> {
        // What could not be saved is not for the store any more.
        shelf.pending(|pending| pending.take());
        let (known, until) = (login.known()?.clone(), Version::epoch_at(clock::date()));
        Some(Self { shelf, known, meant: None, until, first: true, found: None })
    }

    /// Gives the record that stood there, if its tokens are newer than those in memory, so that they can be revoked.
    pub(super) async fn run(&mut self, session: SessionName) -> Result<Option<Record>, Error> {
        let slow = |_| Err(Error::store("the record could not be removed within 4 s"));
        timeout(LIMIT, self.attempt(session)).await.unwrap_or_else(slow)
    }

    /// Tries until it is done.
    pub(super) async fn go_on(mut self, session: SessionName) -> Option<Record> {
        let mut pause = PAUSE.0;
        loop {
            if let Ok(found) = self.run(session).await {
                return found;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn attempt(&mut self, session: SessionName) -> Result<Option<Record>, Error> {
        for _ in 0..ROUNDS {
            let first = std::mem::replace(&mut self.first, false);
            let found = self.shelf.load(session).await?;
            let own = self.known.version();
            // At the first look there is what the caller meant, whatever the clocks say.
            let meant = found.as_ref().map(|found| found.version().epoch()).filter(|_| first);
            let until = *self.meant.get_or_insert_with(|| meant.unwrap_or(self.until));
            let last = match (&found, own) {
                // Logged out already, or a later login took its place.
                (Some(found), Some(own)) if found.version().epoch() > own.epoch() => return Ok(None),
                (Some(found), None) if found.version().epoch() > until => return Ok(self.found.take()),
                // By an attempt that seemed to fail, perhaps.
                (Some(found), _) if found.is_logged_out() => return Ok(self.found.take()),
                // Of somebody else: it is not ours to end.
                (Some(found), None) if !self.known.owns(found) && !self.known.is_fresh() => return Ok(None),
                (Some(found), own) => Some(own.map_or(found.version(), |own| found.version().max(own))),
                (None, own) => own,
            };
            let Some(last) = last else { return Ok(None) };
            // Another owner's are none of our endpoint's business.
            let is_newer = |found: &Record| own.is_none_or(|own| found.version() > own);
            self.found = found.filter(|found| self.known.owns(found) && is_newer(found));
            let mark = Record::mark(last.next(), clock::date());
            let seen: Option<Version> = Some(last);
            if let Saved::Saved = self.shelf.save(session, &mark, seen).await? {
                return Ok(self.found.take());
            }
        }
        Err(Error::store("other processes saved something newer again and again"))
    }
}
