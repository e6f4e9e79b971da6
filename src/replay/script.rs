//! A scripted body for the tests of this folder, and readers of bodies.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error as StdError,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use proptest::{collection::vec, prelude::*};

use super::frames::Rest;

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// What a scripted body does when it is polled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Data(Vec<u8>),
    Trailers(u8),
    Pending,
    Error,
    Panic,
}

/// Plays its steps, one a poll.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: VecDeque<Step>,
    pub(super) hint: Rest,
    /// Whether it knows that it is at its end before it is asked for another frame.
    pub(super) knows_end: bool,
    pub(super) polls: Arc<AtomicUsize>,
}

/// What came out of a body: bytes and trailers, and how it stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) data: Vec<u8>,
    pub(super) trailers: Vec<HeaderMap>,
    pub(super) ended: bool,
    pub(super) failed: bool,
}

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, hint: Rest::new(&SizeHint::new()), knows_end: false, polls: Arc::default() }
    }

    /// With the exact size of its data as its hint.
    pub(super) fn sized(self) -> Self {
        let size = whole(&self.steps).data.len() as u64;
        self.with_hint(&SizeHint::with_exact(size))
    }

    pub(super) fn with_hint(mut self, hint: &SizeHint) -> Self {
        self.hint = Rest::new(hint);
        self
    }

    pub(super) fn knowing_its_end(mut self) -> Self {
        self.knows_end = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers(value)) => Some(Ok(Frame::trailers(trailers(value)))),
            Some(Step::Error) => {
                self.steps.clear();
                Some(Err("the stream broke".into()))
            }
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Panic) => panic!("the stream panicked"),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint.hint()
    }
}

pub(super) fn data(text: &str) -> Step {
    Step::Data(text.into())
}

fn trailers(value: u8) -> HeaderMap {
    [("x-check".parse().expect("a name"), HeaderValue::from(u16::from(value)))].into_iter().collect()
}

/// What a reader of the steps ought to get.
pub(super) fn whole<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Read {
    let mut read = Read::default();
    for step in steps {
        match step {
            Step::Data(data) => read.data.extend(data),
            Step::Trailers(value) => read.trailers.push(trailers(*value)),
            Step::Pending => {}
            Step::Error | Step::Panic => {
                read.failed = true;
                return read;
            }
        }
    }
    read.ended = true;
    read
}

/// Polls at most so many times, and notes what comes.
pub(super) fn read<B: Body<Data = Bytes> + Unpin>(body: &mut B, read: &mut Read, polls: usize) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for _ in 0..polls {
        if read.ended || read.failed {
            return;
        }
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(None) => read.ended = true,
            Poll::Ready(Some(Err(_))) => read.failed = true,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    read.data.extend(data);
                }
                read.trailers.extend(frame.into_trailers().ok());
                // Clients stop here, without asking for another frame.
                read.ended = body.is_end_stream();
            }
        }
    }
}

/// Reads to the end, or to the error.
pub(super) fn read_all<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Read {
    let mut all = Read::default();
    read(&mut body, &mut all, 10_000);
    all
}

/// The same body with an error type whose values cannot be built.
pub(super) fn infallible(script: Script) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync {
    http_body_util::BodyExt::map_err(script, |_| unreachable!("the script has no error"))
}

/// Any script that does not panic.
pub(super) fn scripts() -> impl Strategy<Value = Script> {
    let step = prop_oneof![
        6 => vec(any::<u8>(), 0..20).prop_map(Step::Data),
        3 => Just(Step::Pending),
        1 => Just(Step::Error),
    ];
    let hints = 0..4_u8;
    (vec(step, 0..12), prop::option::of(any::<u8>()), any::<bool>(), hints).prop_map(
        |(mut steps, trailers, ends, hint)| {
            steps.extend(trailers.map(Step::Trailers));
            let script = Script { knows_end: ends, ..Script::new(steps) };
            let size = whole(&script.steps).data.len() as u64;
            let mut between = SizeHint::new();
            between.set_upper(size + 5);
            between.set_lower(size / 2);
            match hint {
                0 => script.sized(),
                1 => script.with_hint(&between),
                _ => script,
            }
        },
    )
}
