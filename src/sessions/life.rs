//! When a session was put in place and when it was used last, in eight bytes: a million sessions have one each.
//!
//! 1. Time is counted in milliseconds since the shards were set up.
//! 2. The last use has 40 bits of them, which last for 34 years.
//! 3. The beginning is counted in steps, of which a lifetime has fewer than 2^23. Of its number the last 24 bits are kept. A
//!    session that is used has not reached its lifetime, so that the last use tells which beginning is meant.
//! 4. Whatever is rounded ends a session early, never late: by one step at most, which is 8 ms for a lifetime of 12 hours.

use std::time::Duration;

/// Milliseconds since the shards were set up.
pub(super) type Time = u64;

const BEGINNING: u32 = 24;
const BEGINNING_MASK: u64 = (1 << BEGINNING) - 1;
const LATEST_USE: Time = (1 << (64 - BEGINNING)) - 1;

/// The last use above, the beginning below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life(u64);

/// How long a session may live, and how its beginning is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    lifetime: Time,
    // A step is two to the power of this.
    step: u32,
}

impl Span {
    pub(super) fn new(lifetime: Duration) -> Self {
        let lifetime = milliseconds(lifetime);
        let bits = Time::BITS - lifetime.leading_zeros();
        Self { lifetime, step: bits.saturating_sub(BEGINNING - 1) }
    }

    /// Of a session that is put in place now, and began so long ago.
    pub(super) fn begin(self, now: Time, age: Duration) -> Life {
        // One that is older is over all the same, and there are no numbers for it.
        let opened = now.saturating_sub(milliseconds(age).min(self.lifetime));
        Life((opened >> self.step) & BEGINNING_MASK).used_at(now)
    }

    pub(super) fn is_over(self, life: Life, now: Time) -> bool {
        self.opened(life).saturating_add(self.lifetime) <= now
    }

    fn opened(self, life: Life) -> Time {
        let used = life.used() >> self.step;
        let steps = used.wrapping_sub(life.0) & BEGINNING_MASK;
        used.saturating_sub(steps) << self.step
    }
}

impl Life {
    /// When the session was used last.
    pub(super) fn used(self) -> Time {
        self.0 >> BEGINNING
    }

    /// The same life, used now. It must not be over.
    pub(super) fn used_at(self, now: Time) -> Self {
        Self(now.min(LATEST_USE) << BEGINNING | self.0 & BEGINNING_MASK)
    }
}

pub(super) fn milliseconds(duration: Duration) -> Time {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: u64 = 365 * 24 * 3600 * 1000;

    proptest! {
        #[test]
        fn life_ends_within_a_step_before_its_time_however_often_it_is_used(
            lifetime in prop_oneof![1..10_000_u64, 1..YEAR, YEAR..=u64::MAX],
            now in 0..20 * YEAR,
            age in 0.0..1.0,
            uses in prop::collection::vec(0.0..1.0, 0..5),
        ) {
            let span = Span::new(Duration::from_millis(lifetime));
            let age = ((lifetime as f64 * age) as u64).min(now);
            let mut life = span.begin(now, Duration::from_millis(age));
            let (opened, step) = (now - age, 1 << span.step);
            let end = opened.saturating_add(span.lifetime);
            for place in uses {
                let now = life.used() + (end.min(30 * YEAR).saturating_sub(life.used()) as f64 * place) as u64;
                if span.is_over(life, now) {
                    break;
                }
                life = life.used_at(now);
                prop_assert_eq!(life.used(), now);
            }
            prop_assert!(span.opened(life) <= opened && opened < span.opened(life) + step);
            prop_assert!(step == 1 || step <= lifetime >> 21, "steps of {}", step);
            prop_assert!(span.is_over(life, end));
        }
    }

    #[test]
    fn times_that_make_no_sense_end_a_session_or_keep_it() {
        let span = |seconds| Span::new(Duration::from_secs(seconds));
        assert!(span(0).is_over(span(0).begin(5, Duration::ZERO), 5));
        assert!(span(9).is_over(span(9).begin(20_000, Duration::MAX), 20_000));
        let for_ever = Span::new(Duration::MAX);
        assert!(!for_ever.is_over(for_ever.begin(5, Duration::MAX), 30 * YEAR));
        // After 34 years everybody is unused for too long, which is the safe side.
        assert_eq!(span(9).begin(Time::MAX, Duration::ZERO).used(), LATEST_USE);
    }
}
