//! A streamed body and its replays: any split into frames, any point of rejection, any limit.
//!
//! The first bytes of the input are settings, up to a zero byte there are frames, and then what happens to the attempts.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, SizeHint};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use tower_reauth::Replay;

mod script;

use self::script::{Script, Step};

/// As many frames as a recording keeps at least.
const FRAMES: usize = 1000;

/// More than 1024 frames cost beside their bytes, which do not count towards the limit.
const OVERHEAD: usize = 1024 * 48;

/// An error whose values the crate cannot build.
#[derive(Debug)]
struct Foreign;

/// One attempt, and what came out of it.
struct Attempt<B> {
    /// Dropped ones are kept, for what they gave.
    body: Option<B>,
    read: Read,
}

#[derive(Debug, Default, PartialEq)]
struct Read {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    failed: bool,
}

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let [kind, limit, hint, input @ ..] = input else { return };
    let (steps, happenings) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let steps = Step::read(&steps[..steps.len().min(FRAMES)]);
    let limit = usize::from(*limit) * if kind & 4 == 0 { 1 } else { 64 };
    match kind % 4 {
        0 => run(
            BoxBody::new(Script::new(steps.clone(), *hint, || io::Error::other("broken"))),
            &steps,
            limit,
            happenings,
            true,
        ),
        1 => run(BoxBody::new(Script::new(steps.clone(), *hint, || Foreign)), &steps, limit, happenings, false),
        2 => run(
            UnsyncBoxBody::new(Script::new(steps.clone(), *hint, || io::Error::other("broken"))),
            &steps,
            limit,
            happenings,
            true,
        ),
        _ => run(UnsyncBoxBody::new(Script::new(steps.clone(), *hint, || Foreign)), &steps, limit, happenings, false),
    }
}

/// `can_fail`: a superseded body can be told so.
fn run<B: Replay + Body<Data = Bytes> + Unpin>(
    mut body: B,
    steps: &[Step],
    limit: usize,
    happenings: &[u8],
    can_fail: bool,
) {
    let expected = whole(steps);
    let hint = body.size_hint();
    let mut kept = body.keep(limit);
    let fits = limit > 0 && expected.data.len() <= limit && expected.trailers.is_none() && !expected.failed;
    assert!(!fits || kept.is_some(), "what fits is kept");

    let mut attempts = vec![Attempt::new(body, &hint)];
    for happening in happenings {
        let of = usize::from(happening >> 3) % attempts.len();
        match happening % 8 {
            0 => attempts[of].body = None,
            1 => {
                let Some(kept) = &mut kept else { continue };
                let released = B::poll_released(kept, &mut Context::from_waker(Waker::noop())).is_ready();
                match B::again(kept) {
                    Some(body) => attempts.push(Attempt::new(body, &hint)),
                    None => assert!(!(fits && released), "what fits and is not being read can be had again"),
                }
                assert!(!can_fail || released, "nobody waits for a body that can be told to fail");
            }
            times => attempts[of].read(usize::from(times)),
        }
        let size = kept.as_ref().map_or(0, B::size);
        assert!(size <= limit + OVERHEAD, "{size} bytes are kept where {limit} may be");
    }

    let last = attempts.len() - 1;
    attempts.iter_mut().for_each(|attempt| attempt.read(0));
    // The newest attempt first, then those that it has superseded, which may have had the stream when it wanted it.
    for number in (0..=last).rev() {
        let attempt = &mut attempts[number];
        attempt.read(3 * FRAMES);
        let read = &attempt.read;
        assert!(expected.data.starts_with(&read.data), "attempt {number} gave other bytes");
        assert!(!read.ended || *read == expected, "attempt {number} ended short");
        if number == last && attempt.body.is_some() {
            assert_eq!(*read, expected, "the newest attempt gives the original, its error too");
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Attempt<B> {
    fn new(body: B, hint: &SizeHint) -> Self {
        let now = body.size_hint();
        assert_eq!((now.lower(), now.upper()), (hint.lower(), hint.upper()), "all attempts are framed in the same way");
        Self { body: Some(body), read: Read::default() }
    }

    fn read(&mut self, polls: usize) {
        let Some(body) = &mut self.body else { return };
        for _ in 0..polls {
            if self.read.ended || self.read.failed {
                return;
            }
            match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => {}
                Poll::Ready(None) => self.read.ended = true,
                Poll::Ready(Some(Err(_))) => self.read.failed = true,
                Poll::Ready(Some(Ok(frame))) => {
                    match frame.into_data() {
                        Ok(data) => self.read.data.extend(data),
                        Err(frame) => self.read.trailers = frame.into_trailers().ok(),
                    }
                    // Clients stop here, without asking for another frame.
                    self.read.ended = body.is_end_stream();
                }
            }
        }
    }
}

/// What a reader of the script ought to get.
fn whole(steps: &[Step]) -> Read {
    let mut read = Read::default();
    for step in steps {
        match step {
            Step::Data(data) => read.data.extend(data),
            Step::Trailers(trailers) => read.trailers = Some(trailers.clone()),
            Step::Pending => {}
            Step::Error => {
                read.failed = true;
                return read;
            }
        }
    }
    read.ended = true;
    read
}
