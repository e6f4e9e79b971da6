//! The server's clock, where it differs from ours and that matters: assertions are dated.
//!
//! It is not believed before the server has refused an assertion, nor any longer than that helps: `Date` may come from a cache.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::DATE};

use super::date;

/// A larger one is no clock's.
const LARGEST: i64 = 24 * 60 * 60;

/// How many seconds the server's clock is ahead of ours, as far as that was learned.
#[derive(Debug)]
pub(crate) struct ServerClock {
    ahead: AtomicI64,
    tolerated: i64,
    furthest: i64,
}

impl ServerClock {
    /// For a server whose clock may differ by so many seconds without harm.
    pub(crate) fn tolerating(seconds: i64) -> Self {
        Self { ahead: AtomicI64::new(0), tolerated: seconds, furthest: LARGEST }
    }

    /// It is not believed to be further ahead.
    #[cfg_attr(not(feature = "dpop"), allow(dead_code))]
    pub(crate) fn at_most_ahead(self, seconds: i64) -> Self {
        Self { furthest: seconds, ..self }
    }

    /// The time of day as the server has it.
    pub(crate) fn now(&self) -> SystemTime {
        // Relaxed: a number by itself.
        let ahead = self.ahead.load(Ordering::Relaxed);
        let difference = Duration::from_secs(ahead.unsigned_abs());
        let now = date();
        if ahead < 0 { now.checked_sub(difference) } else { now.checked_add(difference) }.unwrap_or(now)
    }

    /// By how many seconds this server's clock is ahead by the `Date` of an answer, if that matters and is a clock's.
    #[cfg_attr(not(feature = "dpop"), allow(dead_code))]
    pub(crate) fn differs(&self, headers: &HeaderMap) -> Option<i64> {
        told(headers).filter(|ahead| (self.tolerated + 1..=LARGEST).contains(&ahead.abs()))
    }

    /// In seconds.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// What was dated with the server so many seconds `ahead` was refused. By the `Date` of the answer, the next one is dated otherwise:
    /// as the server's clock says, or, where that was believed already and did not help, by our own. Says by how many seconds the
    /// clocks differ, where that is news: somebody else may have learned it since.
    pub(crate) fn refused(&self, ahead: i64, headers: &HeaderMap) -> Option<i64> {
        let known = self.ahead();
        if known != ahead {
            return None;
        }
        let next = match told(headers) {
            Some(ahead) if (-LARGEST..=self.furthest).contains(&ahead) && (ahead - known).abs() > self.tolerated => {
                ahead
            }
            _ => 0,
        };
        self.ahead.store(next, Ordering::Relaxed);
        (next != 0).then_some(next)
    }

    /// So many seconds `ahead` are believed no longer, if they still are.
    #[cfg_attr(not(feature = "dpop"), allow(dead_code))]
    pub(crate) fn doubt(&self, ahead: i64) {
        // Relaxed: as above. Who comes too late leaves what somebody else has learned.
        let _ = self.ahead.compare_exchange(ahead, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// By how many seconds the clock of whoever gave this answer is ahead of ours, if its `Date` says so.
pub(crate) fn told(headers: &HeaderMap) -> Option<i64> {
    let told = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |difference: Duration| i64::try_from(difference.as_secs()).ok();
    match told.duration_since(date()) {
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
            for (date, sign) in [(date() + difference, 1), (date() - difference, -1)] {
                let server = ServerClock::tolerating(30);
                let learned = server.refused(0, &headers(date)).unwrap();
                assert!((learned - sign * 60 * minutes as i64).abs() < 10, "{learned}");
                let now = server.now();
                let off = now.duration_since(date).unwrap_or_else(|error| error.duration());
                assert!(off < Duration::from_secs(10), "{off:?}");
                assert_eq!(server.refused(0, &headers(date)), None, "somebody else has learned it");
                assert_eq!(server.ahead(), learned);
                assert_eq!(server.refused(learned, &headers(date)), None, "it did not help");
                assert_eq!(server.ahead(), 0);
            }
        }
        let server = ServerClock::tolerating(30);
        assert_eq!(server.refused(0, &headers(date() + Duration::from_secs(20))), None);
        assert_eq!(server.refused(0, &headers(date() + Duration::from_secs(25 * 3600))), None);
        assert_eq!(server.refused(0, &HeaderMap::new()), None);
    }
}
