//! What the wire shows of an origin that rejects tokens: whether it may be left alone, and whom damping may turn away.
//!
//! 1. An origin is left alone only after it rejected a token that was issued because it had rejected the one before, and
//!    before it took that token or a later one; and for a minute at most.
//! 2. While its rejections pass through, no token is asked for because of it alone.
//! 3. An origin that has not used up its half of the re-issues is not turned away for what another one has used.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    oracle::MINUTE,
    script::{Login, ORIGINS, Regime, State},
};

/// One origin, for one login.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trial {
    /// It rejected the latest token.
    rejects: bool,
    /// From this delivery on its tokens were issued because of that, and none of them was taken.
    from: Option<usize>,
    /// When it rejected one of these.
    cooled: Option<Instant>,
    /// Until when a caller was told that it is left alone.
    left_alone: Option<Instant>,
}

/// Which origins a re-issue may be due to; the last place is for those who asked by themselves.
pub(crate) type Causes = [bool; ORIGINS.len() + 1];

impl Login {
    pub(crate) fn causes(&self) -> Causes {
        let mut causes = [false; ORIGINS.len() + 1];
        causes.iter_mut().zip(&self.trials).for_each(|(cause, trial)| *cause = trial.rejects);
        causes[ORIGINS.len()] = self.asked_for;
        causes
    }

    /// Whether an origin that is left alone is the only reason for a token request.
    pub(crate) fn only_wanted_by_the_left_alone(&self, now: Instant) -> bool {
        let wanting = || self.trials.iter().filter(|trial| trial.rejects);
        let alone = |trial: &Trial| trial.left_alone.is_some_and(|until| now < until);
        !self.asked_for && wanting().count() > 0 && wanting().all(alone)
    }

    pub(crate) fn delivered(&mut self, now: Instant, pair: usize) {
        let again = self.latest() == Some(pair);
        self.delivered.push((now, pair));
        let from = self.delivered.len() - 1;
        for trial in self.trials.iter_mut().filter(|trial| trial.rejects) {
            trial.from = Some(from);
            if again {
                // Whoever was rejected with it made the session renew for nothing.
                trial.cooled = Some(now);
            }
            trial.rejects = again;
        }
        self.asked_for &= again;
    }

    pub(crate) fn rejected(&mut self, now: Instant, origin: usize, pair: Option<usize>) {
        let latest = self.latest();
        let trial = &mut self.trials[origin];
        trial.rejects |= pair == latest;
        if trial.from.is_some_and(|from| self.delivered[from..].iter().any(|(_, issued)| Some(*issued) == pair)) {
            trial.cooled = Some(now);
        }
    }

    /// A caller got the answer that was let through with this token.
    pub(crate) fn passed(&mut self, origin: usize, pair: usize, regime: Regime) {
        let trial = &mut self.trials[origin];
        let issued = |from: usize| self.delivered[from..].iter().any(|(_, issued)| *issued == pair);
        if trial.from.is_some_and(issued) {
            // Where the same token comes again, those that were under way with it are not heard.
            if regime != Regime::SameAgain {
                (trial.from, trial.cooled) = (None, None);
            }
        }
        trial.left_alone = None;
    }

    pub(crate) fn left_alone(&mut self, now: Instant, origin: usize, time: Option<Duration>) {
        self.trials[origin].left_alone = time.map(|time| now + time);
    }

    pub(crate) fn may_be_left_alone(&self, now: Instant, origin: usize) -> bool {
        self.trials[origin].cooled.is_some_and(|at| now <= at + MINUTE)
    }

    /// How many re-issues a minute there may be in all: what one origin had beyond its half, while it was alone, takes
    /// nothing from the others.
    pub(crate) fn most_reissues(limit: usize) -> usize {
        2 * limit - (limit / 2).max(1)
    }
}

/// Whether a call to this origin, or a caller without one, may be turned away by damping.
pub(crate) fn may_be_damped(state: &State, login: &Login, limit: usize, origin: Option<usize>, began: Instant) -> bool {
    let now = Instant::now();
    // Over the limit, unless the next turn comes within the 5 s that are waited for it, or what is left of them.
    let left = (began + login.settings.longest_wait()).saturating_duration_since(now);
    let within = |at: &Instant| now.duration_since(*at) < MINUTE - left.min(Duration::from_secs(5));
    let own = origin.unwrap_or(ORIGINS.len());
    let had = |cause: usize| {
        let flights = login.flights.iter().filter(|flight| flight.causes[cause] && within(&flight.at)).count();
        // A flight that a hold stopped before it sent anything took its turn, too.
        flights + state.holds.iter().filter(|until| within(until)).count()
    };
    let others = (0..=ORIGINS.len()).filter(|cause| *cause != own);
    let share = (limit / 2).max(1);
    let others: usize = others.map(|cause| had(cause).min(share)).sum();
    had(own) >= limit || (others > 0 && (had(own) >= share || had(own) + others >= limit))
}
