//! Where calls take turns whose nonces were refused twice (RFC 9449 §9).
//!
//! A server that gives a new nonce for every few requests refuses all but a few of a crowd that has the same one. The rest would
//! meet the next nonce together, and again. So they go a few at a time, each with the newest nonce.
//!
//! 1. So many are out as the server let through lately: one more after as many that passed, one less for each that it refused.
//! 2. The oldest goes first. One that is not driven by its task holds nobody up: a turn is over after [`Line::LOOK`], and who
//!    waits looks again after as long.
//! 3. An origin that refused so many in a row is not waited for, until it lets one pass.

use std::{
    collections::BTreeMap,
    fmt,
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

/// One line for each of a layer's origins.
pub(super) struct Lines(Box<[Line]>);

#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    refused: AtomicU32,
}

struct State {
    width: usize,
    passed: usize,
    next: u64,
    /// Each with when its turn began.
    out: BTreeMap<u64, Instant>,
    waiting: BTreeMap<u64, Waker>,
}

/// A call's place in a line, kept from its first turn to its last one.
pub(super) struct Place {
    lines: Arc<Lines>,
    origin: usize,
    number: u64,
}

impl Lines {
    pub(super) fn new(origins: usize) -> Arc<Self> {
        Arc::new(Self(std::iter::repeat_with(Line::default).take(origins).collect()))
    }

    /// At the end of an origin's line.
    pub(super) fn place(self: &Arc<Self>, origin: usize) -> Place {
        let mut state = self.0[origin].state();
        state.next += 1;
        Place { lines: self.clone(), origin, number: state.next }
    }

    /// Whether somebody has a turn there, or waits for one.
    pub(super) fn is_busy(&self, origin: usize) -> bool {
        let state = self.0[origin].state();
        !state.out.is_empty() || !state.waiting.is_empty()
    }

    /// A call got an answer that is not about its nonce.
    pub(super) fn passes(&self, origin: usize) {
        // Looked at first: a line that each call writes to would go from core to core.
        if self.0[origin].refused.load(Ordering::Relaxed) != 0 {
            self.0[origin].refused.store(0, Ordering::Relaxed);
        }
    }

    /// A call's nonce was refused, in its turn if it has a place. Says whether this origin refuses all of them.
    pub(super) fn refuses(&self, origin: usize, place: Option<&mut Place>) -> bool {
        let line = &self.0[origin];
        let Some(place) = place else { return line.refused.load(Ordering::Relaxed) >= IN_VAIN };
        let mut state = line.state();
        state.out.remove(&place.number);
        (state.width, state.passed) = ((state.width - 1).max(1), 0);
        state.call();
        drop(state);
        line.refused.fetch_add(1, Ordering::Relaxed) + 1 >= IN_VAIN
    }
}

impl Line {
    /// A turn is over after this, and who waits looks again.
    pub(super) const LOOK: Duration = Duration::from_secs(1);

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Wakes the oldest of those who wait, as many as may go.
    fn call(&self) {
        let free = self.width.saturating_sub(self.out.len());
        self.waiting.values().take(free).for_each(Waker::wake_by_ref);
    }
}

impl Default for State {
    fn default() -> Self {
        Self { width: 1, passed: 0, next: 0, out: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

impl Place {
    /// Ready when it is this call's turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let mut state = self.lines.0[self.origin].state();
        state.out.retain(|_, began| now.saturating_duration_since(*began) < Line::LOOK);
        if state.out.len() < state.width {
            state.waiting.remove(&self.number);
            state.out.insert(self.number, now);
            return Poll::Ready(());
        }
        state.waiting.insert(self.number, cx.waker().clone());
        Poll::Pending
    }
}

/// The call was let through, or has gone.
impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.lines.0[self.origin].state();
        state.waiting.remove(&self.number);
        if state.out.remove(&self.number).is_some() {
            state.passed += 1;
            if state.passed >= state.width {
                (state.width, state.passed) = ((state.width + 1).min(WIDEST), 0);
            }
        }
        state.call();
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}
