//! Origins that reject tokens which were just issued because of them are left alone for a while.
//!
//! 1. A renewal that an origin asked for puts the token that it brings on trial there. Rejected at its trial, that token, or
//!    a later one, begins the origin's cool-down: its rejections pass through, 1 s at first, each time twice as long, up to
//!    a minute.
//! 2. Whatever the origin lets through with that token ends the trial and the cool-down. How long the next one is stays
//!    known for a minute.
//! 3. Where other routes of the origin take the very token, the route that rejected it says nothing of the token. It is
//!    left alone for a minute, and the others are not. So is a route that asks for another token, without a replay
//!    perhaps, after others took the one that it had asked for before.

use std::time::Duration;

use tokio::time::Instant;

use super::route::Route;
use crate::{identity::Generation, origin::Origin};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
// More broken origins than this at a time, and the one whose pause ends first is forgotten.
const ORIGINS: usize = 16;

/// The cool-downs of one login.
#[derive(Debug)]
pub(crate) struct CoolDowns {
    origins: Vec<CoolDown>,
}

#[derive(Debug)]
struct CoolDown {
    origin: Origin,
    // What the origin does with older tokens than this says nothing any more.
    token: Generation,
    trial: Trial,
    until: Instant,
    pause: Duration,
    // The routes that asked for a token, and took none since.
    asking: u64,
    // Those that rejected one at its trial, and took none since.
    rejecting: u64,
    // Whether other routes take what these reject.
    others_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// The renewal is under way.
    Ahead,
    /// The token, or a later one, is to be tried.
    On,
    /// It was.
    Over,
}

impl CoolDowns {
    pub(crate) const NONE: Self = Self { origins: Vec::new() };

    /// How long the rejections of this route still pass through.
    pub(crate) fn check(&self, now: Instant, origin: &Origin, route: Route) -> Option<Duration> {
        let found = self.find(origin).filter(|found| found.is_paused(route))?;
        found.until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Notes that a renewal is under way because of this origin, which rejected the present token.
    pub(crate) fn awaits(&mut self, now: Instant, origin: &Origin, route: Route, generation: Generation) {
        self.tidy(now);
        let index = self.origins.iter().position(|one| one.origin == *origin).unwrap_or_else(|| {
            if self.origins.len() == ORIGINS
                && let Some((first, _)) = self.origins.iter().enumerate().min_by_key(|(_, one)| one.until)
            {
                self.origins.swap_remove(first);
            }
            self.origins.push(CoolDown {
                origin: origin.clone(),
                token: generation,
                trial: Trial::Ahead,
                until: now,
                pause: Duration::ZERO,
                asking: 0,
                rejecting: 0,
                others_pass: false,
            });
            self.origins.len() - 1
        });
        let found = &mut self.origins[index];
        let others_took_the_last =
            found.trial == Trial::Over && (found.others_pass || found.rejecting & route.bit() == 0);
        if found.asking & route.bit() != 0 && others_took_the_last {
            found.rejecting |= route.bit();
            found.let_others_pass(now);
        }
        found.asking |= route.bit();
        found.trial = Trial::Ahead;
        found.until = found.until.max(now);
    }

    /// Notes the token that a renewal brought, perhaps the same one again.
    pub(crate) fn landed(&mut self, now: Instant, generation: Generation) {
        for one in self.origins.iter_mut().filter(|one| one.trial == Trial::Ahead) {
            (one.token, one.trial) = (generation, Trial::On);
            one.until = one.until.max(now);
        }
    }

    /// Whether a rejection of this token is one at its trial. During its pause a route is not heard.
    pub(crate) fn is_on_trial(&self, now: Instant, origin: &Origin, route: Route, generation: Generation) -> bool {
        self.find(origin).is_some_and(|found| {
            found.trial == Trial::On
                && found.concerns(generation)
                && !found.is_over(now)
                && !(found.is_paused(route) && now < found.until)
        })
    }

    /// Notes such a rejection; says how long the origin, or the route, is left alone. A crowd counts once.
    pub(crate) fn rejected(
        &mut self,
        now: Instant,
        origin: &Origin,
        route: Route,
        generation: Generation,
    ) -> Option<Duration> {
        if !self.is_on_trial(now, origin, route, generation) {
            return None;
        }
        let found = self.find_mut(origin)?;
        (found.token, found.trial) = (generation, Trial::Over);
        // A route that is known for it tells nothing new of the others.
        found.others_pass &= found.rejecting & route.bit() != 0;
        found.rejecting |= route.bit();
        found.pause = (found.pause * 2).clamp(FIRST, LONGEST);
        found.until = now + found.pause;
        Some(found.pause)
    }

    /// Whether it is news that the origin let a request through with this token.
    pub(crate) fn is_news(&self, origin: &Origin, route: Route, generation: Generation) -> bool {
        self.find(origin).is_some_and(|found| found.is_news(route, generation))
    }

    /// Notes that it did.
    pub(crate) fn passed(&mut self, now: Instant, origin: &Origin, route: Route, generation: Generation) {
        let Some(found) = self.find_mut(origin).filter(|found| found.is_news(route, generation)) else { return };
        let is_the_rejected_one = found.trial != Trial::On && found.token == generation;
        if found.trial == Trial::On {
            found.trial = Trial::Over;
        }
        found.asking &= !route.bit();
        found.rejecting &= !route.bit();
        if found.rejecting != 0 && !found.others_pass && is_the_rejected_one {
            found.let_others_pass(now);
        } else if !found.others_pass || found.rejecting == 0 {
            found.rejecting = 0;
            found.until = now;
        }
        self.origins.retain(|one| one.origin != *origin || !one.pause.is_zero() || one.asking != 0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Whether there is nothing that still matters.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.origins.iter().all(|one| one.is_over(now))
    }

    /// Forgets what is over.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.origins.retain(|one| !one.is_over(now));
    }

    fn find(&self, origin: &Origin) -> Option<&CoolDown> {
        self.origins.iter().find(|one| one.origin == *origin)
    }

    fn find_mut(&mut self, origin: &Origin) -> Option<&mut CoolDown> {
        self.origins.iter_mut().find(|one| one.origin == *origin)
    }
}

impl CoolDown {
    /// Leaves the rejecting routes alone, and none but them.
    fn let_others_pass(&mut self, now: Instant) {
        self.others_pass = true;
        self.pause = LONGEST;
        self.until = now + LONGEST;
    }

    fn is_paused(&self, route: Route) -> bool {
        !self.others_pass || self.rejecting & route.bit() != 0
    }

    fn is_news(&self, route: Route, generation: Generation) -> bool {
        let ends_a_pause = self.rejecting & route.bit() != 0 || (self.rejecting != 0 && !self.others_pass);
        self.concerns(generation) && (self.trial == Trial::On || ends_a_pause || self.asking & route.bit() != 0)
    }

    fn concerns(&self, generation: Generation) -> bool {
        self.token.number() <= generation.number()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until + LONGEST <= now
    }
}

#[cfg(test)]
mod tests;
