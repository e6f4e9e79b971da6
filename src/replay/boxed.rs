//! Boxed bodies: small ones are read at once and kept whole, streams are recorded while they are sent.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{
    BodyExt, Empty,
    combinators::{BoxBody, UnsyncBoxBody},
};

use super::{
    frames::{Piece, Rest},
    recording,
};

/// What is kept of a boxed body `B` until its response is known.
pub struct KeptBody<B>(Kept<B>);

enum Kept<B> {
    Whole {
        first: Option<Piece>,
        // Seldom there; in a box, it makes every future smaller.
        second: Option<Box<Piece>>,
        rest: Rest,
        /// At its end before anything was read of it.
        empty: bool,
    },
    Recording(recording::Kept<B>),
}

type Frames = [Option<Frame<Bytes>>; 2];

/// A body whose first frames were read before it was sent.
struct Begun<B: Body> {
    frames: Frames,
    /// Never locked: the mutex makes up for what is not `Sync`.
    then: Mutex<Then<B>>,
    rest: Rest,
    ended: bool,
}

enum Then<B: Body> {
    Stream(B),
    Error(B::Error),
    End,
}

/// The boxes differ in their bounds only.
pub(super) trait Boxed: Body<Data = Bytes, Error: Send + 'static> + Unpin + Send + 'static {
    fn new<B: Body<Data = Bytes, Error = Self::Error> + Send + Sync + 'static>(body: B) -> Self;
}

/// [`Replay`] for one of them, and how it is made of another body.
macro_rules! replay_boxed {
    ($(#[$docs:meta])* impl $([$error:ident])? for $body:ty, with $failure:ty, by $new:expr) => {
        $(#[$docs])*
        impl$(<$error: Send + 'static>)? $crate::replay::Replay for $body {
            type Kept = $crate::replay::KeptBody<Self>;

            fn keep(&mut self, limit: usize) -> Option<Self::Kept> {
                $crate::replay::boxed::keep(self, limit)
            }

            fn again(kept: &mut Self::Kept) -> Option<Self> {
                $crate::replay::boxed::again(kept)
            }

            fn poll_released(kept: &mut Self::Kept, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
                $crate::replay::boxed::poll_released(kept, cx)
            }

            fn size(kept: &Self::Kept) -> usize {
                kept.size()
            }
        }

        impl$(<$error: Send + 'static>)? $crate::replay::boxed::Boxed for $body {
            fn new<B>(body: B) -> Self
            where
                B: http_body::Body<Data = bytes::Bytes, Error = $failure> + Send + Sync + 'static,
            {
                $new(body)
            }
        }
    };
}
#[cfg(any(feature = "axum", feature = "tonic"))]
pub(super) use replay_boxed;

replay_boxed! {
    /// A body whose known length is over the limit is not kept. A body whose only frame is ready at once, with or without
    /// trailers, is kept whole. Any other body is recorded while it is sent, up to the limit and to 1,024 frames.
    ///
    /// If the rejection comes before the body was sent in full, the replay sends what was recorded, and reads on from the stream.
    /// The body of the first attempt fails. For that its error type must be one that the layer can make:
    /// `Box<dyn Error + Send + Sync>`, [`std::io::Error`], [`tower_reauth::Error`](crate::Error), and with their features
    /// `axum::Error` and `tonic::Status`. With any other `E` the layer waits until the first body was sent or dropped, and then
    /// sends the request again. If that takes more than a second, the caller gets the rejection.
    impl[E] for BoxBody<Bytes, E>, with E, by BoxBody::new
}

replay_boxed! {
    /// As for `BoxBody`.
    impl[E] for UnsyncBoxBody<Bytes, E>, with E, by UnsyncBoxBody::new
}

impl<B> KeptBody<B> {
    pub(super) fn size(&self) -> usize {
        match &self.0 {
            Kept::Whole { first, second, .. } => first.iter().chain(second.as_deref()).map(Piece::size).sum(),
            Kept::Recording(kept) => kept.size(),
        }
    }
}

impl<B> fmt::Debug for KeptBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptBody").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl<B: Boxed> Body for Begun<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let then = this.then.get_mut().unwrap_or_else(PoisonError::into_inner);
        let polled = match this.frames.iter_mut().find_map(Option::take) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => match then {
                Then::Stream(stream) => {
                    let polled = Pin::new(&mut *stream).poll_frame(cx);
                    if polled.is_ready() && stream.is_end_stream() {
                        *then = Then::End;
                    }
                    polled
                }
                _ => match mem::replace(then, Then::End) {
                    Then::Error(error) => Poll::Ready(Some(Err(error))),
                    _ => Poll::Ready(None),
                },
            },
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.rest.shorten(frame);
        }
        this.ended = matches!(then, Then::End) && this.frames.iter().all(Option::is_none);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.hint()
    }
}

// Nothing in it is pinned.
impl<B: Body> Unpin for Begun<B> {}

pub(super) fn keep<B: Boxed>(body: &mut B, limit: usize) -> Option<KeptBody<B>> {
    let hint = body.size_hint();
    let rest = Rest::new(&hint);
    if body.is_end_stream() {
        return Some(KeptBody(Kept::Whole { first: None, second: None, rest, empty: true }));
    }
    if limit == 0 || hint.lower() > limit as u64 {
        return None;
    }
    // A body of unknown size is read too: a unary gRPC message is one.
    let small = hint.upper().is_none_or(|upper| upper <= limit as u64);
    let (frames, ended) = if small { read_ahead(body) } else { ([None, None], None) };
    let pieces = pieces(&frames).filter(|pieces| size(pieces) <= limit);
    let begun = |frames, then| B::new(Begun { frames, then: Mutex::new(then), rest, ended: false });
    match (ended, pieces) {
        (None, Some(pieces)) => {
            let stream = take(body);
            let (attempt, kept) = recording::record(stream, pieces.into_iter().flatten().collect(), rest, limit);
            *body = B::new(attempt);
            Some(KeptBody(Kept::Recording(kept)))
        }
        (None, None) => {
            let stream = take(body);
            *body = begun(frames, Then::Stream(stream));
            None
        }
        (Some(Err(error)), _) => {
            *body = begun(frames, Then::Error(error));
            None
        }
        (Some(Ok(())), pieces) => {
            *body = begun(frames, Then::End);
            let [first, second] = pieces?;
            Some(KeptBody(Kept::Whole { first, second: second.map(Box::new), rest, empty: false }))
        }
    }
}

/// Takes a body out of its place. What stays there has no size, so its box allocates nothing.
fn take<B: Boxed>(body: &mut B) -> B {
    mem::replace(body, B::new(Empty::new().map_err(|never| match never {})))
}

pub(super) fn again<B: Boxed>(kept: &mut KeptBody<B>) -> Option<B> {
    Some(match &mut kept.0 {
        Kept::Recording(kept) => B::new(kept.again()?),
        Kept::Whole { first, second, rest, empty } => {
            let pieces = [first.clone(), second.as_deref().cloned()];
            let frames = pieces.map(|piece| piece.map(Piece::into_frame));
            B::new(Begun { frames, then: Mutex::new(Then::<B>::End), rest: *rest, ended: *empty })
        }
    })
}

pub(super) fn poll_released<B: Boxed>(kept: &mut KeptBody<B>, cx: &mut Context<'_>) -> Poll<()> {
    match &mut kept.0 {
        Kept::Whole { .. } => Poll::Ready(()),
        Kept::Recording(kept) => kept.poll_released(cx),
    }
}

/// Polls for at most two frames, and tells whether the body came to its end or failed with that.
///
/// Two, because a body often tells its end only when it is asked for another frame. The waker does nothing: a stream
/// that is not ready is polled again, with the right one, when the body is sent.
fn read_ahead<B: Boxed>(body: &mut B) -> (Frames, Option<Result<(), B::Error>>) {
    let mut frames = [None, None];
    for slot in &mut frames {
        match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => break,
            Poll::Ready(None) => return (frames, Some(Ok(()))),
            Poll::Ready(Some(Err(error))) => return (frames, Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => {
                let last = frame.is_trailers() || body.is_end_stream();
                *slot = Some(frame);
                if last {
                    return (frames, Some(Ok(())));
                }
            }
        }
    }
    (frames, None)
}

/// The frames to be kept; `None` where one is of a kind that cannot be.
fn pieces(frames: &Frames) -> Option<[Option<Piece>; 2]> {
    let [first, second] = frames.each_ref().map(|frame| frame.as_ref().map(Piece::new));
    let piece = |piece: Option<Option<Piece>>| piece.map_or(Some(None), |piece| piece.map(Some));
    Some([piece(first)?, piece(second)?])
}

fn size(pieces: &[Option<Piece>; 2]) -> usize {
    pieces.iter().flatten().map(Piece::size).sum()
}

#[cfg(test)]
mod tests;
