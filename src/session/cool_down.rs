//! Origins that reject tokens which were just issued are left alone for a while.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Origin, identity::Generation};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
// More broken origins than this at a time, and the one whose pause ends first is forgotten.
const ORIGINS: usize = 16;

/// The cool-downs of one login.
#[derive(Debug)]
pub(super) struct CoolDowns {
    origins: Vec<CoolDown>,
}

#[derive(Debug)]
struct CoolDown {
    origin: Origin,
    until: Instant,
    pause: Duration,
    // A crowd that is rejected with one token counts once.
    generation: Generation,
    // A token that was issued for this origin, and not tried there at once since the request could not be replayed.
    untried: Option<(Generation, Instant)>,
    // The newest token that the origin took in a replay, since it last rejected one.
    accepted: Generation,
}

impl CoolDowns {
    pub(super) const NONE: Self = Self { origins: Vec::new() };

    /// How long the rejections of an origin still pass through.
    pub(super) fn check(&self, now: Instant, origin: &Origin) -> Option<Duration> {
        let found = self.origins.iter().find(|one| one.origin == *origin)?;
        found.until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Notes that an origin rejected a token that was just issued; says how long it is left alone, if that is new.
    pub(super) fn unproductive(&mut self, now: Instant, origin: &Origin, generation: Generation) -> Option<Duration> {
        let found = self.entry(now, origin);
        // The same token comes back without a new generation, so a cool-down that has ended counts anew.
        if found.generation == generation && found.until > now {
            return None;
        }
        found.generation = generation;
        found.accepted = Generation::NONE;
        // Said once: when the pause is over, the next rejection renews again. A healthy origin whose tokens somebody
        // else revokes must not be left alone for longer than its pauses.
        found.untried = None;
        found.pause = (found.pause * 2).clamp(FIRST, LONGEST);
        found.until = now + found.pause;
        Some(found.pause)
    }

    /// Notes a token that was issued because of a rejection whose request is not sent again.
    pub(super) fn untried(&mut self, now: Instant, origin: &Origin, generation: Generation) {
        let found = self.entry(now, origin);
        // In a crowd, some whose requests are sent again may be faster than those whose are not.
        if found.accepted.number() < generation.number() {
            found.untried = Some((generation, now));
        }
    }

    /// Whether this token is such a one, or came after it, for another origin perhaps, and the origin took none of them: where
    /// it is rejected as well, the renewal was for nothing.
    pub(super) fn is_untried(&self, now: Instant, origin: &Origin, generation: Generation) -> bool {
        let untried = self.origins.iter().find(|one| one.origin == *origin).and_then(|one| one.untried);
        untried.is_some_and(|(token, issued)| token.number() <= generation.number() && now < issued + LONGEST)
    }

    fn entry(&mut self, now: Instant, origin: &Origin) -> &mut CoolDown {
        let index = self.origins.iter().position(|one| one.origin == *origin).unwrap_or_else(|| {
            if self.origins.len() == ORIGINS
                && let Some((first, _)) = self.origins.iter().enumerate().min_by_key(|(_, one)| one.until)
            {
                self.origins.swap_remove(first);
            }
            self.origins.push(CoolDown {
                origin: origin.clone(),
                until: now,
                pause: Duration::ZERO,
                generation: Generation::NONE,
                untried: None,
                accepted: Generation::NONE,
            });
            self.origins.len() - 1
        });
        &mut self.origins[index]
    }

    /// Whether there is nothing that still matters: no pause, and no crowd that may still be on its way.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.origins.iter().all(|one| one.pause.is_zero() && one.untried.is_none() && one.until + LONGEST <= now)
    }

    /// Whether it is known that the origin took this token.
    pub(super) fn has_accepted(&self, origin: &Origin, generation: Generation) -> bool {
        let accepted = |one: &CoolDown| one.origin == *origin && one.accepted.number() >= generation.number();
        self.origins.iter().any(accepted)
    }

    /// Notes that a renewal helped: the origin accepted the replay with this token.
    pub(super) fn productive(&mut self, now: Instant, origin: &Origin, generation: Generation) {
        let found = self.entry(now, origin);
        found.until = now;
        found.pause = Duration::ZERO;
        found.generation = Generation::NONE;
        found.untried = None;
        found.accepted = generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_to_a_minute_and_a_crowd_counts_once() {
        let mut cool_downs = CoolDowns::NONE;
        let origin: Origin = "https://api.example".parse().unwrap();
        let other: Origin = "https://other.example".parse().unwrap();
        let mut now = Instant::now();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let generation = Generation::next();
            assert_eq!(cool_downs.unproductive(now, &origin, generation), Some(Duration::from_secs(expected)));
            assert_eq!(cool_downs.unproductive(now, &origin, generation), None);
            assert_eq!(cool_downs.check(now, &origin), Some(Duration::from_secs(expected)));
            assert_eq!(cool_downs.check(now, &other), None);
            now += Duration::from_secs(expected);
            assert_eq!(cool_downs.check(now, &origin), None);
        }
        cool_downs.productive(now, &origin, Generation::next());
        assert_eq!(cool_downs.unproductive(now, &origin, Generation::next()), Some(FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn token_that_a_replay_brought_through_is_not_untried_for_those_who_come_later() {
        let mut cool_downs = CoolDowns::NONE;
        let origin: Origin = "https://api.example".parse().unwrap();
        let (now, token) = (Instant::now(), Generation::next());
        cool_downs.productive(now, &origin, token);
        assert!(cool_downs.has_accepted(&origin, token));
        cool_downs.untried(now, &origin, token);
        assert!(!cool_downs.is_untried(now, &origin, token));
        // The next one is, until it was taken.
        let next = Generation::next();
        cool_downs.untried(now, &origin, next);
        assert!(cool_downs.is_untried(now, &origin, next) && !cool_downs.has_accepted(&origin, next));
        cool_downs.productive(now, &origin, next);
        assert!(!cool_downs.is_untried(now, &origin, next));
        assert!(!cool_downs.is_over(now) && cool_downs.is_over(now + LONGEST));
        // One that is rejected after all counts anew.
        cool_downs.unproductive(now, &origin, next);
        assert!(!cool_downs.has_accepted(&origin, next));
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_is_bounded() {
        let mut cool_downs = CoolDowns::NONE;
        for number in 0..100 {
            let origin = format!("https://api{number}.example").parse().unwrap();
            cool_downs.unproductive(Instant::now(), &origin, Generation::next());
        }
        assert_eq!(cool_downs.origins.len(), ORIGINS);
    }
}
