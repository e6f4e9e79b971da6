//! Reading a response's body ahead of the caller: to judge it, and to free its connection.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::Body;
use tokio::time::{Instant, Sleep};

use super::{super::response_body::Look, call::Call};
use crate::{
    challenge::classify::{Head, Seen, Verdict},
    replay::Replay,
    timer,
};

impl<S, B: Replay, R: Body> Call<S, B, R> {
    pub(super) fn poll_look(&mut self, limit: Pin<&mut Sleep>, at_most: usize, cx: &mut Context<'_>) -> Poll<Verdict> {
        let Some(response) = &mut self.response else { return Poll::Ready(Verdict::Pass) };
        let out_of_time = limit.poll(cx).is_ready();
        loop {
            let last = match response.body_mut().poll_look(cx, at_most) {
                Poll::Ready(Look::More) => response.body().is_full(at_most.max(1)),
                Poll::Ready(Look::End) => true,
                Poll::Pending if out_of_time => true,
                Poll::Pending => return Poll::Pending,
            };
            let (data, trailers) = response.body().seen();
            let verdict = self.shared.config.classify.body(&Head::of(response), &Seen::new(data, trailers, last));
            match verdict {
                Verdict::Look { .. } if !last => {}
                // The head alone decides, and it asked for a look.
                Verdict::Look { .. } => return Poll::Ready(Verdict::Pass),
                decided => return Poll::Ready(decided),
            }
        }
    }

    pub(super) fn poll_drain(&mut self, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let most = self.shared.config.drain_limit;
        // A body as long as the limit is asked for its end too: the connection is not free before.
        let at_most = most.saturating_add(usize::from(most > 0));
        if self.poll_read(at_most, cx).is_pending() { limit.poll(cx) } else { Poll::Ready(()) }
    }

    /// Reads the rejection while its call waits, to its end and for as long as that takes. Ready when the call can't be kept.
    pub(super) fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(response) = &mut self.response {
            if ready!(response.body_mut().poll_look(cx, 0)) == Look::End {
                let now = || self.since.elapsed().as_micros().try_into().unwrap_or(u32::MAX);
                self.read.get_or_insert_with(now);
                break;
            }
            if !self.has_room() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// How long ago the rejection's end was read, if the call has waited since then.
    pub(super) fn waited(&self) -> Option<Duration> {
        let read = Duration::from_micros(self.read?.into());
        Some(self.since.elapsed().saturating_sub(read))
    }

    /// Makes room in the layer's budget for all that a rejected call keeps, or is known to keep before long; false where it
    /// can't be kept.
    pub(super) fn has_room(&mut self) -> bool {
        let Some(kept) = &mut self.kept else { return false };
        if self.parked.is_none() {
            kept.head.shrink();
        }
        let read = self
            .response
            .as_ref()
            .map_or(0, |response| response.body().held().saturating_add(response.body().to_come()));
        let bytes = kept.head.size().saturating_add(B::size(&kept.body)).saturating_add(read);
        let budget = &self.shared.config.budget;
        read <= budget.most_of_a_rejection()
            && match &mut self.parked {
                Some(parked) => parked.resize(bytes),
                None => {
                    self.parked = budget.park(bytes);
                    self.parked.is_some()
                }
            }
    }

    fn poll_read(&mut self, at_most: usize, cx: &mut Context<'_>) -> Poll<()> {
        let Some(response) = &mut self.response else { return Poll::Ready(()) };
        while !response.body().is_full(at_most) && ready!(response.body_mut().poll_look(cx, 0)) == Look::More {}
        Poll::Ready(())
    }

    /// Invariant 12: whatever a call waits for, it is within its waiting time.
    pub(super) fn left(&self, time: Duration) -> Duration {
        time.min(self.session.waiting_time_left(self.since))
    }

    /// Ready when the call has waited long enough for the inner service to take it; never where there are no timers.
    pub(super) fn poll_no_place(&self, limit: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        if limit.is_none() {
            let end = Instant::now().checked_add(self.left(Duration::MAX));
            *limit = end.and_then(timer::sleep_until).map(Box::pin);
        }
        limit.as_mut().map_or(Poll::Pending, |limit| limit.as_mut().poll(cx))
    }

    /// Out of time, the replay finds that there is no body for it, and the caller gets the rejection.
    pub(super) fn poll_released(&mut self, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(kept) = &mut self.kept else { return Poll::Ready(()) };
        if B::poll_released(&mut kept.body, cx).is_ready() { Poll::Ready(()) } else { limit.poll(cx) }
    }
}
