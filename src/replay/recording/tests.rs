//! What a recording promises, whoever reads and in whatever order.

use std::{
    convert::Infallible,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::combinators::UnsyncBoxBody;
use tokio_test::{assert_pending, task};

use super::{super::tape::MAX_PIECES, *};
use crate::replay::script::{BoxError, Read, Script, Step, data, infallible, read, read_all, whole};

type TestBody = UnsyncBoxBody<Bytes, BoxError>;

fn start(script: Script, limit: usize) -> (Attempt<TestBody>, Kept<TestBody>) {
    let rest = script.hint;
    record(UnsyncBoxBody::new(script), Vec::new(), rest, limit)
}

fn three() -> Script {
    Script::new([data("one "), data("two "), data("three"), Step::Trailers(3)])
}

/// Reads so many frames.
fn begin<B: Body<Data = Bytes> + Unpin>(body: &mut B, frames: usize) -> Read {
    let mut begun = Read::default();
    read(body, &mut begun, frames);
    begun
}

#[test]
fn replay_after_a_whole_attempt_gives_the_same_bytes_and_trailers() {
    let (first, mut kept) = start(three(), 64);
    assert_eq!(read_all(first), whole(&three().steps));
    for _ in 0..3 {
        assert_eq!(read_all(kept.again().expect("within the limit")), whole(&three().steps));
    }
}

#[test]
fn attempt_that_was_dropped_half_way_is_replayed_whole() {
    for frames in 0..=4 {
        let (mut first, mut kept) = start(three(), 64);
        begin(&mut first, frames);
        drop(first);
        let mut second = kept.again().expect("within the limit");
        begin(&mut second, 2);
        drop(second);
        assert_eq!(read_all(kept.again().expect("within the limit")), whole(&three().steps));
    }
}

#[test]
fn superseded_body_fails_and_does_not_end() {
    for frames in 0..=3 {
        let (mut first, mut kept) = start(three(), 64);
        begin(&mut first, frames);
        let second = kept.again().expect("the error can be built");
        assert!(!first.is_end_stream());
        let rest = read_all(first);
        assert!(rest.failed && rest.data.is_empty(), "{rest:?}");
        assert_eq!(read_all(second), whole(&three().steps));
    }
}

#[test]
fn superseded_body_that_waits_is_woken() {
    let (first, mut kept) = record(channel(), Vec::new(), Rest::new(&SizeHint::new()), 64);
    let mut first = task::spawn(first);
    assert_pending!(first.enter(|cx, body| body.poll_frame(cx)));
    let mut second = task::spawn(kept.again().expect("the error can be built"));
    assert!(first.is_woken());
    assert!(matches!(first.enter(|cx, body| body.poll_frame(cx)), Poll::Ready(Some(Err(_)))));
    assert_pending!(second.enter(|cx, body| body.poll_frame(cx)));
    drop(first);
    assert!(!second.is_woken());
}

/// A stream that never has anything.
fn channel() -> TestBody {
    struct Never;
    impl Body for Never {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled<BoxError> {
            Poll::Pending
        }
    }
    UnsyncBoxBody::new(Never)
}

#[test]
fn without_an_error_to_build_there_is_no_replay_while_the_body_is_read() {
    let start = || record(UnsyncBoxBody::new(infallible(three())), Vec::new(), Rest::new(&SizeHint::new()), 64);
    let (mut first, mut kept) = start();
    begin(&mut first, 2);
    assert!(kept.again().is_none());
    assert_eq!(begin(&mut first, 9).data, b"three", "and the body goes on unharmed");
    assert_eq!(read_all(kept.again().expect("finished")), whole(&three().steps));

    let (mut first, mut kept) = start();
    begin(&mut first, 2);
    drop(first);
    assert_eq!(read_all(kept.again().expect("dropped")), whole(&three().steps));
}

/// Begins a body that can't be superseded, waits for it to let go, and has something done to it.
fn lets_go_by(script: Script, done: impl FnOnce(&mut Option<Attempt<UnsyncBoxBody<Bytes, Infallible>>>)) -> bool {
    let (mut first, mut kept) =
        record(UnsyncBoxBody::new(infallible(script)), Vec::new(), Rest::new(&SizeHint::new()), 64);
    begin(&mut first, 1);
    let mut first = Some(first);
    let mut waiting = task::spawn(std::future::poll_fn(|cx| kept.poll_released(cx)));
    assert_pending!(waiting.poll());
    done(&mut first);
    let woken = waiting.is_woken();
    assert_eq!(waiting.poll().is_ready(), woken, "told by a wake-up");
    woken
}

#[test]
fn whoever_waits_for_the_body_is_woken_when_it_lets_go() {
    assert!(lets_go_by(three(), |first| drop(first.take())), "dropped");
    assert!(lets_go_by(three(), |first| drop(begin(first.as_mut().expect("begun"), 9))), "read to its end");
    assert!(
        lets_go_by(three().knowing_its_end(), |first| drop(begin(first.as_mut().expect("begun"), 3))),
        "told its end"
    );
    let long = || Script::new([data("one"), Step::Data(vec![0; 100]), data("three")]);
    assert!(lets_go_by(long(), |first| drop(begin(first.as_mut().expect("begun"), 1))), "over the limit");
    assert!(!lets_go_by(three(), |first| drop(begin(first.as_mut().expect("begun"), 2))), "still being read");
}

#[test]
fn nobody_waits_for_a_body_that_can_be_superseded() {
    let (mut first, mut kept) = start(three(), 64);
    begin(&mut first, 1);
    assert!(task::spawn(std::future::poll_fn(|cx| kept.poll_released(cx))).poll().is_ready());
}

#[test]
fn body_that_told_its_end_counts_as_finished() {
    let script = three().knowing_its_end();
    let (mut first, mut kept) =
        record(UnsyncBoxBody::new(infallible(script)), Vec::new(), Rest::new(&SizeHint::new()), 64);
    begin(&mut first, 4);
    assert!(first.is_end_stream());
    let mut second = kept.again().expect("the first body needs no other poll");
    begin(&mut second, 4);
    assert!(second.is_end_stream());
    assert!(kept.again().is_some());
}

#[test]
fn tape_over_the_limit_is_dropped_and_the_body_streams_on() {
    let (mut first, mut kept) = start(three(), 7);
    begin(&mut first, 1);
    assert!(kept.size() >= 4);
    begin(&mut first, 1);
    assert_eq!(kept.size(), 0);
    assert!(kept.again().is_none());
    assert_eq!(begin(&mut first, 9).data, b"three");
}

#[test]
fn trailers_count_towards_the_limit() {
    let (first, mut kept) = start(three(), 13);
    assert_eq!(read_all(first), whole(&three().steps));
    assert!(kept.again().is_none());
}

#[test]
fn number_of_frames_is_bounded_and_empty_ones_do_not_count() {
    let mut steps = vec![data(""); MAX_PIECES * 2];
    steps.extend(vec![data("x"); MAX_PIECES]);
    let (first, mut kept) = start(Script::new(steps.clone()), 1 << 20);
    assert_eq!(read_all(first).data.len(), MAX_PIECES);
    assert!(kept.again().is_some());
    steps.push(data("x"));
    let (first, mut kept) = start(Script::new(steps), 1 << 20);
    assert_eq!(read_all(first).data.len(), MAX_PIECES + 1);
    assert!(kept.again().is_none());
}

#[test]
fn stream_that_failed_is_not_replayed() {
    let (first, mut kept) = start(Script::new([data("one"), Step::Error]), 64);
    let read = read_all(first);
    assert!(read.failed);
    assert_eq!(read.data, b"one");
    assert!(kept.again().is_none());
}

#[test]
fn panic_of_the_stream_counts_as_its_failure_and_reaches_the_caller() {
    let (mut first, mut kept) = start(Script::new([data("one"), Step::Panic]), 64);
    begin(&mut first, 1);
    let panic = catch_unwind(AssertUnwindSafe(|| begin(&mut first, 1)));
    assert!(panic.is_err());
    assert!(kept.again().is_none());
    assert!(begin(&mut first, 1).failed);
    assert_eq!(kept.size(), 0);
}

#[test]
fn nothing_is_recorded_once_nobody_can_ask_for_it() {
    let (mut first, kept) = start(three(), 64);
    begin(&mut first, 1);
    drop(kept);
    begin(&mut first, 1);
    assert!(lock(&first.tape).pieces.is_none());
    assert_eq!(begin(&mut first, 9).data, b"three");
}

#[test]
fn size_hint_shrinks_as_the_body_is_read() {
    let (mut first, mut kept) = start(three().sized(), 64);
    for exact in [13, 9, 5, 0] {
        assert_eq!(first.size_hint().exact(), Some(exact));
        begin(&mut first, 1);
    }
    assert_eq!(kept.again().expect("within the limit").size_hint().exact(), Some(13));
}

/// Runs something in its first poll, then gives one frame.
struct Meddling<F>(Option<F>);

impl<F: FnOnce() + Unpin> Body for Meddling<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled<BoxError> {
        Poll::Ready(self.0.take().map(|meddle| {
            meddle();
            Ok(Frame::data(Bytes::from_static(b"frame")))
        }))
    }
}

#[test]
fn frame_read_for_a_superseded_body_goes_to_its_successor() {
    let slot: Arc<Mutex<Option<Kept<TestBody>>>> = Arc::default();
    let successor = Arc::new(Mutex::new(None));
    let meddle = {
        let (slot, successor) = (Arc::clone(&slot), Arc::clone(&successor));
        move || {
            let mut kept = slot.lock().expect("not poisoned").take().expect("put there by the test");
            let mut second = task::spawn(kept.again().expect("nothing under lock"));
            assert_pending!(second.enter(|cx, body| body.poll_frame(cx)));
            *successor.lock().expect("not poisoned") = Some((kept, second));
        }
    };
    let stream = UnsyncBoxBody::new(Meddling(Some(meddle)));
    let (first, kept) = record(stream, Vec::new(), Rest::new(&SizeHint::new()), 2);
    *slot.lock().expect("not poisoned") = Some(kept);
    let read = read_all(first);
    assert!(read.failed && read.data.is_empty());
    let (_kept, second) = successor.lock().expect("not poisoned").take().expect("put there by the stream");
    assert!(second.is_woken());
    let read = read_all(second.into_inner());
    assert_eq!((&*read.data, read.ended), (&b"frame"[..], true));
}

/// One thread reads while another takes over: together they see each byte once and in order, and nobody hangs.
#[test]
fn takeover_while_another_thread_reads_loses_nothing() {
    let steps = Vec::from_iter((0..200_u8).map(|byte| Step::Data(vec![byte])));
    for round in 0..300 {
        let (mut first, mut kept) = start(Script::new(steps.clone()), 1024);
        let (barrier, progress) = (Barrier::new(2), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                barrier.wait();
                let mut seen = Read::default();
                while !seen.ended && !seen.failed {
                    read(&mut first, &mut seen, 1);
                    progress.fetch_add(1, Ordering::Relaxed);
                }
                seen
            });
            barrier.wait();
            while progress.load(Ordering::Relaxed) < round % 150 {
                std::hint::spin_loop();
            }
            let mut second = kept.again().expect("the error can be built");
            let mut seen = Read::default();
            // Pending while the other thread has the stream.
            while !seen.ended && !seen.failed {
                read(&mut second, &mut seen, 1);
            }
            assert_eq!(seen, whole(&steps));
            let first = reader.join().expect("no panic");
            assert!(whole(&steps).data.starts_with(&first.data));
            assert!(first.failed || first.data.len() == 200);
        });
    }
}
