//! What is kept of a request until its response is known.

use http::{Request, request::Parts};

use crate::{
    replay::{KeptHead, Replay},
    session::Route,
};

/// What a replay starts from.
pub(super) struct Kept<B: Replay> {
    pub(super) head: KeptHead,
    pub(super) body: B::Kept,
}

impl<B: Replay> Kept<B> {
    /// Keeps what a replay needs.
    // Inlined, so that what is kept is written where it stays.
    #[inline(always)]
    pub(super) fn keep(head: &Parts, body: &mut B, limit: usize) -> Option<Self> {
        // The body first: where it can't be kept, the copy of the head would be for nothing.
        let body = body.keep(limit)?;
        Some(Self { head: KeptHead::keep(head), body })
    }

    pub(super) fn route(&self) -> Route {
        self.head.method_and_target().map_or(Route::UNKNOWN, |(method, target)| Route::new(method, target))
    }

    /// The same request once more.
    pub(super) fn again(&mut self) -> Option<Request<B>> {
        let head = self.head.restore()?;
        Some(Request::from_parts(head, B::again(&mut self.body)?))
    }
}
