//! Reading a response's body ahead of the caller: to judge it, and to free its connection.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::Body;
use tokio::time::Sleep;

use super::call::Call;
use crate::{Head, Replay, Seen, Verdict, response_body::Look};

/// How much of a rejection is read while its renewal is under way: an error page, since very many may wait.
const READ_AHEAD: usize = 4 * 1024;

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
            let verdict = self.cold.config.classify.body(&Head::of(response), &Seen::new(data, trailers, last));
            match verdict {
                Verdict::Look { .. } if !last => {}
                // The head alone decides, and it asked for a look.
                Verdict::Look { .. } => return Poll::Ready(Verdict::Pass),
                decided => return Poll::Ready(decided),
            }
        }
    }

    pub(super) fn poll_drain(&mut self, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let most = self.cold.config.drain_limit;
        // A body as long as the limit is asked for its end too: the connection is not free before.
        let at_most = most.saturating_add(usize::from(most > 0));
        if self.poll_read(at_most, cx).is_pending() { limit.poll(cx) } else { Poll::Ready(()) }
    }

    /// Reads the rejection while its renewal is under way.
    pub(super) fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read(self.cold.config.drain_limit.min(READ_AHEAD), cx)
    }

    /// How many bytes that may bring.
    pub(super) fn read_ahead(&self) -> usize {
        let most = self.cold.config.drain_limit.min(READ_AHEAD);
        let Some(response) = &self.response else { return 0 };
        let expected = response.body().size_hint().upper().and_then(|bytes| bytes.try_into().ok());
        expected.map_or(most, |bytes: usize| bytes.min(most))
    }

    fn poll_read(&mut self, at_most: usize, cx: &mut Context<'_>) -> Poll<()> {
        let Some(response) = &mut self.response else { return Poll::Ready(()) };
        while !response.body().is_full(at_most) && ready!(response.body_mut().poll_look(cx, 0)) == Look::More {}
        Poll::Ready(())
    }

    /// Out of time, the replay finds that there is no body for it, and the caller gets the rejection.
    pub(super) fn poll_released(&mut self, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(kept) = &mut self.kept else { return Poll::Ready(()) };
        if B::poll_released(&mut kept.body, cx).is_ready() { Poll::Ready(()) } else { limit.poll(cx) }
    }
}
