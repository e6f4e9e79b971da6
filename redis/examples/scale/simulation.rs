//! A fleet, played call by call: a discrete-event simulation that counts commands and messages. It has no time of its own, and the
//! same seed plays the same.
//!
//! 1. Sampled sessions stand for all: sessions share nothing but Redis.
//! 2. A replica does what the library does, step by step and with its times: `session/visit.rs`, `session/hearing.rs`,
//!    `session/news.rs`, and the crate's `lease.rs`. A test reads these times in their files.
//! 3. Calls come by chance (Poisson), at the session's own replica or at any.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::formulas::{AHEAD, Fleet, Load, NEWS_EVERY};

/// From a replica to Redis and back, in seconds, as all times here.
const TRIP: f64 = 0.0005;
/// A lease lives so long, and is extended so often in that time.
pub(crate) const LEASE: (f64, f64) = (15.0, 5.0);
/// Whoever waits for another's renewal looks after so long, then after twice as long, up to the second one.
pub(crate) const POLL: (f64, f64) = (0.1, 1.0);

/// In a storm, all meet the rejection within this time.
const SPREAD: f64 = 0.01;
/// Each such call sees how many replicas have the session. Calls come by chance, and so what they see is the mean over time.
const SEEN: u64 = 64;

/// How much is played.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) sessions: u32,
    /// Counted, after as much that is not.
    pub(crate) seconds: f64,
    /// A token request takes so long.
    pub(crate) token_request: f64,
}

#[derive(Clone, Copy)]
enum Event {
    /// Of the session, somewhere.
    Call,
    /// A replica's call is rejected.
    Rejected {
        at: usize,
    },
    /// A step of a replica's flight is done.
    Done {
        at: usize,
        flight: u64,
        step: Step,
    },
    Extend {
        at: usize,
        flight: u64,
    },
    Told {
        at: usize,
        news: News,
    },
}

#[derive(Clone, Copy)]
enum Step {
    Look,
    Lease,
    LookAgain,
    Claim,
    TokenRequest,
    Save,
    /// The pause of one that waits.
    Pause,
    /// Outside of a flight.
    LookForNews,
}

#[derive(Clone, Copy, PartialEq)]
enum News {
    Saved,
    Free,
}

/// What a replica has of the session.
#[derive(Clone, Copy)]
struct Held {
    token: u64,
    /// It is renewed ahead of its end from then on.
    ahead_at: f64,
    looked: f64,
    called: f64,
    flight: Option<Flight>,
}

#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    /// Of one that waits for another: the next pause, and whether it is in one.
    pause: f64,
    waits: bool,
}

/// What stands in Redis.
struct Stored {
    token: u64,
    issued: f64,
    /// Until when somebody holds it, unless it is extended.
    lease: f64,
    claimed: bool,
}

struct Play<'a> {
    fleet: &'a Fleet,
    sample: Sample,
    rng: Rng,
    now: f64,
    /// By time in nanoseconds, then in the order in which they were put there.
    events: BTreeMap<(u64, u64), Event>,
    number: u64,
    held: BTreeMap<usize, Held>,
    stored: Stored,
    load: Load,
    calls: u64,
    seen: f64,
}

/// What so many of the fleet's sessions with traffic ask of Redis, a second.
pub(crate) fn play(fleet: &Fleet, sample: Sample, seed: u64) -> Load {
    let mut sum = Load::default();
    for session in 0..sample.sessions {
        let mut play = Play::new(fleet, sample, seed << 32 | u64::from(session));
        // The sessions did not all log in at the same moment.
        play.stored.issued = -AHEAD.0 * fleet.lifetime * play.rng.f64();
        play.put(0.0, Event::Call);
        play.run(sample.seconds);
        play.load = Load::default();
        play.seen = 0.0;
        play.run(2.0 * sample.seconds);
        let Load { looks, arrivals, renewals, renewal_commands, published, messages, subscriptions } = play.load;
        sum.looks += looks / sample.seconds;
        sum.arrivals += arrivals / sample.seconds;
        sum.renewals += renewals / sample.seconds;
        sum.renewal_commands += renewal_commands / sample.seconds;
        sum.published += published / sample.seconds;
        sum.messages += messages / sample.seconds;
        sum.subscriptions += subscriptions / play.seen;
    }
    sum
}

/// One token dies. A replica meets the rejection, and all others do while its token request is under way. What that costs in all.
pub(crate) fn storm(replicas: usize, token_request: f64, seed: u64) -> Load {
    let fleet = Fleet { replicas: replicas as f64, sticky: false, ..Fleet::LARGE };
    let mut play = Play::new(&fleet, Sample { sessions: 1, seconds: 0.0, token_request }, seed);
    for at in 0..replicas {
        play.meet(at);
        let after = if at == 0 { 0.0 } else { 5.0 * TRIP + play.rng.f64() * SPREAD };
        play.put(after, Event::Rejected { at });
    }
    play.load = Load::default();
    play.run(f64::INFINITY);
    play.load
}

impl<'a> Play<'a> {
    fn new(fleet: &'a Fleet, sample: Sample, seed: u64) -> Self {
        Self {
            fleet,
            sample,
            rng: Rng::with_seed(seed),
            now: 0.0,
            events: BTreeMap::new(),
            number: 0,
            held: BTreeMap::new(),
            stored: Stored { token: 1, issued: 0.0, lease: 0.0, claimed: false },
            load: Load::default(),
            calls: 0,
            seen: 0.0,
        }
    }

    fn put(&mut self, after: f64, event: Event) {
        self.number += 1;
        let at = ((self.now + after) * 1e9) as u64;
        self.events.insert((at, self.number), event);
    }

    fn run(&mut self, end: f64) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = at as f64 / 1e9;
            match event {
                Event::Call => self.call(),
                Event::Rejected { at } => self.fly(at),
                Event::Told { at, news } => self.told(at, news),
                Event::Extend { at, flight } => self.extend(at, flight),
                Event::Done { at, step: Step::LookForNews, .. } => self.adopt(at),
                Event::Done { at, flight, step } => {
                    if self.flight(at).is_some_and(|now| now.number == flight) {
                        self.done(at, step);
                    }
                }
            }
            if self.now >= end {
                return;
            }
        }
    }

    fn call(&mut self) {
        let next = -(1.0 - self.rng.f64()).ln() / self.fleet.calls;
        self.put(next, Event::Call);
        let at = if self.fleet.sticky { 0 } else { self.rng.usize(0..self.fleet.replicas as usize) };
        self.calls += 1;
        if self.calls.is_multiple_of(SEEN) {
            self.load.subscriptions += self.holders().count() as f64;
            self.seen += 1.0;
        }
        if self.held.get(&at).is_none_or(|held| !self.has(held)) {
            self.load.arrivals += 1.0;
            self.meet(at);
        }
        let Some(held) = self.held.get_mut(&at) else { return };
        held.called = self.now;
        if self.now >= held.looked + NEWS_EVERY {
            held.looked = self.now;
            self.load.looks += 1.0;
        }
        if self.now >= held.ahead_at {
            self.fly(at);
        }
    }

    /// The session is loaded, and its channel subscribed to.
    fn meet(&mut self, at: usize) {
        let held = Held { token: 0, ahead_at: 0.0, looked: self.now, called: self.now, flight: None };
        self.held.insert(at, held);
        self.adopt(at);
    }

    /// Whether a replica still has the session: it forgets those without calls.
    fn has(&self, held: &Held) -> bool {
        self.now < held.called + self.fleet.idle
    }

    fn holders(&self) -> impl Iterator<Item = usize> {
        self.held.iter().filter(|(_, held)| self.has(held)).map(|(at, _)| *at)
    }

    fn flight(&self, at: usize) -> Option<Flight> {
        self.held.get(&at)?.flight
    }

    /// Takes what stands in Redis; the flight, if there is one, has nothing more to do.
    fn adopt(&mut self, at: usize) {
        let ahead = AHEAD.0 + AHEAD.1 * self.rng.f64();
        if let Some(held) = self.held.get_mut(&at).filter(|held| held.token != self.stored.token) {
            held.token = self.stored.token;
            held.ahead_at = self.stored.issued + ahead * self.fleet.lifetime;
            held.looked = self.now;
            held.flight = None;
        }
    }

    fn fly(&mut self, at: usize) {
        self.number += 1;
        let flight = Flight { number: self.number, pause: POLL.0, waits: false };
        if let Some(held) = self.held.get_mut(&at).filter(|held| held.flight.is_none()) {
            held.flight = Some(flight);
            self.command(at, Step::Look);
        }
    }

    /// Sends a command, and goes on when it is answered.
    fn command(&mut self, at: usize, step: Step) {
        self.load.renewal_commands += 1.0;
        self.then(at, TRIP, step);
    }

    fn then(&mut self, at: usize, after: f64, step: Step) {
        let flight = self.flight(at).map_or(0, |flight| flight.number);
        self.put(after, Event::Done { at, flight, step });
    }

    fn done(&mut self, at: usize, step: Step) {
        let is_behind = self.held.get(&at).is_some_and(|held| held.token != self.stored.token);
        match step {
            Step::Look | Step::LookAgain if is_behind => {
                if matches!(step, Step::LookAgain) {
                    self.release();
                }
                self.adopt(at);
            }
            Step::Look if self.stored.claimed => self.pause(at),
            Step::Look => self.command(at, Step::Lease),
            Step::Lease if self.now < self.stored.lease => self.pause(at),
            Step::Lease => {
                self.stored.lease = self.now + LEASE.0;
                let flight = self.flight(at).map_or(0, |flight| flight.number);
                self.put(LEASE.0 / LEASE.1, Event::Extend { at, flight });
                self.command(at, Step::LookAgain);
            }
            Step::LookAgain => self.command(at, Step::Claim),
            Step::Claim => {
                // That is no news.
                self.stored.claimed = true;
                self.then(at, self.sample.token_request, Step::TokenRequest);
            }
            Step::TokenRequest => self.command(at, Step::Save),
            Step::Save => {
                self.stored = Stored { token: self.stored.token + 1, issued: self.now, claimed: false, ..self.stored };
                self.load.renewals += 1.0;
                self.publish(at, News::Saved);
                self.adopt(at);
                self.load.renewal_commands += 1.0;
                self.release();
                self.publish(at, News::Free);
            }
            Step::Pause => self.look_again(at),
            Step::LookForNews => {}
        }
    }

    fn release(&mut self) {
        self.stored.lease = 0.0;
    }

    fn extend(&mut self, at: usize, flight: u64) {
        if self.flight(at).is_some_and(|now| now.number == flight) {
            self.load.renewal_commands += 1.0;
            self.stored.lease = self.now + LEASE.0;
            self.put(LEASE.0 / LEASE.1, Event::Extend { at, flight });
        }
    }

    fn pause(&mut self, at: usize) {
        let Some(flight) = self.held.get_mut(&at).and_then(|held| held.flight.as_mut()) else { return };
        let pause = flight.pause;
        (flight.pause, flight.waits) = ((pause * 2.0).min(POLL.1), true);
        self.then(at, pause, Step::Pause);
    }

    fn look_again(&mut self, at: usize) {
        self.number += 1;
        if let Some(flight) = self.held.get_mut(&at).and_then(|held| held.flight.as_mut()) {
            // The pause that was cut short says nothing any more.
            (flight.number, flight.waits) = (self.number, false);
            self.command(at, Step::Look);
        }
    }

    /// To all that have the session, the publisher as well.
    fn publish(&mut self, by: usize, news: News) {
        let holders: Vec<_> = self.holders().collect();
        self.load.published += 1.0;
        self.load.messages += holders.len() as f64;
        for at in holders.into_iter().filter(|at| *at != by) {
            self.put(TRIP / 2.0, Event::Told { at, news });
        }
    }

    fn told(&mut self, at: usize, news: News) {
        let Some(held) = self.held.get(&at).copied() else { return };
        if news == News::Saved && held.token != self.stored.token {
            self.load.renewal_commands += 1.0;
            self.put(TRIP, Event::Done { at, flight: 0, step: Step::LookForNews });
        }
        if held.flight.is_some_and(|flight| flight.waits) {
            self.look_again(at);
        }
    }
}
