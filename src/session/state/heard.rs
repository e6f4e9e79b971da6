//! A session's ear at the store, and what it makes of what it hears.

use std::{sync::PoisonError, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::sync::Mutex;
use crate::store::{Listening, Version};

/// Between two looks that words ask for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Between two renewals for others. Whoever may speak to the store may ask without end.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(4);

/// What a session hears of its record.
#[derive(Default)]
pub(crate) struct Hearing {
    /// Wakes the flight that waits for others. It keeps a word that comes while nobody waits.
    pub(crate) woken: Notify,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// The store was asked to tell.
    asked: bool,
    listening: Option<Listening>,
    /// The version that the session itself saved last: it is told of that, too.
    own: Option<Version>,
    looks: Looks,
    looked: Option<Instant>,
    /// What others want renewed, and was not known here when they said so.
    wanted: Option<Version>,
    /// When others were renewed for last.
    renewed: Option<Instant>,
    /// Somebody waits for the next turn to do so.
    waits: bool,
}

/// Looks that news ask for: one at a time, and one more for what came meanwhile.
#[derive(Default, PartialEq, Eq)]
enum Looks {
    #[default]
    No,
    Once,
    Again,
}

impl Hearing {
    /// Begins to listen, unless that was done. `begin` is the store's code: it runs without the lock, and may be told something at
    /// once.
    pub(crate) fn listen(&self, begin: impl FnOnce() -> Option<Listening>) {
        if self.heard(|heard| std::mem::replace(&mut heard.asked, true)) {
            return;
        }
        let listening = begin();
        let _older = self.heard(|heard| std::mem::replace(&mut heard.listening, listening));
    }

    pub(crate) fn listen_no_more(&self) {
        let _older = self.heard(|heard| {
            heard.asked = false;
            heard.listening.take()
        });
    }

    /// Whether the store tells what others do.
    pub(crate) fn carries_news(&self) -> bool {
        self.heard(|heard| heard.listening.is_some())
    }

    /// The session is about to save this version.
    pub(crate) fn saves(&self, version: Version) {
        self.heard(|heard| heard.own = Some(version));
    }

    pub(crate) fn is_own(&self, version: Version) -> bool {
        self.heard(|heard| heard.own == Some(version))
    }

    /// Whether whoever was told of something looks now; if not, somebody else does, and will again.
    pub(crate) fn begins_look(&self) -> bool {
        self.heard(|heard| {
            let is_first = heard.looks == Looks::No;
            heard.looks = if is_first { Looks::Once } else { Looks::Again };
            is_first
        })
    }

    /// When the next look may begin.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.heard(|heard| heard.looked.map(|looked| looked + BETWEEN_LOOKS))
    }

    /// A look begins: it sees whatever was told until now.
    pub(crate) fn looks(&self, now: Instant) {
        self.heard(|heard| (heard.looks, heard.looked) = (Looks::Once, Some(now)));
    }

    /// Ends a look; says whether another one is to follow.
    pub(crate) fn looks_again(&self) -> bool {
        self.heard(|heard| {
            let again = heard.looks == Looks::Again;
            if !again {
                (heard.looks, heard.wanted) = (Looks::No, None);
            }
            again
        })
    }

    /// Nobody looks any more.
    pub(crate) fn looks_no_more(&self) {
        self.heard(|heard| (heard.looks, heard.wanted) = (Looks::No, None));
    }

    /// Others want this version renewed; it is to be looked for first.
    pub(crate) fn wants(&self, dead: Version) {
        self.heard(|heard| heard.wanted = heard.wanted.max(Some(dead)));
    }

    pub(crate) fn wanted(&self) -> Option<Version> {
        self.heard(|heard| heard.wanted)
    }

    /// Whether others may be renewed for now; if so, that counts as done. If not, when it is their turn, for one who waits until then.
    pub(crate) fn renews_for_others(&self, now: Instant) -> Result<(), Option<Instant>> {
        self.heard(|heard| {
            let turn = heard.renewed.map(|renewed| renewed + BETWEEN_RENEWALS).filter(|turn| *turn > now);
            let Some(turn) = turn else {
                // Whoever waited for a runtime that has ended waits no more.
                (heard.renewed, heard.waits) = (Some(now), false);
                return Ok(());
            };
            let waits = std::mem::replace(&mut heard.waits, true);
            Err((!waits).then_some(turn))
        })
    }

    /// Whoever waited for the next turn waits no more.
    pub(crate) fn has_waited(&self) {
        self.heard(|heard| heard.waits = false);
    }

    fn heard<T>(&self, act: impl FnOnce(&mut Heard) -> T) -> T {
        act(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
