//! A clock that stands still until a model moves it, or lets it [`pass`].

use std::{
    cell::{Cell, RefCell},
    future::Future,
    ops::{Add, AddAssign, Sub},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

pub use std::time::Duration;
use std::time::SystemTime;

use shuttle::future::yield_now;

/// Far enough from zero for any subtraction.
const START: Duration = Duration::from_secs(1 << 32);

// The checker's tasks all run on the thread of their test.
thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(START) };
    static SLEEPERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    // When those who sleep between two attempts go on, and who lets the time pass for them.
    static NAPS: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
    static PASSING: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// No longer do those sleep who try something again.
const LONGEST_NAP: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

#[derive(Debug)]
pub struct Sleep {
    at: Instant,
    is_nap: bool,
}

#[derive(Debug)]
pub struct Elapsed;

/// Sets the clock back, for the next execution.
pub fn reset() {
    NOW.set(START);
    SLEEPERS.take();
    NAPS.take();
    PASSING.take();
}

/// Moves the clock, and wakes whoever slept so long.
pub fn advance(time: Duration) {
    NOW.set(NOW.get() + time);
    SLEEPERS.take().into_iter().for_each(Waker::wake);
}

/// Moves the clock to the end of the next nap, again and again: the longer times are a model's to move, so that a lost wake-up
/// stays a deadlock. It is for a task that runs only when nobody else can.
pub async fn pass() {
    loop {
        std::future::poll_fn(|cx| {
            PASSING.set(Some(cx.waker().clone()));
            if NAPS.with_borrow(Vec::is_empty) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        yield_now().await;
        let next = NAPS.with_borrow(|naps| naps.iter().min().copied()).unwrap_or_default();
        advance(next.saturating_sub(NOW.get()));
        NAPS.with_borrow_mut(|naps| naps.retain(|nap| *nap > NOW.get()));
    }
}

/// The time of day, which goes on with the clock.
pub fn date() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW.get()
}

pub fn sleep(time: Duration) -> Sleep {
    Sleep { at: Instant::now() + time, is_nap: time <= LONGEST_NAP }
}

pub fn sleep_until(at: Instant) -> Sleep {
    Sleep { at, is_nap: false }
}

pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    within(sleep(limit), future).await
}

pub async fn timeout_at<F: Future>(at: Instant, future: F) -> Result<F::Output, Elapsed> {
    within(sleep_until(at), future).await
}

async fn within<F: Future>(mut over: Sleep, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if self.is_nap {
            NAPS.with_borrow_mut(|naps| naps.push(self.at.0));
            PASSING.take().into_iter().for_each(Waker::wake);
        }
        SLEEPERS.with_borrow_mut(|sleepers| sleepers.push(cx.waker().clone()));
        Poll::Pending
    }
}

impl Instant {
    pub fn now() -> Self {
        Self(NOW.get())
    }

    pub fn elapsed(&self) -> Duration {
        Self::now() - *self
    }

    pub fn checked_add(&self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }

    pub fn checked_sub(&self, time: Duration) -> Option<Self> {
        self.0.checked_sub(time).map(Self)
    }

    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, time: Duration) {
        self.0 += time;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0 - time)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}
