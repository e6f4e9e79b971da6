//! A body that plays what it is told.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::HeaderName};
use http_body::{Body, Frame, SizeHint};

/// What the body does when it is polled.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Pending,
    Error,
}

pub(super) struct Script<E> {
    steps: VecDeque<Step>,
    hint: SizeHint,
    /// Whether it knows that it is at its end before it is asked for another frame.
    knows_end: bool,
    error: fn() -> E,
}

impl Step {
    /// A byte a step, and at most one kind of end.
    pub(super) fn read(bytes: &[u8]) -> Vec<Self> {
        let mut steps = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            // Each frame has bytes of its own, so that one in another's place is noticed.
            let data = |length: usize| Step::Data((0..length).map(|n| (at * 31 + n) as u8).collect());
            match byte {
                1..=0x7f => steps.push(data(usize::from(*byte))),
                0x80 => steps.push(data(0)),
                0x81..=0xbf => steps.push(data(usize::from(byte - 0x80) * 97)),
                0xc0 => {
                    let value = HeaderValue::from(at);
                    steps.push(Step::Trailers([(HeaderName::from_static("x-check"), value)].into_iter().collect()));
                    return steps;
                }
                0xc1 => {
                    steps.push(Step::Error);
                    return steps;
                }
                _ => steps.push(Step::Pending),
            }
        }
        steps
    }
}

impl<E> Script<E> {
    pub(super) fn new(steps: Vec<Step>, hint: u8, error: fn() -> E) -> Self {
        let size: usize = steps.iter().map(|step| if let Step::Data(data) = step { data.len() } else { 0 }).sum();
        let fails = steps.iter().any(|step| matches!(step, Step::Error));
        let mut size_hint = SizeHint::new();
        match hint % 4 {
            // A body that breaks off may have promised more.
            0 => size_hint.set_exact(size as u64 + u64::from(fails)),
            1 => {
                size_hint.set_upper(size as u64 + 5);
                size_hint.set_lower(size as u64 / 2);
            }
            _ => {}
        }
        Self { steps: steps.into(), hint: size_hint, knows_end: hint & 4 == 0, error }
    }
}

impl<E> Body for Script<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Error) => Some(Err((self.error)())),
            Some(Step::Pending) => return Poll::Pending,
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
