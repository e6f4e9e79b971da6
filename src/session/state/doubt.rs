//! What is remembered of a refresh token that failed (invariants 4 and 5). It ends with the token.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::consequence::AfterRefresh;
use crate::{error::Error, store::Unsure};

const FIRST_PROBE: Duration = Duration::from_secs(60);
const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);
/// After so many broken exchanges in a row, and so long after the first, the next rung is tried.
const BROKEN: u32 = 3;
const BROKEN_FOR: Duration = Duration::from_secs(60);

/// The memory of the refresh token in force.
#[derive(Clone, Debug)]
pub(crate) struct Doubts {
    // Since the server last answered.
    broken: u32,
    broken_since: Option<Instant>,
    refusals: u32,
    refused_since: Option<Instant>,
    /// Another rung was tried, since the server would not have this token or did not allow it.
    passed_over: bool,
    probe: Duration,
    not_before: Option<Instant>,
    last: Option<Error>,
}

/// What becomes of the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    /// Kept, and the next rung is tried at once.
    PassedOver,
    /// Forgotten, and the next rung is tried at once.
    Forgotten,
    /// The session has nothing left.
    Final,
}

impl Doubts {
    pub(crate) const NONE: Self = Self {
        broken: 0,
        broken_since: None,
        refusals: 0,
        refused_since: None,
        passed_over: false,
        probe: Duration::ZERO,
        not_before: None,
        last: None,
    };

    /// Whether there is nothing to remember.
    pub(crate) fn is_over(&self) -> bool {
        self.last.is_none()
    }

    /// Whether the next rung comes first.
    pub(crate) fn yields(&self, now: Instant) -> bool {
        self.passed_over || self.is_broken(now)
    }

    /// Whether the token may be sent where the next rung is held back: the server has not refused it.
    pub(crate) fn is_worth_a_try(&self) -> bool {
        !self.passed_over
    }

    /// Whether the token may be sent now; if not, the error to hand out.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Error> {
        match (self.not_before, &self.last) {
            (Some(at), Some(error)) if at > now => Err(error.clone().with_retry_after(at - now)),
            _ => Ok(()),
        }
    }

    /// Whether the server would not have the token, and that is not certain yet.
    pub(crate) fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    /// What other processes are to know.
    pub(crate) fn told(&self, now: Instant, wall: SystemTime) -> Option<Unsure> {
        let (since, last) = (self.refused_since?, self.last.as_ref()?);
        let at = wall.checked_sub(now.saturating_duration_since(since)).unwrap_or(wall);
        let pause = self.not_before.map_or(Duration::ZERO, |again| again.saturating_duration_since(since));
        Some(Unsure::new(at, pause, self.refusals, last))
    }

    /// A refusal that another process heard counts as one of ours. `is_next`: there is another rung.
    pub(crate) fn absorb(&mut self, unsure: &Unsure, is_next: bool, now: Instant, wall: SystemTime) {
        if let Some(left) = unsure.left(wall).filter(|_| unsure.times > self.refusals) {
            (self.refusals, self.refused_since) = (unsure.times, now.checked_sub(unsure.since(wall)));
            (self.not_before, self.last) = (Some(now + left), Some(unsure.error()));
            self.passed_over |= is_next;
        }
    }

    /// What the server said last.
    pub(crate) fn last(&self) -> Option<&Error> {
        self.last.as_ref()
    }

    /// Notes a failure.
    pub(crate) fn failed(&mut self, now: Instant, error: &Error, after: AfterRefresh) -> Fate {
        self.last = Some(error.clone());
        if after == AfterRefresh::Broken {
            self.broken = self.broken.saturating_add(1);
            self.broken_since.get_or_insert(now);
            return Fate::Kept;
        }
        if after == AfterRefresh::BackOff {
            return Fate::Kept;
        }
        (self.broken, self.broken_since) = (0, None);
        match after {
            AfterRefresh::BackOff | AfterRefresh::Broken => Fate::Kept,
            AfterRefresh::Probe => {
                self.probe = (self.probe * 2).clamp(FIRST_PROBE, LONGEST_PROBE);
                self.not_before = Some(now + self.probe);
                Fate::Kept
            }
            AfterRefresh::Climb { forget } => {
                self.passed_over = true;
                if forget { Fate::Forgotten } else { Fate::PassedOver }
            }
            AfterRefresh::Confirm { refusals, over } => {
                let since = *self.refused_since.get_or_insert(now);
                self.refusals = self.refusals.saturating_add(1);
                if self.refusals >= refusals && now >= since + over {
                    return Fate::Final;
                }
                let between = over / refusals.saturating_sub(1).max(1);
                self.not_before = Some(if self.refusals >= refusals { since + over } else { now + between });
                Fate::Kept
            }
        }
    }

    fn is_broken(&self, now: Instant) -> bool {
        self.broken >= BROKEN && self.broken_since.is_some_and(|since| now >= since + BROKEN_FOR)
    }
}
