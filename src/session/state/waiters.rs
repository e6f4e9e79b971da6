//! Those who wait for a flight, in the order in which they came.
//!
//! 1. How the flight landed is kept before anybody is woken, and whoever comes later finds it: nobody is missed.
//! 2. Waiters are woken in the order of their arrival, a batch at first and then one by one: whoever was woken wakes the next
//!    as soon as it runs. So no more than a batch are on their way, and a crowd does not hold up everybody else.
//! 3. Whoever leaves takes the place in the queue along, and wakes the next like one that ran.
//! 4. Everybody is woken, even if somebody's waker panics, or if a runtime goes away or is not driven any more: the flight
//!    wakes a batch wherever the woken get nowhere, and the woken go on where the flight does not.
//! 5. No waker is woken or dropped under the lock: it is somebody else's code.

use std::{
    collections::VecDeque,
    future::Future,
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Handle, task::yield_now};

use super::sync::Mutex;
use crate::{error::Error, identity::Generation};

/// How a flight ended: the generation that is current now, or why there is no new one.
pub(crate) type Landing = Result<Generation, Error>;

/// As many as a worker of tokio has room for in its own queue.
const BATCH: usize = if cfg!(tower_reauth_model) { 1 } else { 256 };

#[derive(Clone, Default)]
pub(crate) struct Waiters {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    landing: Option<Landing>,
    // The places from number `gone` on. One that is left goes when all before it have: they don't wait for ever.
    wakers: VecDeque<Option<Waker>>,
    gone: u64,
}

/// Waits for the landing.
pub(crate) struct Place {
    waiters: Waiters,
    number: Option<NonZeroU64>,
}

/// Wakes those who wait: all that are left when it is dropped.
#[must_use = "dropped, it wakes everybody at once"]
pub(crate) struct WakeUp {
    waiters: Waiters,
}

impl Waiters {
    pub(crate) fn place(&self) -> Place {
        Place { waiters: self.clone(), number: None }
    }

    pub(crate) fn have_landed(&self) -> bool {
        self.with(|queue| queue.landing.is_some())
    }

    /// The first landing counts.
    pub(crate) fn land(&self, landing: Landing) -> Option<WakeUp> {
        self.with(|queue| {
            let first = queue.landing.is_none();
            queue.landing.get_or_insert(landing);
            first.then(|| WakeUp { waiters: self.clone() })
        })
    }

    /// Wakes so many of those who wait; says whether somebody is left, and how many have left the queue.
    fn wake(&self, count: usize) -> (bool, u64) {
        let (woken, left) = self.with(|queue| {
            let woken: Vec<_> = std::iter::from_fn(|| queue.pop()).take(count).collect();
            (woken, (!queue.wakers.is_empty(), queue.gone))
        });
        for waker in woken {
            // The panic hook has told of it, and the others are not to be lost.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
        left
    }

    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WakeUp {
    pub(crate) async fn in_batches(self) {
        let (mut more, mut gone) = self.waiters.wake(BATCH);
        while more {
            yield_now().await;
            let before = gone;
            // While the woken wake others, there is nothing to do.
            (more, gone) = self.waiters.wake(0);
            if gone == before {
                (more, gone) = self.waiters.wake(BATCH);
            }
        }
    }

    /// For whoever can't wait for it.
    pub(crate) fn detach(self) {
        let (more, _) = self.waiters.wake(BATCH);
        if more && let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.in_batches());
        }
    }
}

impl Queue {
    fn join(&mut self) -> NonZeroU64 {
        self.wakers.push_back(None);
        NonZeroU64::MIN.saturating_add(self.gone + self.wakers.len() as u64 - 1)
    }

    fn holds(&self, number: NonZeroU64) -> bool {
        number.get() > self.gone
    }

    /// Puts a waker into a place, and hands out the one that was there.
    fn replace(&mut self, number: NonZeroU64, waker: Option<Waker>) -> Option<Waker> {
        let index = (number.get() - 1).checked_sub(self.gone)?;
        let outdated = std::mem::replace(self.wakers.get_mut(usize::try_from(index).ok()?)?, waker);
        while let Some(None) = self.wakers.front() {
            self.wakers.pop_front();
            self.gone += 1;
        }
        outdated
    }

    fn pop(&mut self) -> Option<Waker> {
        loop {
            let waker = self.wakers.pop_front()?;
            self.gone += 1;
            if waker.is_some() {
                return waker;
            }
        }
    }
}

impl Drop for WakeUp {
    fn drop(&mut self) {
        while self.waiters.wake(BATCH).0 {}
    }
}

impl Future for Place {
    type Output = Landing;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        let Self { waiters, number } = &mut *self;
        let mut outdated = None;
        let landing = waiters.with(|queue| {
            if queue.landing.is_none() {
                let number = *number.get_or_insert_with(|| queue.join());
                outdated = queue.replace(number, Some(cx.waker().clone()));
            }
            queue.landing.clone()
        });
        drop(outdated);
        let Some(landing) = landing else { return Poll::Pending };
        self.leave();
        Poll::Ready(landing)
    }
}

impl Place {
    /// Leaves the queue, and goes on with the waking where it has come here.
    fn leave(&mut self) {
        let Some(number) = self.number.take() else { return };
        let (outdated, woken) = self.waiters.with(|queue| {
            let woken = queue.landing.is_some() && !queue.holds(number);
            (queue.replace(number, None), woken)
        });
        drop(outdated);
        if woken {
            self.waiters.wake(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
