//! A clock that stands still until a model moves it.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    ops::{Add, AddAssign, Sub},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

pub use std::time::Duration;

/// Far enough from zero for any subtraction.
const START: Duration = Duration::from_secs(1 << 32);

// The checker's tasks all run on the thread of their test.
thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(START) };
    static SLEEPERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

#[derive(Debug)]
pub struct Sleep(Instant);

#[derive(Debug)]
pub struct Elapsed;

/// Sets the clock back, for the next execution.
pub fn reset() {
    NOW.set(START);
    SLEEPERS.take();
}

/// Moves the clock, and wakes whoever slept so long.
pub fn advance(time: Duration) {
    NOW.set(NOW.get() + time);
    SLEEPERS.take().into_iter().for_each(Waker::wake);
}

pub fn sleep(time: Duration) -> Sleep {
    sleep_until(Instant::now() + time)
}

pub fn sleep_until(at: Instant) -> Sleep {
    Sleep(at)
}

pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    timeout_at(Instant::now() + limit, future).await
}

pub async fn timeout_at<F: Future>(at: Instant, future: F) -> Result<F::Output, Elapsed> {
    let (mut future, mut over) = (pin!(future), sleep_until(at));
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.0 {
            return Poll::Ready(());
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
