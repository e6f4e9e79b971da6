//! The server's clock, where it differs from ours and that matters: assertions are dated.
//!
//! It is not believed before the server has refused an assertion: `Date` may come from a cache.

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

    /// Reads the `Date` of an answer that refused an assertion. Says by how many seconds the clock differs, where that is news.
    pub(super) fn learn(&self, headers: &HeaderMap) -> Option<i64> {
        let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        let now = clock::date();
        let ahead = match date.duration_since(now) {
            Ok(ahead) => i64::try_from(ahead.as_secs()).ok()?,
            Err(behind) => -i64::try_from(behind.duration().as_secs()).ok()?,
        };
        let known = self.0.load(Ordering::Relaxed);
        if ahead.abs() > LARGEST || (ahead - known).abs() <= TOLERATED {
            return None;
        }
        self.0.store(ahead, Ordering::Relaxed);
        Some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(date: SystemTime) -> HeaderMap {
        HeaderMap::from_iter([(DATE, httpdate::fmt_http_date(date).parse().unwrap())])
    }

    #[test]
    fn a_difference_is_learned_once_and_a_small_or_absurd_one_never() {
        for minutes in [5_u64, 23 * 60] {
            let difference = Duration::from_secs(60 * minutes);
            for (date, sign) in [(clock::date() + difference, 1), (clock::date() - difference, -1)] {
                let server = ServerClock::default();
                let learned = server.learn(&headers(date)).unwrap();
                assert!((learned - sign * 60 * minutes as i64).abs() < 10, "{learned}");
                assert_eq!(server.learn(&headers(date)), None);
                let now = server.now();
                let off = now.duration_since(date).unwrap_or_else(|error| error.duration());
                assert!(off < Duration::from_secs(10), "{off:?}");
                assert!(server.learn(&headers(clock::date())).is_some(), "the server's clock was set right");
            }
        }
        let server = ServerClock::default();
        assert_eq!(server.learn(&headers(clock::date() + Duration::from_secs(20))), None);
        assert_eq!(server.learn(&headers(clock::date() + Duration::from_secs(25 * 3600))), None);
        assert_eq!(server.learn(&HeaderMap::new()), None);
    }
}
