//! Where calls take turns whose nonces were refused twice (RFC 9449 §9).
//!
//! A server that gives a new nonce for every few requests refuses all but a few of a crowd that has the same one. The rest would
//! meet the next nonce together, and again. So they go a few at a time, each with the newest nonce.
//!
//! 1. So many are out as the server let through lately: one more after as many that passed, one less for each that it refused.
//! 2. The oldest goes first. One that is not driven by its task holds nobody up: a turn is over after [`Line::LOOK`], who waits
//!    looks again after as long, and who did not is passed over.
//! 3. What passes after its turn is over counts as well: an API may be slower than that.
//! 4. Each session has its own at each server, as it has nonces of its own: what one user meets is nobody else's.
//! 5. An origin that refused so many in a row is not waited for, until it lets one pass.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

/// More than so many never need to go at a time.
const WIDEST: usize = 64;
/// After so many refusals in a row the server is thought to refuse everything.
const IN_VAIN: u32 = 32;

#[derive(Default)]
pub(crate) struct Line {
    state: Mutex<State>,
    refused: AtomicU32,
}

struct State {
    width: usize,
    passed: usize,
    next: u64,
    /// Each with when its turn began.
    out: BTreeMap<u64, Instant>,
    /// Each with when it was polled last.
    waiting: BTreeMap<u64, (Waker, Instant)>,
}

/// A call's place in a line, kept from its first turn to its last one.
pub(crate) struct Place {
    line: Arc<Line>,
    number: u64,
}

impl Line {
    /// A turn is over after this, and who waits looks again.
    pub(crate) const LOOK: Duration = Duration::from_secs(1);

    /// At the end of the line.
    pub(crate) fn place(self: Arc<Self>) -> Place {
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        drop(state);
        Place { line: self, number }
    }

    /// Whether somebody has a turn, or waits for one.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.out.is_empty() || !state.waiting.is_empty()
    }

    /// A call got an answer that is not about its nonce, in its turn if it has a place.
    pub(crate) fn passes(&self, place: Option<Place>) {
        // Looked at first: a line that each call writes to would go from core to core.
        if self.refused.load(Ordering::Relaxed) != 0 {
            self.refused.store(0, Ordering::Relaxed);
        }
        let Some(place) = place else { return };
        let mut state = self.state();
        if state.out.remove(&place.number).is_some() {
            state.passed += 1;
            if state.passed >= state.width {
                (state.width, state.passed) = ((state.width + 1).min(WIDEST), 0);
            }
        }
    }

    /// A call's nonce was refused, in its turn if it has a place. Says whether this server refuses all of them.
    pub(crate) fn refuses(&self, place: Option<&mut Place>) -> bool {
        let Some(place) = place else { return self.refused.load(Ordering::Relaxed) >= IN_VAIN };
        let mut state = self.state();
        state.out.remove(&place.number);
        (state.width, state.passed) = ((state.width - 1).max(1), 0);
        state.call(Instant::now());
        drop(state);
        self.refused.fetch_add(1, Ordering::Relaxed) + 1 >= IN_VAIN
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many turns are not over.
    fn young(&self, now: Instant) -> usize {
        self.out.values().filter(|began| now.saturating_duration_since(**began) < Line::LOOK).count()
    }

    /// Wakes the oldest of those who wait and are driven, as many as may go.
    fn call(&self, now: Instant) {
        let free = self.width.saturating_sub(self.young(now));
        self.waiting
            .values()
            .filter(|waiter| is_driven(waiter, now))
            .take(free)
            .for_each(|(waker, _)| waker.wake_by_ref());
    }

    /// Whether it is the turn of this one: all that are older have theirs as well.
    fn is_turn_of(&self, number: u64, now: Instant) -> bool {
        let older = self.waiting.range(..number).filter(|(_, waiter)| is_driven(waiter, now)).count();
        self.young(now) + older < self.width
    }
}

/// Whoever is looks again at least each [`Line::LOOK`].
fn is_driven((_, polled): &(Waker, Instant), now: Instant) -> bool {
    now.saturating_duration_since(*polled) < 2 * Line::LOOK
}

impl Default for State {
    fn default() -> Self {
        Self { width: 1, passed: 0, next: 0, out: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

impl Place {
    /// Ready when it is this call's turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let mut state = self.line.state();
        if state.is_turn_of(self.number, now) {
            state.waiting.remove(&self.number);
            state.out.insert(self.number, now);
            return Poll::Ready(());
        }
        state.waiting.insert(self.number, (cx.waker().clone(), now));
        Poll::Pending
    }
}

/// The call has gone, and the next one may go.
impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.waiting.remove(&self.number);
        state.out.remove(&self.number);
        state.call(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;
    use tokio::time::advance;

    use super::*;

    fn goes(place: &mut Place) -> bool {
        place.poll(&mut Context::from_waker(&noop_waker())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_overtakes_nobody_who_is_driven() {
        let line = Arc::new(Line::default());
        let [mut first, mut second, mut third] = [(); 3].map(|()| line.clone().place());
        assert!(goes(&mut first) && !goes(&mut second));
        line.passes(Some(first));
        assert!(goes(&mut third), "two may go by now, and one is older");
        drop(third);
        line.refuses(Some(&mut line.clone().place()));
        let mut fourth = line.clone().place();
        assert!(!goes(&mut fourth), "the turn is the second one's, woken or not");
        assert!(goes(&mut second));
        drop(second);
        // One that is not driven is passed over.
        let mut fifth = line.clone().place();
        assert!(!goes(&mut fifth));
        advance(2 * Line::LOOK).await;
        assert!(goes(&mut fifth));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_after_its_turn_counts_and_what_is_dropped_does_not() {
        let line = Arc::new(Line::default());
        let mut slow = line.clone().place();
        assert!(goes(&mut slow));
        advance(2 * Line::LOOK).await;
        let mut other = line.clone().place();
        assert!(goes(&mut other), "its turn is over");
        line.passes(Some(slow));
        assert_eq!(line.state().width, 2);
        drop(other);
        let mut gone = [(); 2].map(|()| line.clone().place());
        assert!(gone.iter_mut().all(goes));
        drop(gone);
        assert_eq!(line.state().width, 2);
        assert_eq!(line.state().passed, 0);
    }
}
