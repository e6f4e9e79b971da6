//! Tests of the queue, with wakers that write down in which order they are woken.

use std::task::Wake;

use super::*;
use crate::{
    error::{Error, ErrorKind},
    identity::Generation,
};

/// What happened, in this order: somebody was woken, or somebody else got to run.
type Journal = Arc<std::sync::Mutex<Vec<Entry>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Woken(usize),
    OtherTask,
}

struct Caller {
    number: usize,
    journal: Journal,
    panics: bool,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.journal.lock().unwrap().push(Entry::Woken(self.number));
        assert!(!self.panics, "a waker of somebody else's");
    }
}

fn caller(journal: &Journal, number: usize) -> Waker {
    Arc::new(Caller { number, journal: journal.clone(), panics: false }).into()
}

fn poll(place: &mut Place, waker: &Waker) -> Poll<Landing> {
    Pin::new(place).poll(&mut Context::from_waker(waker))
}

/// So many who wait, in the order of their numbers.
fn crowd(waiters: &Waiters, journal: &Journal, count: usize) -> Vec<Place> {
    let wait = |number| {
        let mut place = waiters.place();
        assert!(poll(&mut place, &caller(journal, number)).is_pending());
        place
    };
    (0..count).map(wait).collect()
}

fn woken(journal: &Journal) -> Vec<usize> {
    let woken = |entry: &Entry| if let Entry::Woken(number) = entry { Some(*number) } else { None };
    journal.lock().unwrap().iter().filter_map(woken).collect()
}

fn generation(landing: Poll<Landing>) -> Generation {
    match landing {
        Poll::Ready(Ok(generation)) => generation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn waiters_are_woken_in_order_of_arrival_though_some_leave_and_some_move() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut places = crowd(&waiters, &journal, 1000);
    // Polled by another task, a waiter keeps its place; dropped, it is skipped, and those who come later stand behind.
    for number in (0..1000).step_by(7).rev() {
        assert!(poll(&mut places[number], &caller(&journal, 10_000 + number)).is_pending());
    }
    let mut number = 0;
    places.retain(|_| {
        number += 1;
        (number - 1) % 3 != 0
    });
    let late = crowd(&waiters, &journal, 3);
    waiters.land(Ok(Generation::next())).unwrap().in_batches().await;
    let expected =
        (0..1000).filter(|number| number % 3 != 0).map(|number| if number % 7 == 0 { 10_000 + number } else { number });
    assert_eq!(woken(&journal), expected.chain(0..3).collect::<Vec<_>>());
    drop((places, late));
}

#[tokio::test]
async fn others_run_between_two_batches() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let _places = crowd(&waiters, &journal, 4 * BATCH + 1);
    let other = tokio::spawn({
        let journal = journal.clone();
        async move {
            loop {
                journal.lock().unwrap().push(Entry::OtherTask);
                yield_now().await;
            }
        }
    });
    waiters.land(Ok(Generation::next())).unwrap().in_batches().await;
    other.abort();
    let journal = journal.lock().unwrap().clone();
    let batches = journal.split(|entry| *entry == Entry::OtherTask).map(<[_]>::len);
    let batches: Vec<_> = batches.filter(|len| *len > 0).collect();
    assert_eq!(batches, [BATCH, BATCH, BATCH, BATCH, 1]);
}

#[tokio::test]
async fn whoever_wakes_may_go_away_in_between() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let _places = crowd(&waiters, &journal, 3 * BATCH);
    let mut waking = Box::pin(waiters.land(Ok(Generation::next())).unwrap().in_batches());
    assert!(waking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(woken(&journal).len(), BATCH);
    drop(waking);
    assert_eq!(woken(&journal), (0..3 * BATCH).collect::<Vec<_>>());
}

/// A landing whose waking got as far as the first batch, and goes no further: its runtime is not driven.
fn stuck(waiters: &Waiters) -> impl Future<Output = ()> + use<> {
    let mut waking = Box::pin(waiters.land(Ok(Generation::next())).unwrap().in_batches());
    assert!(waking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    waking
}

#[tokio::test]
async fn whoever_was_woken_leaves_without_touching_the_places_of_others() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut places = crowd(&waiters, &journal, 3 * BATCH);
    let waking = stuck(&waiters);
    places.drain(..BATCH);
    waking.await;
    assert_eq!(woken(&journal), (0..3 * BATCH).collect::<Vec<_>>());
}

#[test]
fn the_woken_wake_the_others_though_the_flight_is_stuck_and_one_for_each_that_ran_or_left() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut places = crowd(&waiters, &journal, 4 * BATCH);
    let _waking = stuck(&waiters);
    let mut places: VecDeque<_> = places.drain(..).collect();
    for ran in 0..4 * BATCH {
        assert_eq!(woken(&journal).len(), (BATCH + ran).min(4 * BATCH), "no more than a batch are on their way");
        let mut place = places.pop_front().unwrap();
        if ran % 3 > 0 {
            assert!(poll(&mut place, Waker::noop()).is_ready());
        }
    }
    assert_eq!(woken(&journal), (0..4 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_flight_leaves_the_waking_to_the_woken_and_goes_on_where_they_are_stuck() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut places: VecDeque<_> = crowd(&waiters, &journal, 4 * BATCH).into();
    let mut waking = Box::pin(waiters.land(Ok(Generation::next())).unwrap().in_batches());
    let mut wake = || waking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(wake().is_pending());
    for ran in 1..10 {
        places.pop_front();
        assert!(wake().is_pending());
        assert_eq!(woken(&journal).len(), BATCH + ran);
    }
    assert!(wake().is_pending());
    assert_eq!(woken(&journal).len(), 2 * BATCH + 9);
    waking.await;
    assert_eq!(woken(&journal), (0..4 * BATCH).collect::<Vec<_>>());
}

#[test]
fn without_a_runtime_all_are_woken_at_once() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let _places = crowd(&waiters, &journal, 3 * BATCH);
    waiters.land(Err(Error::new(ErrorKind::LoggedOut, "gone"))).unwrap().detach();
    assert_eq!(woken(&journal), (0..3 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_cannot_wait_leaves_the_crowd_to_a_task() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let _places = crowd(&waiters, &journal, 3 * BATCH);
    waiters.land(Err(Error::new(ErrorKind::LoggedOut, "gone"))).unwrap().detach();
    assert_eq!(woken(&journal).len(), BATCH);
    while woken(&journal).len() < 3 * BATCH {
        yield_now().await;
    }
    assert_eq!(woken(&journal), (0..3 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn waker_that_panics_loses_nobody() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut places = crowd(&waiters, &journal, 5);
    let rude = Arc::new(Caller { number: 2, journal: journal.clone(), panics: true });
    assert!(poll(&mut places[2], &rude.into()).is_pending());
    waiters.land(Ok(Generation::next())).unwrap().in_batches().await;
    assert_eq!(woken(&journal), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn first_landing_counts_and_whoever_comes_later_finds_it() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let [first, second] = [Generation::next(), Generation::next()];
    let mut early = crowd(&waiters, &journal, 2);
    assert!(!waiters.have_landed());
    let wake_up = waiters.land(Ok(first)).unwrap();
    assert!(waiters.have_landed());
    assert!(waiters.land(Ok(second)).is_none());
    // The landing is there before anybody was woken.
    let waker = caller(&journal, 7);
    assert_eq!(generation(poll(&mut waiters.place(), &waker)), first);
    assert_eq!(generation(poll(&mut early[0], &waker)), first);
    wake_up.in_batches().await;
    assert_eq!(woken(&journal), [1], "whoever knows is not woken");
    assert_eq!(generation(poll(&mut early[1], &waker)), first);
}

#[test]
fn whoever_leaves_leaves_nothing_behind() {
    let (waiters, journal) = (Waiters::default(), Journal::default());
    let mut place = waiters.place();
    let known = Arc::new(Caller { number: 0, journal, panics: false });
    for _ in 0..3 {
        assert!(poll(&mut place, &known.clone().into()).is_pending());
    }
    assert_eq!(Arc::strong_count(&known), 2);
    drop(place);
    assert_eq!(Arc::strong_count(&known), 1);
    assert!(waiters.with(|queue| queue.wakers.is_empty()));
}

/// A waker may be the last to hold a task, and the task may wait as well.
#[test]
fn waker_may_hold_another_who_waits() {
    struct Holder(#[allow(dead_code, reason = "held")] std::sync::Mutex<Place>);
    impl Wake for Holder {
        fn wake(self: Arc<Self>) {}
    }
    let waiters = Waiters::default();
    let holder = || {
        let mut inner = waiters.place();
        assert!(poll(&mut inner, Waker::noop()).is_pending());
        Waker::from(Arc::new(Holder(std::sync::Mutex::new(inner))))
    };
    let mut place = waiters.place();
    assert!(poll(&mut place, &holder()).is_pending());
    assert!(poll(&mut place, &holder()).is_pending());
    drop(place);
    let (mut place, last) = (waiters.place(), holder());
    assert!(poll(&mut place, &holder()).is_pending());
    let _wake_up = waiters.land(Ok(Generation::next()));
    assert!(poll(&mut place, &last).is_ready());
}
