//! The tape of a streamed body: what one attempt reads is kept, so that the next attempt reads the same.
//!
//! - The stream is owned by the tape; each attempt has a body that first plays what is on the tape and then reads on
//!   from the stream, recording as it goes. Only the newest attempt gets anything.
//! - A body that a newer attempt supersedes must not simply end: with chunked HTTP/1.1 a cut-off request would look
//!   whole. It fails, or, where the error type has no value that can be built here, there is no newer attempt as long
//!   as it is being read, and [`Kept::poll_released`] tells when that is over.
//! - What the caller wrote (the stream and its drop, the wake and the drop of a waker) never runs under the lock of the
//!   tape: the stream is taken out to be polled. Whatever it calls meanwhile, even [`Kept::again`], finds the tape
//!   unlocked. Another attempt that asks for the stream in that time waits until it is put back.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    frames::{Piece, Rest},
    superseded::{fail, superseded},
    tape::{Gave, Played, Stream, Tape},
};

/// What is kept of a streamed body until its response is known.
pub(super) struct Kept<B> {
    tape: Arc<Mutex<Tape<B>>>,
    rest: Rest,
}

/// The body of one attempt.
pub(super) struct Attempt<B> {
    tape: Arc<Mutex<Tape<B>>>,
    number: u64,
    /// How many pieces it has read off the tape.
    read: usize,
    rest: Rest,
    ended: bool,
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

/// Starts a recording. `pieces` are what was read of the stream already, within the limit; `rest` is from before that.
///
/// More than `limit` bytes, or more frames than a tape holds, and the tape is dropped while the body streams on.
pub(super) fn record<B>(stream: B, pieces: Vec<Piece>, rest: Rest, limit: usize) -> (Attempt<B>, Kept<B>) {
    let size = pieces.iter().map(Piece::size).sum();
    let tape = Tape {
        stream: Stream::Idle(stream),
        pieces: Some(pieces),
        size,
        limit,
        attempt: 0,
        reading: true,
        waker: None,
        keeper: None,
    };
    let tape = Arc::new(Mutex::new(tape));
    let kept = Kept { tape: Arc::clone(&tape), rest };
    (Attempt { tape, number: 0, read: 0, rest, ended: false }, kept)
}

impl<B: Body<Data = Bytes, Error: 'static>> Kept<B> {
    /// The body of the next attempt, which supersedes the one before.
    pub(super) fn again(&mut self) -> Option<Attempt<B>> {
        let can_fail = superseded::<B::Error>().is_some();
        let mut tape = lock(&self.tape);
        tape.pieces.as_ref()?;
        if tape.reading && !can_fail {
            return None;
        }
        tape.attempt += 1;
        tape.reading = true;
        let (number, waker) = (tape.attempt, tape.waker.take());
        drop(tape);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(Attempt { tape: Arc::clone(&self.tape), number, read: 0, rest: self.rest, ended: false })
    }

    /// Pending while the newest attempt's body is being read and can't be superseded.
    pub(super) fn poll_released(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if superseded::<B::Error>().is_some() {
            return Poll::Ready(());
        }
        let mut waker = Some(cx.waker().clone()); // Dropped after the lock.
        let mut tape = lock(&self.tape);
        if tape.is_released() {
            return Poll::Ready(());
        }
        mem::swap(&mut tape.keeper, &mut waker);
        Poll::Pending
    }
}

impl<B> Kept<B> {
    /// How many bytes are on the tape now, with what their frames cost.
    pub(super) fn size(&self) -> usize {
        let tape = lock(&self.tape);
        tape.pieces.as_ref().map_or(0, |pieces| tape.size + pieces.capacity() * size_of::<Piece>())
    }
}

impl<B: Body<Data = Bytes, Error: 'static> + Unpin> Attempt<B> {
    /// Polls the stream, which is out of the tape for that time.
    fn read_on(&mut self, mut stream: B, cx: &mut Context<'_>) -> Polled<B::Error> {
        let poll = || {
            let polled = Pin::new(&mut stream).poll_frame(cx);
            let ended = matches!(polled, Poll::Ready(None)) || (polled.is_ready() && stream.is_end_stream());
            (polled, ended)
        };
        let (polled, ended) = catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|panic| {
            self.put_back(Stream::Failed, Gave::Unrecordable, None);
            resume_unwind(panic)
        });
        let (gave, failed) = match &polled {
            Poll::Ready(Some(Ok(frame))) => (Gave::new(frame), false),
            Poll::Ready(Some(Err(_))) => (Gave::Unrecordable, true),
            Poll::Ready(None) | Poll::Pending => (Gave::Nothing, false),
        };
        // A stream that is done for is dropped here, outside the lock.
        let stream = match (failed, ended) {
            (true, _) => Stream::Failed,
            (_, true) => Stream::Ended,
            _ => Stream::Idle(stream),
        };
        let newest = self.put_back(stream, gave, polled.is_pending().then_some(cx.waker()));
        if newest || failed { polled } else { fail() }
    }

    /// Puts the stream back after a poll and records what it gave. Returns whether this attempt is still the newest.
    fn put_back(&mut self, stream: Stream<B>, gave: Gave, waiting: Option<&Waker>) -> bool {
        let ended = matches!(stream, Stream::Ended);
        let failed = matches!(stream, Stream::Failed);
        let waiting = waiting.cloned();
        let mut tape = lock(&self.tape);
        tape.stream = stream;
        let newest = tape.attempt == self.number;
        // When this body is all that is left of the recording, nobody can ask for a replay any more.
        let wanted = Arc::strong_count(&self.tape) > 1;
        let dropped = match gave {
            Gave::Nothing if wanted => None,
            // A newer attempt that is still playing the tape relies on it, so its length does not matter there.
            Gave::Piece(piece) if wanted && (!newest || tape.has_room(&piece)) => {
                tape.push(piece);
                None
            }
            // Invariant 11: what cannot be recorded is lost to a newer attempt, which must fail then.
            _ => Some((tape.pieces.take(), (!newest).then(|| mem::replace(&mut tape.stream, Stream::Failed)))),
        };
        let waker = if newest {
            self.read = tape.pieces.as_ref().map_or(0, Vec::len);
            self.ended = ended;
            tape.reading = !ended && !failed;
            mem::replace(&mut tape.waker, waiting)
        } else {
            tape.waker.take()
        };
        let keeper = tape.released();
        drop(tape);
        drop(dropped);
        if !newest && let Some(waker) = waker {
            waker.wake();
        }
        keeper.inspect(Waker::wake_by_ref);
        newest
    }
}

impl<B: Body<Data = Bytes, Error: 'static> + Unpin> Body for Attempt<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B::Error> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let played = lock(&this.tape).play(this.number, &mut this.read, cx.waker());
        let polled = match played {
            Played::Piece { piece, last } => {
                this.ended = last;
                Poll::Ready(Some(Ok(piece.into_frame())))
            }
            Played::Stream(stream) => this.read_on(stream, cx),
            Played::End => {
                this.ended = true;
                Poll::Ready(None)
            }
            Played::Wait { former } => {
                drop(former);
                Poll::Pending
            }
            Played::Lost => fail(),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.rest.shorten(frame);
        }
        if this.ended {
            let keeper = lock(&this.tape).released();
            keeper.inspect(Waker::wake_by_ref);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.hint()
    }
}

impl<B> Drop for Attempt<B> {
    fn drop(&mut self) {
        let mut tape = lock(&self.tape);
        if tape.attempt == self.number {
            tape.reading = false;
            let (waker, keeper) = (tape.waker.take(), tape.released());
            drop(tape);
            drop(waker);
            keeper.inspect(Waker::wake_by_ref);
        }
    }
}

/// Nothing of the caller's runs under this lock, so it is never poisoned.
fn lock<B>(tape: &Mutex<Tape<B>>) -> MutexGuard<'_, Tape<B>> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
