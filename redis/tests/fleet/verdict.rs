//! What has to come of a run, worked out from what was done in it.
//!
//! A login ends when one of its refresh tokens comes twice. Nobody can help that if all processes that knew the pair which the
//! first use brought were killed, and the store has none of it: it was never saved, or a server without it was promoted; or if the
//! answer came too late for anybody. And whoever sends it for the second time has to have waited until the first request could not
//! be under way any more. Everything else is a fault.

use std::{collections::BTreeMap, fmt};

use super::{
    Kind, PROCESSES, SESSIONS,
    ledger::{Answer, Asked, Book, Millis, Replica, Token, clock},
};

/// A refresh token that came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Twice {
    /// Its answer was never saved, and who had it was killed.
    Unsaved,
    /// Its answer was saved, and taken back; all who had it were killed.
    TakenBack,
    /// Its answer came after the longest time that a renewal takes, and was lost.
    TooLate,
    /// It was refused before, and so nothing came of it.
    Refused,
    /// Fault: its answer was in the store.
    Careless,
    /// Fault: the process that knew its answer lived, and had not saved it yet.
    HolderLives,
    /// Fault: its answer was saved, and taken back; a process that knew it lived.
    HolderLivesTakenBack,
    /// Fault: the first request might still be under way.
    Early,
}

impl Twice {
    fn is_fault(self) -> bool {
        !self.cannot_be_helped() && self != Self::Refused
    }

    fn cannot_be_helped(self) -> bool {
        matches!(self, Self::Unsaved | Self::TakenBack | Self::TooLate)
    }
}

pub(crate) struct Verdict {
    pub(crate) twice: Vec<(Twice, Asked)>,
    /// Sessions without a password anywhere that do not work any more, and whether that had to be.
    pub(crate) lost: BTreeMap<usize, bool>,
    /// Last calls that failed where none had to.
    pub(crate) failed: Vec<(usize, usize, String)>,
}

impl Verdict {
    pub(crate) fn of(book: &Book) -> Self {
        let twice: Vec<_> =
            book.asked.iter().enumerate().filter_map(|(number, asked)| judge(book, number, asked)).collect();
        let (mut lost, mut failed) = (BTreeMap::new(), Vec::new());
        for session in 0..SESSIONS {
            let ends = (0..PROCESSES).map(|process| (process, book.last.get(&(session, process))));
            let bad: Vec<_> = ends.filter(|(_, end)| end.is_none_or(|end| end != "200")).collect();
            if Kind::of(session) == Kind::Nobody && !bad.is_empty() {
                let of_it = || twice.iter().filter(|(_, asked)| asked.session == session).map(|(twice, _)| *twice);
                let had_to = of_it().any(Twice::cannot_be_helped) && !of_it().any(Twice::is_fault);
                lost.insert(session, had_to);
            } else {
                failed.extend(bad.into_iter().map(|(process, end)| (session, process, format!("{end:?}"))));
            }
        }
        Self { twice, lost, failed }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failed.is_empty()
            && self.lost.values().all(|had_to| *had_to)
            && !self.twice.iter().any(|(twice, _)| twice.is_fault())
    }

    /// Sessions that something is wrong with.
    pub(crate) fn faulty(&self) -> Vec<usize> {
        let twice = self.twice.iter().filter(|(twice, _)| twice.is_fault()).map(|(_, asked)| asked.session);
        let lost = self.lost.iter().filter(|(_, had_to)| !**had_to).map(|(session, _)| *session);
        let mut all: Vec<_> = twice.chain(lost).chain(self.failed.iter().map(|(session, ..)| *session)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn judge(book: &Book, number: usize, asked: &Asked) -> Option<(Twice, Asked)> {
    let token = asked.spent?;
    let earlier = || book.asked[..number].iter().filter(|earlier| earlier.spent == Some(token));
    let first = earlier().next()?;
    if earlier().any(|earlier| earlier.answer == Answer::Refused) {
        return Some((Twice::Refused, asked.clone()));
    }
    let lives = |by: Replica| !book.is_dead(by, asked.at);
    let may_be_under_way = is_claimed(book, first.by, token, asked.at);
    let twice = match first.answer {
        Answer::None | Answer::Refused if may_be_under_way => Twice::Early,
        Answer::None | Answer::Refused => Twice::Unsaved,
        Answer::Brought(brought, at) => {
            let held = book.held.get(&brought).map_or(&[][..], Vec::as_slice);
            let kept: Vec<_> = held.iter().filter(|held| held.to <= asked.at).collect();
            let is_taken_back =
                !kept.is_empty() && kept.iter().all(|held| is_taken_back(book, held.from, held.to, asked.at));
            match (!kept.is_empty(), is_taken_back, lives(first.by) || kept.iter().any(|held| lives(held.by))) {
                (true, false, _) => Twice::Careless,
                (true, true, true) => Twice::HolderLivesTakenBack,
                (true, true, false) => Twice::TakenBack,
                (false, ..) if may_be_under_way => Twice::Early,
                (false, ..) if is_too_late(book, first.by, token, at) => Twice::TooLate,
                (false, _, true) => Twice::HolderLives,
                (false, ..) => Twice::Unsaved,
            }
        }
    };
    Some((twice, asked.clone()))
}

/// Whether the store may have none of what it was told in this time, since a server took its place that did not hear it.
fn is_taken_back(book: &Book, from: Millis, to: Millis, now: Millis) -> bool {
    book.taken_back.iter().any(|(since, till)| *till <= now && to >= *since && from <= *till)
}

/// Whether the store says that the token may be on its way to the server.
fn is_claimed(book: &Book, by: Replica, token: Token, now: Millis) -> bool {
    // A process reads the clock before it writes.
    const SLACK: Millis = 5;
    let claims = book.claimed.iter().filter(|claimed| claimed.by == by && claimed.token == token);
    let is_dead = book.is_dead(by, now);
    claims
        .clone()
        .any(|claimed| now + SLACK < claimed.until && !(is_dead && is_taken_back(book, claimed.at, claimed.at, now)))
}

/// Whether an answer came when nobody waited for it any more, give or take a second.
fn is_too_late(book: &Book, by: Replica, token: Token, at: Millis) -> bool {
    let claims = book.claimed.iter().filter(|claimed| claimed.by == by && claimed.token == token);
    claims.map(|claimed| claimed.until).max().is_some_and(|end| at + 1_000 >= end)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::<_, usize>::new();
        self.twice.iter().for_each(|(twice, _)| *counts.entry(twice).or_default() += 1);
        let had_to = self.lost.values().filter(|had_to| **had_to).count();
        writeln!(f, "  refresh tokens that came twice: {counts:?}")?;
        writeln!(f, "  sessions lost that had to: {had_to}, that had not to: {}", self.lost.len() - had_to)?;
        for (twice, asked) in self.twice.iter().filter(|(twice, _)| twice.is_fault()) {
            writeln!(
                f,
                "  {twice:?}: session {} ({:?}), by {} at {}",
                asked.session,
                Kind::of(asked.session),
                asked.by,
                clock(asked.at)
            )?;
        }
        for (session, process, end) in &self.failed {
            writeln!(f, "  session {session} fails at process {process}: {end}")?;
        }
        Ok(())
    }
}
