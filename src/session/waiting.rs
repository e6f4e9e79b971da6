//! One who waits for a flight: no longer than the waiting time, and not beyond the flight's own limit.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::{
    inner::Inner,
    state::{FOREVER, Flight, Landing, Place},
};
use crate::{
    error::{Error, ErrorKind},
    metrics, timer,
};

pin_project! {
    /// Waits for a flight. A flight that is overdue is given up by the timer of whoever waits: its own runtime may not be
    /// driven any more.
    pub(crate) struct Waiting {
        place: Place,
        session: Weak<Inner>,
        #[pin]
        limit: Limit,
        waiter: metrics::Waiter,
    }
}

pin_project! {
    /// The timer is made at the first poll, never under the session's lock: a runtime without timers panics there. It runs until
    /// the flight is overdue, where that comes before the end.
    #[project = LimitProjection]
    enum Limit {
        Of { time: Duration, overdue: Instant },
        Until { end: Instant, #[pin] over: Sleep },
    }
}

impl Waiting {
    pub(super) fn new(flight: &Flight, session: &Arc<Inner>, time: Duration) -> Self {
        Self {
            place: flight.waiters.place(),
            session: Arc::downgrade(session),
            limit: Limit::Of { time, overdue: flight.overdue() },
            waiter: metrics::Waiter::default(),
        }
    }
}

impl Future for Waiting {
    type Output = Landing;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        let mut this = self.project();
        if let Poll::Ready(landing) = Pin::new(&mut *this.place).poll(cx) {
            return Poll::Ready(landing);
        }
        this.waiter.waits();
        let session = this.session.upgrade();
        loop {
            let (end, until) = match this.limit.as_mut().project() {
                LimitProjection::Of { time, overdue } => {
                    let end = Instant::now() + (*time).min(FOREVER);
                    (end, end.min(*overdue))
                }
                LimitProjection::Until { end, over } => {
                    ready!(over.poll(cx));
                    let now = Instant::now();
                    if let Some(session) = &session {
                        session.give_up_overdue();
                    }
                    if let Poll::Ready(landing) = Pin::new(&mut *this.place).poll(cx) {
                        return Poll::Ready(landing);
                    }
                    if now >= *end {
                        let why = "there was no new token within the waiting time";
                        return Poll::Ready(Err(Error::new(ErrorKind::WaitedTooLong, why)));
                    }
                    // It landed at its limit after all, and is about to tell.
                    (*end, *end)
                }
            };
            let make = || timer::sleep_until(until);
            // Whoever can't keep the time is woken all the same when the flight lands.
            let Some(over) = session.as_ref().map_or_else(make, |session| session.timed(make)) else {
                return Poll::Pending;
            };
            this.limit.set(Limit::Until { end, over });
        }
    }
}

impl Inner {
    /// Gives up the flight that is under way, if it is overdue.
    pub(super) fn give_up_overdue(&self) {
        let now = Instant::now();
        let given_up = self.change(|state| state.login.as_mut()?.give_up_overdue(now));
        if let Some(given_up) = given_up {
            given_up.tell(self.name());
        }
    }
}
