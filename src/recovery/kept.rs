//! What is kept of a request until its response is known.

use http::Request;

use crate::{Replay, replay::KeptHead};

/// What a replay starts from.
pub(crate) struct Kept<B: Replay> {
    pub(crate) head: KeptHead,
    pub(crate) body: B::Kept,
}

impl<B: Replay> Kept<B> {
    /// Keeps what a replay needs, and gives the request back.
    pub(crate) fn keep(request: Request<B>, limit: usize) -> (Request<B>, Option<Self>) {
        // The body first: where it can't be kept, the copy of the head would be for nothing.
        let (parts, body) = request.into_parts();
        let (body, kept) = body.keep(limit);
        let request = Request::from_parts(parts, body);
        let kept = kept.map(|body| Self { head: KeptHead::keep(&request), body });
        (request, kept)
    }

    /// The same request once more.
    pub(super) fn again(&mut self) -> Option<Request<B>> {
        let head = self.head.restore()?;
        Some(Request::from_parts(head, B::again(&mut self.body)?))
    }
}
