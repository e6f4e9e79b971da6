//! When a token is renewed ahead of its end, when it counts as expired, and how failures are spaced.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

const MARGIN: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The points in a token's life that the session acts on: on tokio's clock, with the sleep (see `clock`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    renew_at: Instant,
    // In nanoseconds, which a session has a million times: the whole life, and what is left of it at `renew_at`.
    lifetime: u64,
    left: u64,
}

impl Expiry {
    /// `None` for a lifetime that is unknown or beyond what the clock can count: such a token is renewed on a rejection.
    /// `ahead` is the jitter of the renewal ahead of time, between 0 and 1; without it there is none.
    pub(crate) fn new(now: Instant, lifetime: Option<Duration>, ahead: Option<f64>) -> Option<Self> {
        let whole = lifetime?;
        let lifetime = u64::try_from(whole.as_nanos()).ok()?;
        now.checked_add(whole)?;
        let before = match ahead {
            Some(jitter) => whole.mul_f64(0.8 - 0.1 * jitter.clamp(0.0, 1.0)),
            None => whole - margin(whole),
        };
        Some(Self { renew_at: now + before, lifetime, left: lifetime - before.as_nanos() as u64 })
    }

    /// For the same token, which came again with what was left of its life when it was asked for; `None` where it was given
    /// another life. Nothing is gained by asking before its end, since the server gives it out again until then: there is no
    /// margin. Where it told more before, that holds: what is left is rounded down.
    pub(crate) fn rest(&self, now: Instant, asked: Instant, left: Duration) -> Option<Self> {
        let is_rest = left.is_zero() || left < self.lifetime();
        let end = asked.checked_add(left).filter(|_| is_rest)?;
        // At its end it is asked for once a second.
        let known = if self.expires_at() > now { self.expires_at() } else { now + Duration::from_secs(1) };
        Some(Self { renew_at: end.max(known), lifetime: u64::try_from(left.as_nanos()).ok()?, left: 0 })
    }

    /// From here on a background renewal is due.
    pub(crate) fn renew_at(&self) -> Instant {
        self.renew_at
    }

    /// From here on a call renews before it is sent.
    pub(crate) fn stale_at(&self) -> Instant {
        self.expires_at() - margin(self.lifetime())
    }

    /// From here on the token is of no use.
    pub(crate) fn expires_at(&self) -> Instant {
        self.renew_at + Duration::from_nanos(self.left)
    }

    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_nanos(self.lifetime)
    }
}

/// Never more than a tenth: a token that lives for five seconds must not count as stale from its birth.
fn margin(lifetime: Duration) -> Duration {
    MARGIN.min(lifetime / 10)
}

/// The pause after failed renewals: 1 s doubling to 60 s with full jitter, or what `Retry-After` says, up to 5 min.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    pause: Option<(Instant, Error)>,
}

impl Backoff {
    pub(crate) const NONE: Self = Self { failures: 0, pause: None };

    /// Whether the last renewal was none that failed.
    pub(crate) fn is_over(&self) -> bool {
        self.failures == 0
    }

    /// The last error with the time that is left, while the pause lasts.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Error> {
        match &self.pause {
            Some((until, error)) if *until > now => Err(error.clone().with_retry_after(*until - now)),
            _ => Ok(()),
        }
    }

    /// Notes a failure that another attempt may heal. `jitter` is between 0 and 1.
    pub(crate) fn failed(&mut self, now: Instant, error: &Error, jitter: f64) {
        let ceiling = FIRST_DELAY.saturating_mul(1 << self.failures.min(6)).min(LONGEST_DELAY);
        let pause = match error.retry_after() {
            Some(asked) => asked.min(LONGEST_RETRY_AFTER),
            None => ceiling.mul_f64(jitter.clamp(0.0, 1.0)),
        };
        self.failures = self.failures.saturating_add(1);
        self.pause = Some((now + pause, error.clone()));
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_ahead_between_seven_and_eight_tenths_of_its_life() {
        let now = Instant::now();
        for (jitter, at) in [(0.0, 80.0), (1.0, 70.0), (0.5, 75.0)] {
            let expiry = Expiry::new(now, Some(seconds(100.0)), Some(jitter)).unwrap();
            assert!((expiry.renew_at() - now).abs_diff(seconds(at)) < seconds(0.001));
            assert_eq!(expiry.stale_at() - now, seconds(90.0));
            assert_eq!(expiry.expires_at() - now, seconds(100.0));
            assert_eq!(expiry.lifetime(), seconds(100.0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_margin_is_ten_seconds_and_never_more_than_a_tenth() {
        let now = Instant::now();
        let margin = |lifetime: f64| {
            let expiry = Expiry::new(now, Some(seconds(lifetime)), None).unwrap();
            assert_eq!(expiry.renew_at(), expiry.stale_at());
            expiry.expires_at() - expiry.stale_at()
        };
        assert_eq!(margin(3600.0), seconds(10.0));
        assert_eq!(margin(5.0), seconds(0.5));
        assert_eq!(margin(0.0), seconds(0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_life_is_used_to_its_end_and_asked_for_once_a_second_there() {
        let now = Instant::now();
        let first = Expiry::new(now, Some(seconds(20.0)), Some(0.5)).unwrap();
        for (at, left, end) in [
            (16.0, 4.0, Some(20.0)),
            (16.9, 3.0, Some(20.0)),
            (18.5, 3.0, Some(21.5)),
            (19.5, 0.0, Some(20.0)),
            (20.0, 0.0, Some(21.0)),
            (20.0, 0.5, Some(21.0)),
            (20.0, 3.0, Some(23.0)),
            (25.0, 0.0, Some(26.0)),
            (16.0, 20.0, None),
            (16.0, 3600.0, None),
        ] {
            let rest = first.rest(now + seconds(at), now + seconds(at), seconds(left));
            let end = end.map(|end| (now + seconds(end), now + seconds(end)));
            assert_eq!(rest.map(|rest| (rest.renew_at(), rest.expires_at())), end, "{left} at {at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lifetime_beyond_the_clock_counts_as_unknown() {
        assert!(Expiry::new(Instant::now(), Some(Duration::MAX), Some(0.0)).is_none());
        assert!(Expiry::new(Instant::now(), None, None).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_minute_and_end_with_a_success() {
        let mut backoff = Backoff::NONE;
        let error = Error::new(ErrorKind::Unavailable, "down");
        let now = Instant::now();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.failed(now, &error, 1.0);
            let told = backoff.check(now).unwrap_err();
            assert_eq!(told.retry_after(), Some(Duration::from_secs(expected)));
            assert_eq!(told.kind(), ErrorKind::Unavailable);
            assert!(backoff.check(now + Duration::from_secs(expected)).is_ok());
        }
        backoff.succeeded();
        assert!(backoff.check(now).is_ok());
        backoff.failed(now, &error, 1.0);
        assert_eq!(backoff.check(now).unwrap_err().retry_after(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_wins_and_is_capped_at_five_minutes() {
        let mut backoff = Backoff::NONE;
        let now = Instant::now();
        for (asked, kept) in [(7, 7), (86_400, 300)] {
            let error = Error::new(ErrorKind::Unavailable, "down").with_retry_after(Duration::from_secs(asked));
            backoff.failed(now, &error, 0.0);
            assert_eq!(backoff.check(now).unwrap_err().retry_after(), Some(Duration::from_secs(kept)));
        }
    }
}
