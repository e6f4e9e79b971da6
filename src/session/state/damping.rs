//! Damping of two parties that revoke each other's tokens.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::Instant;

use crate::origin::Origin;

const PER: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Counts re-issues that were caused by rejections of tokens that had not expired.
#[derive(Debug)]
pub(crate) struct Damping {
    reissues: VecDeque<(Instant, Cause)>,
}

/// The origin that rejected the token, or a caller who asked by itself, by a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause(u64);

/// What damping says to another re-issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// The next turn is near: wait for it.
    At(Instant),
    /// The next turn is this far away: let the rejection pass.
    TooFar(Duration),
}

impl Damping {
    pub(crate) const NONE: Self = Self { reissues: VecDeque::new() };

    /// When there is nothing to remember any more.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        self.reissues.back().map(|(last, _)| *last + PER)
    }

    /// Whether there is nothing to remember any more.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.over_at().is_none_or(|over| over <= now)
    }

    /// Asks for a turn, at most `limit` of which are given in a minute. While several causes have had one, each has half of
    /// them at most. What one has had beyond its half, while it was alone, takes nothing from the others.
    pub(crate) fn turn(&self, now: Instant, limit: Option<usize>, cause: Cause) -> Turn {
        let Some(limit) = limit else { return Turn::Now };
        if limit == 0 {
            return Turn::TooFar(PER);
        }
        let forgotten = self.reissues.partition_point(|(at, _)| *at + PER <= now);
        if self.has_room(forgotten, limit, cause) {
            return Turn::Now;
        }
        // The older ones are forgotten one after the other, and each time there is more room: so half of them is left out
        // at each look.
        let (mut too_many, mut few_enough) = (forgotten, self.reissues.len());
        while few_enough - too_many > 1 {
            let middle = too_many.midpoint(few_enough);
            let side = if self.has_room(middle, limit, cause) { &mut few_enough } else { &mut too_many };
            *side = middle;
        }
        let next = self.reissues[few_enough - 1].0 + PER;
        match next.saturating_duration_since(now) {
            wait if wait <= LONGEST_WAIT => Turn::At(next),
            wait => Turn::TooFar(wait),
        }
    }

    /// Whether there is a turn for this cause once all before `first` are forgotten.
    fn has_room(&self, first: usize, limit: usize, cause: Cause) -> bool {
        let mut causes: Vec<Cause> = self.reissues.range(first..).map(|(_, cause)| *cause).collect();
        causes.sort_unstable();
        let others = causes.iter().any(|other| *other != cause);
        let share = if others { (limit / 2).max(1) } else { limit };
        let had = |of: &[Cause]| of.len().min(share);
        let own = causes.iter().filter(|other| **other == cause).count();
        own < share && causes.chunk_by(|one, other| one == other).map(had).sum::<usize>() < limit
    }

    /// Takes the last re-issue back: there was none.
    pub(crate) fn take_back(&mut self) {
        self.reissues.pop_back();
    }

    /// Notes a re-issue.
    pub(crate) fn count(&mut self, now: Instant, limit: Option<usize>, cause: Cause) {
        if limit.is_none() {
            // `take_back` finds nothing then, too: no re-issue was counted.
            return;
        }
        let forgotten = self.reissues.partition_point(|(at, _)| *at + PER <= now);
        self.reissues.drain(..forgotten);
        self.reissues.push_back((now, cause));
    }
}

impl Cause {
    pub(crate) fn of(origin: Option<&Origin>) -> Self {
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        Self(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Cause = Cause(1);
    const B: Cause = Cause(2);
    const C: Cause = Cause(3);

    /// What a caller with this cause is told, after re-issues in these seconds.
    fn turn(had: &[(Cause, u64)], at: u64, limit: usize, cause: Cause) -> Turn {
        let start = Instant::now();
        let second = |second| start + Duration::from_secs(second);
        let mut damping = Damping::NONE;
        for (cause, at) in had {
            damping.count(second(*at), Some(limit), *cause);
        }
        damping.turn(second(at), Some(limit), cause)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_as_the_table_says() {
        let start = Instant::now();
        let alone: Vec<_> = (0..10).map(|second| (A, second)).collect();
        let late: Vec<_> = (0..10).map(|second| (A, second)).chain([(B, 20), (B, 20), (B, 20), (B, 20)]).collect();
        let mixed: Vec<_> = (0..5).flat_map(|second| [(A, second), (B, second)]).collect();
        let at = |second| Turn::At(start + Duration::from_secs(second));
        let far = |second| Turn::TooFar(Duration::from_secs(second));
        for (name, had, now, limit, cause, expected) in [
            ("the tenth", &alone[..9], 9, 10, A, Turn::Now),
            ("the eleventh is turned away", &alone, 20, 10, A, far(40)),
            ("or waits", &alone, 56, 10, A, at(60)),
            ("until the first is forgotten", &alone, 60, 10, A, Turn::Now),
            ("another origin has its half, whatever the first had", &alone, 10, 10, B, Turn::Now),
            ("all of its half", &late, 20, 10, B, Turn::Now),
            ("and the first waits until it is within its own", &late, 20, 10, A, far(45)),
            ("two halves are a whole", &mixed, 10, 10, C, far(50)),
            ("a half is a half", &mixed[..9], 10, 10, A, far(50)),
            ("also for the other", &mixed[..9], 10, 10, B, Turn::Now),
            ("one of two", &[(A, 0)], 0, 2, B, Turn::Now),
            ("one of three", &[(A, 0), (B, 0)], 0, 3, A, far(60)),
            ("and one for each of three", &[(A, 0), (B, 0)], 0, 3, C, Turn::Now),
            ("one for all", &[(A, 0)], 0, 1, B, far(60)),
            ("none", &[], 0, 0, A, far(60)),
        ] {
            assert_eq!(turn(had, now, limit, cause), expected, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limit_can_be_lifted_and_nothing_is_counted_then() {
        let mut damping = Damping::NONE;
        let now = Instant::now();
        for _ in 0..100 {
            damping.count(now, None, A);
        }
        assert_eq!(damping.turn(now, None, A), Turn::Now);
        assert!(damping.reissues.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_ends_a_minute_after_the_last() {
        let mut damping = Damping::NONE;
        let start = Instant::now();
        for second in 0..1_000 {
            damping.count(start + Duration::from_secs(second), Some(10), A);
        }
        assert_eq!(damping.reissues.len(), 60);
        assert!(
            !damping.is_over(start + Duration::from_secs(1_058)) && damping.is_over(start + Duration::from_secs(1_059))
        );
    }
}
