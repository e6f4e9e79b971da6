//! The server's clock, where it differs from ours and that matters: assertions are dated.
//!
//! It is not believed before the server has refused an assertion, nor any longer than that helps: `Date` may come from a cache.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::DATE};

use crate::clock;

/// A smaller difference is no cause of a refusal, or was made by the network.
const TOLERATED: i64 = 30;
/// A larger one is no clock's.
const LARGEST: i64 = 24 * 60 * 60;

/// How many seconds the server's clock is ahead of ours, as far as that was learned.
#[derive(Debug, Default)]
pub(super) struct ServerClock(AtomicI64);

impl ServerClock {
    /// The time of day as the server has it.
    pub(super) fn now(&self) -> SystemTime {
        // Relaxed: a number by itself.
        let ahead = self.0.load(Ordering::Relaxed);
        let difference = Duration::from_secs(ahead.unsigned_abs());
        let now = clock::date();
        if ahead < 0 { now.checked_sub(difference) } else { now.checked_add(difference) }.unwrap_or(now)
    }

    /// In seconds.
    pub(super) fn ahead(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// What was dated by it was refused. By the `Date` of the answer, the next one is dated otherwise: as the server's clock says, or,
    /// where that was believed already and did not help, by our own. Says by how many seconds the clocks differ, where that is news.
    pub(super) fn refused(&self, headers: &HeaderMap) -> Option<i64> {
        let known = self.ahead();
        let next = match told(headers) {
            Some(ahead) if ahead.abs() <= LARGEST && (ahead - known).abs() > TOLERATED => ahead,
            _ => 0,
        };
        self.0.store(next, Ordering::Relaxed);
        (next != 0).then_some(next)
    }
}

fn told(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |difference: Duration| i64::try_from(difference.as_secs()).ok();
    match date.duration_since(clock::date()) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|behind| -behind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(date: SystemTime) -> HeaderMap {
        HeaderMap::from_iter([(DATE, httpdate::fmt_http_date(date).parse().unwrap())])
    }

    #[test]
    fn a_difference_is_believed_as_long_as_that_helps_and_a_small_or_absurd_one_never() {
        for minutes in [5_u64, 23 * 60] {
            let difference = Duration::from_secs(60 * minutes);
            for (date, sign) in [(clock::date() + difference, 1), (clock::date() - difference, -1)] {
                let server = ServerClock::default();
                let learned = server.refused(&headers(date)).unwrap();
                assert!((learned - sign * 60 * minutes as i64).abs() < 10, "{learned}");
                let now = server.now();
                let off = now.duration_since(date).unwrap_or_else(|error| error.duration());
                assert!(off < Duration::from_secs(10), "{off:?}");
                assert_eq!(server.refused(&headers(date)), None, "it did not help");
                assert_eq!(server.ahead(), 0);
            }
        }
        let server = ServerClock::default();
        assert_eq!(server.refused(&headers(clock::date() + Duration::from_secs(20))), None);
        assert_eq!(server.refused(&headers(clock::date() + Duration::from_secs(25 * 3600))), None);
        assert_eq!(server.refused(&HeaderMap::new()), None);
    }
}
