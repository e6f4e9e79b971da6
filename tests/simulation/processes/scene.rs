//! What the script of a world of processes has decided, and what went over the wire and into the store.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;
use tower_reauth::{Claim, News, Version};

use super::news::Listener;

/// The state of a world. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Scene {
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub(crate) rng: Rng,
    pub(crate) began: Instant,
    pub(crate) plan: Plan,
    /// Whether each login lives at the issuer.
    pub(crate) families: Vec<Family>,
    pub(crate) pairs: Vec<Pair>,
    /// The lives of processes, in the order in which they began.
    pub(crate) lives: Vec<Span>,
    pub(crate) spends: Vec<Spend>,
    pub(crate) place: Place,
    /// When something happened last that may make calls fail for a while.
    pub(crate) trouble: Option<Instant>,
    /// When somebody logged out or in last.
    pub(crate) login: Option<Instant>,
    /// When the issuer ended all access tokens last.
    pub(crate) revoked: Option<Instant>,
    pub(crate) violations: Vec<String>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Kept when a seed is replayed.
    pub(crate) trace: Option<Vec<String>>,
}

/// How the world is disposed. Chances are in thousandths, delays in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) processes: usize,
    /// The first one has a password.
    pub(crate) password: bool,
    pub(crate) named: bool,
    pub(crate) leases: bool,
    pub(crate) lifetime: u64,
    /// New access tokens end older ones.
    pub(crate) kills_old: bool,
    /// The issuer can end access tokens, and does at times.
    pub(crate) revokes: bool,
    pub(crate) limit: Duration,
    pub(crate) issuer_delay: u64,
    pub(crate) resource_delay: u64,
    pub(crate) store_delay: u64,
    /// In hours, by process.
    pub(crate) skews: Vec<i64>,
    pub(crate) kills: bool,
    pub(crate) stops: bool,
    pub(crate) logouts: bool,
    pub(crate) store_faults: bool,
    pub(crate) losses: bool,
    pub(crate) fails: u32,
    pub(crate) breaks: u32,
    /// The store is reached by messages.
    pub(crate) remote: Option<Far>,
}

/// What messages to a store go through. Chances are in thousandths, delays in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    /// Commands that are lost, with or without what they do, or late.
    pub(crate) loses: u32,
    /// Commands that come twice.
    pub(crate) repeats: u32,
    /// Loads that are answered by a replica that lags behind.
    pub(crate) stale: u32,
    pub(crate) news_delay: u64,
    pub(crate) news_lost: u32,
    pub(crate) news_repeat: u32,
    /// Subscriptions break for a while.
    pub(crate) deaf: bool,
    /// A replica takes over, without the newest writes.
    pub(crate) fail_overs: bool,
    /// The store answers nobody for a while, and then everybody.
    pub(crate) freezes: bool,
    /// The issuer ends logins.
    pub(crate) ends: bool,
    /// The process with the password calls nobody: it is there to be asked.
    pub(crate) quiet: bool,
}

/// What came of one login, or of one password.
pub(crate) struct Family {
    pub(crate) lives: bool,
    /// The login that it was saved under.
    pub(crate) epoch: Option<u64>,
}

/// An access token with its refresh token; its number is its place.
pub(crate) struct Pair {
    pub(crate) family: usize,
    pub(crate) issued: Instant,
    pub(crate) expires: Instant,
    pub(crate) lives: bool,
    /// Its refresh token was redeemed.
    pub(crate) spent: bool,
    pub(crate) rejected: bool,
    pub(crate) saved: bool,
    pub(crate) version: Option<Version>,
}

/// One life of a process.
pub(crate) struct Span {
    pub(crate) process: usize,
    pub(crate) ended: bool,
    pub(crate) stopped: Option<Instant>,
    /// When it was stopped last.
    pub(crate) stop: Option<Instant>,
    /// It may begin a login.
    pub(crate) logs_in: bool,
    /// It began a login, and has not saved it yet. If that one dies, the user has to log in again: nothing in the store is for it.
    pub(crate) unsaved: bool,
    pub(crate) requests: usize,
    /// When it called for the first time after others had ended its login for half a minute.
    pub(crate) looked: Option<(u64, Instant)>,
    /// Until when what became of a command of its may show.
    pub(crate) cut: Option<Instant>,
    /// Until when it hears no news, and whether it hears them all then.
    pub(crate) deaf: Option<(Instant, bool)>,
    /// The newest version that it called with.
    pub(crate) newest: Option<Version>,
    /// When it called with something that the store has lost.
    pub(crate) behind: Option<Instant>,
}

/// A token request, with a refresh token or without.
pub(crate) struct Spend {
    pub(crate) pair: Option<usize>,
    pub(crate) by: usize,
    pub(crate) at: Instant,
    pub(crate) over: Option<Over>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Answered,
    /// The issuer failed, or its answer was lost.
    Failed,
}

/// The place where the record stands.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) record: Option<String>,
    /// What stood there before.
    pub(crate) before: Option<String>,
    pub(crate) lease: Option<Holder>,
    pub(crate) tickets: u64,
    pub(crate) fails: bool,
    pub(crate) saves_fail: bool,
    pub(crate) slow: bool,
    /// When it did not work last.
    pub(crate) failed: Option<Instant>,
    /// When each login was ended.
    pub(crate) marks: BTreeMap<u64, Instant>,
    /// The claim in the record, on the store's own clock.
    pub(crate) claim: Option<Claim>,
    /// The number of the newest save.
    pub(crate) written: Option<u64>,
    /// What stood there before the newest writes.
    pub(crate) journal: VecDeque<(Instant, Contents)>,
    pub(crate) ears: Vec<Listener>,
    /// What those who listen are to be told.
    pub(crate) told: Vec<News>,
    /// Until when it answers nobody.
    pub(crate) frozen: Option<Instant>,
    /// When a replica took over last, and the logins that it did not know.
    pub(crate) lost: Option<Instant>,
    pub(crate) taken_back: BTreeSet<u64>,
}

/// What a replica has of the place.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) record: Option<String>,
    pub(crate) claim: Option<Claim>,
    pub(crate) lease: Option<Holder>,
}

#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) by: usize,
    pub(crate) ticket: u64,
    /// From then on it is free: it runs out, or it was given back by one who is stopped, and goes on then.
    pub(crate) free: Option<Instant>,
}

impl Scene {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Plan {
    pub(crate) fn of(rng: &mut Rng) -> Self {
        let lifetime = [1, 5, 60, 600, 3600][rng.usize(..5)];
        let quick = lifetime <= 5;
        let calm = rng.u32(..4) == 0;
        let mut often = |one_in: u32| !calm && rng.u32(..one_in) == 0;
        let (kills, stops, logouts, store_faults, losses) = (often(2), often(3), often(3), often(3), often(6));
        let (fails, breaks) = (u32::from(often(4)) * 100, u32::from(often(5)) * 50);
        let (processes, leases) = (rng.usize(2..=8), rng.u32(..3) > 0);
        let skewed = rng.u32(..4) == 0 && leases && !kills && !stops && breaks == 0;
        Self {
            processes,
            password: rng.u32(..3) == 0,
            named: rng.bool(),
            leases,
            lifetime,
            kills_old: rng.bool(),
            revokes: rng.bool(),
            limit: Duration::from_secs([20, 120][rng.usize(..2)]),
            issuer_delay: if quick { 100 } else { [0, 100, 4000][rng.usize(..3)] },
            resource_delay: if quick { 50 } else { [0, 50, 1000][rng.usize(..3)] },
            store_delay: if quick { 10 } else { [0, 10, 400][rng.usize(..3)] },
            skews: (0..processes).map(|_| if skewed { rng.i64(-1..=1) } else { 0 }).collect(),
            kills,
            stops,
            logouts,
            store_faults,
            losses,
            fails,
            breaks,
            remote: None,
        }
    }

    /// One with a store that is far away.
    pub(crate) fn far_away(rng: &mut Rng) -> Self {
        let mut plan = Self::of(rng);
        let calm = plan.is_calm();
        let mut often = |one_in: u32| !calm && rng.u32(..one_in) == 0;
        let (deaf, fail_overs, freezes, ends, loses) = (often(3), often(3), often(4), often(3), often(3));
        let mut some = |most: u32| if rng.bool() { rng.u32(..=most) } else { 0 };
        let (repeats, stale, news_lost, news_repeat) = (some(100), some(200), some(500), some(300));
        let quiet = plan.password && rng.bool();
        (plan.leases, plan.losses, plan.logouts) = (true, false, plan.logouts && !quiet);
        if rng.u32(..4) == 0 {
            plan.skews = (0..plan.processes).map(|_| rng.i64(-1..=1)).collect();
        }
        plan.remote = Some(Far {
            loses: if loses { [2, 20][rng.usize(..2)] } else { 0 },
            repeats,
            stale,
            news_delay: [0, 5, 500, 10_000][rng.usize(..4)],
            news_lost,
            news_repeat,
            deaf,
            fail_overs,
            freezes,
            ends: ends && (plan.revokes || quiet),
            quiet,
        });
        plan
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.remote.as_ref().is_some_and(|far| far.quiet)
    }

    /// Nothing may fail in it.
    pub(crate) fn is_calm(&self) -> bool {
        let Self { kills, stops, logouts, store_faults, losses, fails, breaks, .. } = *self;
        let near = !(kills || stops || logouts || store_faults || losses) && fails == 0 && breaks == 0;
        // What comes twice, or is a little old, or is not told, costs nothing.
        near && self.remote.as_ref().is_none_or(|far| far.loses == 0 && !(far.fail_overs || far.freezes || far.ends))
    }
}

impl State {
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.began.elapsed().as_millis();
            trace.push(format!("{at:>8} {}", line()));
        }
    }

    pub(crate) fn violation(&mut self, what: impl Display) {
        let line = format!("{what}, after {} ms", self.began.elapsed().as_millis());
        self.note(|| format!("VIOLATION: {line}"));
        self.violations.push(line);
    }

    /// One of the promises, where the oracle can say at once whether it is kept.
    pub(crate) fn check(&mut self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.violation(what());
        }
    }

    pub(crate) fn count(&mut self, outcome: impl Into<String>) {
        *self.outcomes.entry(outcome.into()).or_default() += 1;
    }

    pub(crate) fn chance(&mut self, thousandths: u32) -> bool {
        self.rng.u32(..1000) < thousandths
    }

    pub(crate) fn delay(&mut self, most: u64) -> u64 {
        self.rng.u64(..=most)
    }

    pub(crate) fn trouble(&mut self, what: impl FnOnce() -> String) {
        self.trouble = Some(Instant::now());
        self.note(what);
    }

    /// Issues the next pair of a login.
    pub(crate) fn issue(&mut self, family: usize) -> usize {
        if self.plan.kills_old {
            self.pairs.iter_mut().filter(|pair| pair.family == family).for_each(|pair| pair.lives = false);
        }
        let issued = Instant::now();
        let expires = issued + Duration::from_secs(self.plan.lifetime);
        self.pairs.push(Pair {
            family,
            issued,
            expires,
            lives: true,
            spent: false,
            rejected: false,
            saved: false,
            version: None,
        });
        self.pairs.len() - 1
    }

    pub(crate) fn new_family(&mut self) -> usize {
        self.families.push(Family { lives: true, epoch: None });
        self.families.len() - 1
    }

    /// Whether the API takes an access token. Where nothing is revoked it asks nobody, and goes by the time alone.
    pub(crate) fn is_good(&self, pair: usize) -> bool {
        let pair = &self.pairs[pair];
        let lives = pair.lives && self.families[pair.family].lives;
        (lives || !self.plan.revokes) && Instant::now() < pair.expires
    }

    pub(crate) fn is_redeemable(&self, pair: usize) -> bool {
        let pair = &self.pairs[pair];
        !pair.spent && self.families[pair.family].lives
    }

    /// Whether a life was cut or interrupted since then.
    pub(crate) fn was_disturbed(&self, life: usize, since: Instant) -> bool {
        let life = &self.lives[life];
        life.ended || life.stopped.is_some() || life.stop.is_some_and(|until| until >= since)
    }

    /// Whether the store, or the way to it, has failed a life since then.
    pub(crate) fn was_cut_off(&self, life: usize, since: Instant) -> bool {
        [self.place.failed, self.place.lost, self.lives[life].cut].into_iter().flatten().any(|at| at >= since)
    }

    /// The store's own clock, in milliseconds.
    pub(crate) fn time(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("an hour")
    }
}
