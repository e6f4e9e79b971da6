//! The pause that a server asks for, kept by everyone who uses its endpoint (invariant 5).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Whether requests may go to an endpoint that has answered with 429 or 503; shared by all clones of the endpoint.
#[derive(Debug, Default)]
pub(super) struct Hold {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts every refusal, so that a success ends no pause that was asked for after it was sent.
    turn: u64,
    /// The turn after the last refusal that lengthened the pause: requests that were under way together do so once.
    lengthened: u64,
    refusals: u32,
    until: Option<Instant>,
    status: StatusCode,
}

/// The right to send one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(u64);

/// Why a request must wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) remaining: Duration,
    pub(super) status: StatusCode,
}

impl Hold {
    /// Lets a request pass, or tells how long the pause still lasts.
    pub(super) fn enter(&self) -> Result<Turn, Held> {
        let now = Instant::now();
        self.with(|state| match state.until {
            Some(until) if now < until => Err(Held { remaining: until - now, status: state.status }),
            _ => Ok(Turn(state.turn)),
        })
    }

    /// Begins a pause: what the server said, or 1 s, doubling up to 60 s while it goes on refusing.
    pub(super) fn begin(&self, turn: Turn, status: StatusCode, retry_after: Option<Duration>) {
        let now = Instant::now();
        self.with(|state| {
            state.turn += 1;
            if turn.0 >= state.lengthened {
                state.lengthened = state.turn;
                state.refusals = state.refusals.saturating_add(1);
            }
            let doubled = FIRST.saturating_mul(1 << (state.refusals.saturating_sub(1)).min(6)).min(LONGEST);
            let until = now + retry_after.unwrap_or(doubled);
            state.until = state.until.max(Some(until));
            state.status = status;
        });
    }

    /// The server works: forgets earlier refusals, unless one came after this request was sent.
    pub(super) fn end(&self, turn: Turn) {
        self.with(|state| {
            if turn.0 == state.turn {
                state.refusals = 0;
                state.until = None;
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

    fn remaining(hold: &Hold) -> Option<Duration> {
        hold.enter().err().map(|held| held.remaining)
    }

    #[tokio::test(start_paused = true)]
    async fn pause_doubles_to_a_minute_and_a_success_ends_it() {
        let hold = Hold::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            hold.begin(hold.enter().unwrap(), BUSY, None);
            assert_eq!(remaining(&hold), Some(Duration::from_secs(seconds)));
            advance(Duration::from_secs(seconds)).await;
        }
        hold.end(hold.enter().unwrap());
        hold.begin(hold.enter().unwrap(), BUSY, None);
        assert_eq!(remaining(&hold), Some(FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_under_way_together_lengthen_the_pause_once() {
        let hold = Hold::default();
        let turns: Vec<_> = (0..100).map(|_| hold.enter().unwrap()).collect();
        for turn in turns {
            hold.begin(turn, BUSY, None);
        }
        assert_eq!(remaining(&hold), Some(FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn late_success_does_not_end_a_pause_that_began_after_it_was_sent() {
        let hold = Hold::default();
        let (early, late) = (hold.enter().unwrap(), hold.enter().unwrap());
        hold.begin(early, BUSY, Some(Duration::from_secs(30)));
        hold.end(late);
        assert_eq!(remaining(&hold), Some(Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn success_does_not_end_a_pause_that_a_straggler_brought_after_it_was_sent() {
        let hold = Hold::default();
        let (first, straggler) = (hold.enter().unwrap(), hold.enter().unwrap());
        hold.begin(first, BUSY, None);
        advance(FIRST).await;
        let success = hold.enter().unwrap();
        hold.begin(straggler, BUSY, Some(Duration::from_secs(30)));
        hold.end(success);
        assert_eq!(remaining(&hold), Some(Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn shorter_pause_does_not_cut_a_longer_one() {
        let hold = Hold::default();
        let (one, other) = (hold.enter().unwrap(), hold.enter().unwrap());
        hold.begin(one, BUSY, Some(Duration::from_secs(30)));
        hold.begin(other, BUSY, Some(Duration::from_secs(5)));
        assert_eq!(remaining(&hold), Some(Duration::from_secs(30)));
    }
}
