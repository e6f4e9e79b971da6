//! What boxed bodies promise: the first attempt is the original, and a replay is the same or is not sent.

use std::sync::atomic::Ordering;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::replay::Replay;
use crate::replay::script::{BoxError, Read, Script, Step, data, read, read_all, scripts, whole};

type TestBody = BoxBody<Bytes, BoxError>;

fn keep_script(script: Script, limit: usize) -> (TestBody, Option<KeptBody<TestBody>>) {
    let mut body = BoxBody::new(script);
    let kept = body.keep(limit);
    (body, kept)
}

fn is_whole(kept: &Option<KeptBody<TestBody>>) -> bool {
    matches!(kept, Some(KeptBody(Kept::Whole { .. })))
}

#[test]
fn one_frame_that_is_ready_is_kept_whole() {
    for script in [
        Script::new([data("message")]),
        Script::new([data("message")]).sized(),
        Script::new([data("message")]).knowing_its_end(),
        Script::new([data("message"), Step::Trailers(1)]),
        Script::new([Step::Trailers(1)]),
        Script::new([]),
    ] {
        let (steps, hint, ended) = (script.steps.clone(), script.hint, script.is_end_stream());
        let (body, mut kept) = keep_script(script, 64);
        assert!(is_whole(&kept));
        let second = kept.as_mut().and_then(TestBody::again).expect("kept whole");
        for body in [body, second] {
            assert_eq!(Rest::new(&body.size_hint()), hint);
            assert_eq!(body.is_end_stream(), ended);
            assert_eq!(read_all(body), whole(&steps));
        }
    }
}

#[test]
fn whole_body_can_be_sent_again_while_the_first_is_still_read() {
    let (mut first, kept) = keep_script(Script::new([data("message"), Step::Trailers(1)]), 64);
    let mut begun = Read::default();
    read(&mut first, &mut begun, 1);
    let second = TestBody::again(&mut kept.expect("kept whole")).expect("kept whole");
    assert_eq!(read_all(first).trailers.len(), 1);
    assert_eq!(read_all(second), whole(&[data("message"), Step::Trailers(1)]));
}

#[test]
fn body_that_states_more_than_the_limit_is_not_touched() {
    let script = Script::new([data("0123456789")]).sized();
    let polls = script.polls.clone();
    let (body, kept) = keep_script(script, 9);
    assert!(kept.is_none());
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    assert_eq!(read_all(body).data, b"0123456789");
}

#[test]
fn nothing_is_kept_with_a_limit_of_zero() {
    let (body, kept) = keep_script(Script::new([data("x")]), 0);
    assert!(kept.is_none());
    assert_eq!(read_all(body).data, b"x");
    assert!(keep_script(Script::new([]).knowing_its_end(), 0).1.is_some());
}

#[test]
fn error_of_the_first_poll_reaches_the_reader() {
    for steps in [vec![Step::Error], vec![data("one"), Step::Error]] {
        let (body, kept) = keep_script(Script::new(steps.clone()), 64);
        assert!(kept.is_none());
        assert_eq!(read_all(body), whole(&steps));
    }
}

#[test]
fn frames_over_the_limit_that_were_read_ahead_are_sent() {
    let steps = [data("01234"), data("56789"), data("end"), Step::Trailers(1)];
    for limit in 1..10 {
        let (body, kept) = keep_script(Script::new(steps.clone()), limit);
        assert!(kept.is_none());
        assert_eq!(read_all(body), whole(&steps));
    }
}

#[test]
fn size_hint_shrinks_as_a_body_that_was_read_ahead_is_sent() {
    let whole = keep_script(Script::new([data("0123")]).sized(), 64).0;
    let over_the_limit = keep_script(Script::new([data("0123"), data("45")]).with_hint(&SizeHint::new()), 4).0;
    for (mut body, exact) in [(whole, Some(0)), (over_the_limit, None)] {
        read(&mut body, &mut Read::default(), 1);
        assert_eq!(body.size_hint().exact(), exact);
    }
}

#[test]
fn stream_is_recorded_and_replayed() {
    let steps = [data("one "), Step::Pending, data("two "), data("three"), Step::Trailers(1)];
    let (first, kept) = keep_script(Script::new(steps.clone()), 64);
    assert!(matches!(kept, Some(KeptBody(Kept::Recording(_)))));
    let mut kept = kept.expect("a recording");
    assert_eq!(read_all(first), whole(&steps));
    assert!(TestBody::size(&kept) > 13);
    assert_eq!(read_all(TestBody::again(&mut kept).expect("within the limit")), whole(&steps));
}

#[test]
fn boxes_that_are_not_sync_are_replayed_too() {
    let steps = [data("one"), data("two"), data("three")];
    let mut first = UnsyncBoxBody::new(Script::new(steps.clone()));
    let kept = first.keep(64);
    drop(first);
    let second = UnsyncBoxBody::again(&mut kept.expect("a recording"));
    assert_eq!(read_all(second.expect("within the limit")), whole(&steps));
}

#[test]
fn debug_shows_no_content() {
    let (_, kept) = keep_script(Script::new([data("secret")]), 64);
    assert_eq!(format!("{kept:?}"), "Some(KeptBody { size: 6, .. })");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // Invariant 11.
    #[test]
    fn attempts_give_the_original_or_nothing(
        script in scripts(),
        limit in 0..150_usize,
        // For each attempt: how far it is read before the rejection, and whether it is dropped then.
        attempts in vec((0..20_usize, any::<bool>()), 0..4),
    ) {
        let expected = whole(&script.steps);
        let (hint, ended) = (script.hint, script.is_end_stream());
        let (mut body, mut kept) = keep_script(script, limit);
        let mut seen = Read::default();
        let mut former = Vec::new();
        for (polls, dropped) in attempts {
            prop_assert_eq!(Rest::new(&body.size_hint()), hint);
            prop_assert_eq!(body.is_end_stream(), ended);
            read(&mut body, &mut seen, polls);
            let Some(next) = kept.as_mut().and_then(TestBody::again) else { break };
            let last = std::mem::replace(&mut body, next);
            let seen = std::mem::take(&mut seen);
            if !dropped {
                former.push((last, seen));
            }
        }
        // The attempt that was not superseded gives the original always, whatever the others do.
        read(&mut body, &mut seen, 100);
        prop_assert_eq!(&seen, &expected);
        // The others gave a part of it, and never end short.
        for (mut body, mut seen) in former {
            read(&mut body, &mut seen, 100);
            prop_assert!(expected.data.starts_with(&seen.data));
            prop_assert!(seen.failed || seen == expected, "{:?}", seen);
        }
        if expected.failed && seen.failed {
            prop_assert!(kept.as_mut().is_none_or(|kept| TestBody::again(kept).is_none()));
        }
    }
}
