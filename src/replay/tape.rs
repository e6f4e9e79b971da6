//! What a recording keeps, and whose turn it is to read on.

use std::{mem, task::Waker};

use bytes::Bytes;
use http_body::Frame;

use super::frames::Piece;

/// Frames on one tape, since tiny ones cost more memory than they have bytes.
pub(super) const MAX_PIECES: usize = 1024;

pub(super) struct Tape<B> {
    pub(super) stream: Stream<B>,
    /// `None` once there can be no replay: over the limit, or the stream failed.
    pub(super) pieces: Option<Vec<Piece>>,
    pub(super) size: usize,
    pub(super) limit: usize,
    /// The newest attempt.
    pub(super) attempt: u64,
    /// Whether the newest attempt's body is alive and not at its end.
    pub(super) reading: bool,
    /// Of the newest attempt.
    pub(super) waker: Option<Waker>,
    /// Of whoever waits for the newest attempt to let go.
    pub(super) keeper: Option<Waker>,
}

pub(super) enum Stream<B> {
    Idle(B),
    /// Taken out by an attempt that polls it.
    Polled,
    Ended,
    Failed,
}

/// What the tape has for an attempt that asks for a frame.
pub(super) enum Played<B> {
    Piece {
        piece: Piece,
        /// Nothing comes after it.
        last: bool,
    },
    /// The tape is played to its end: the stream, to be polled and put back.
    Stream(B),
    End,
    /// Another attempt has the stream. The former waker must not be dropped under the lock.
    Wait {
        former: Option<Waker>,
    },
    /// Superseded, or the stream failed.
    Lost,
}

/// What a poll of the stream gave for the tape.
pub(super) enum Gave {
    Nothing,
    Piece(Piece),
    /// An error, or a frame of a kind that is not known here.
    Unrecordable,
}

impl<B> Tape<B> {
    pub(super) fn play(&mut self, attempt: u64, read: &mut usize, waker: &Waker) -> Played<B> {
        if self.attempt != attempt {
            return Played::Lost;
        }
        if let Some(pieces) = &self.pieces
            && let Some(piece) = pieces.get(*read)
        {
            *read += 1;
            let last = pieces.len() == *read && matches!(self.stream, Stream::Ended);
            self.reading = !last;
            return Played::Piece { piece: piece.clone(), last };
        }
        match mem::replace(&mut self.stream, Stream::Polled) {
            Stream::Idle(stream) => Played::Stream(stream),
            Stream::Polled => Played::Wait { former: self.waker.replace(waker.clone()) },
            Stream::Ended => {
                self.stream = Stream::Ended;
                self.reading = false;
                Played::End
            }
            Stream::Failed => {
                self.stream = Stream::Failed;
                Played::Lost
            }
        }
    }

    /// Nothing is to be waited for: the newest attempt's body has ended or is gone, or there can be no replay.
    pub(super) fn is_released(&self) -> bool {
        !self.reading || self.pieces.is_none()
    }

    /// The waker of whoever waits for that, if it is so now.
    pub(super) fn released(&mut self) -> Option<Waker> {
        if self.is_released() { self.keeper.take() } else { None }
    }

    pub(super) fn has_room(&self, piece: &Piece) -> bool {
        self.size.saturating_add(piece.size()) <= self.limit
            && self.pieces.as_ref().is_some_and(|pieces| pieces.len() < MAX_PIECES)
    }

    pub(super) fn push(&mut self, piece: Piece) {
        if let Some(pieces) = &mut self.pieces {
            self.size += piece.size();
            pieces.push(piece);
        }
    }
}

impl Gave {
    pub(super) fn new(frame: &Frame<Bytes>) -> Self {
        match Piece::new(frame) {
            // Empty frames add nothing to a replay but would fill the tape.
            Some(Piece::Data(data)) if data.is_empty() => Self::Nothing,
            Some(piece) => Self::Piece(piece),
            None => Self::Unrecordable,
        }
    }
}
