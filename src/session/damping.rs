//! Damping of two parties that revoke each other's tokens.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

const PER: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Counts re-issues that were caused by rejections of tokens that had not expired.
#[derive(Debug)]
pub(super) struct Damping {
    reissues: VecDeque<Instant>,
}

/// What damping says to another re-issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// The next turn is near: wait for it.
    At(Instant),
    /// The next turn is this far away: let the rejection pass.
    TooFar(Duration),
}

impl Damping {
    pub(super) const NONE: Self = Self { reissues: VecDeque::new() };

    /// Whether there is nothing to remember any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.reissues.back().is_none_or(|last| now >= *last + PER)
    }

    /// Asks for a turn, at most `limit` of which are given in a minute.
    pub(super) fn turn(&self, now: Instant, limit: Option<usize>) -> Turn {
        let Some(limit) = limit else { return Turn::Now };
        let Some(oldest) = self.reissues.len().checked_sub(limit).and_then(|index| self.reissues.get(index)) else {
            // Fewer than `limit` so far, or a limit of zero.
            return if limit == 0 { Turn::TooFar(PER) } else { Turn::Now };
        };
        let next = *oldest + PER;
        match next.checked_duration_since(now) {
            None | Some(Duration::ZERO) => Turn::Now,
            Some(wait) if wait <= LONGEST_WAIT => Turn::At(next),
            Some(wait) => Turn::TooFar(wait),
        }
    }

    /// Notes a re-issue.
    pub(super) fn count(&mut self, now: Instant, limit: Option<usize>) {
        let Some(limit) = limit else { return };
        if self.reissues.len() >= limit.max(1) {
            self.reissues.pop_front();
        }
        self.reissues.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_eleventh_reissue_in_a_minute_waits_or_is_turned_away() {
        let mut damping = Damping::NONE;
        let start = Instant::now();
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            assert_eq!(damping.turn(now, Some(10)), Turn::Now);
            damping.count(now, Some(10));
        }
        assert_eq!(damping.turn(start + Duration::from_secs(20), Some(10)), Turn::TooFar(Duration::from_secs(40)));
        assert_eq!(damping.turn(start + Duration::from_secs(56), Some(10)), Turn::At(start + PER));
        assert_eq!(damping.turn(start + PER, Some(10)), Turn::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_can_be_lifted_or_be_zero() {
        let mut damping = Damping::NONE;
        let now = Instant::now();
        for _ in 0..100 {
            damping.count(now, None);
        }
        assert_eq!(damping.turn(now, None), Turn::Now);
        assert_eq!(damping.turn(now, Some(0)), Turn::TooFar(PER));
        assert!(damping.reissues.is_empty());
    }
}
