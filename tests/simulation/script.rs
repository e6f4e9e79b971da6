//! What the script has decided and what went over the wire: the oracle's only knowledge.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};
use tower_reauth::{ErrorKind, RenewAhead};

use crate::trial::{Causes, Trial};

pub(crate) const ORIGINS: [&str; 2] = ["https://one.example", "https://two.example"];
pub(crate) const FOREIGN: &str = "https://elsewhere.example";

/// The state of a world. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Script {
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub(crate) rng: Rng,
    pub(crate) began: Instant,
    pub(crate) temper: Temper,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) logins: Vec<Login>,
    /// The login of each session.
    pub(crate) sessions: Vec<Option<usize>>,
    pub(crate) calls: Vec<Call>,
    /// Whether the password of each owner is taken.
    pub(crate) passwords: Vec<bool>,
    /// The exchanges that a restart of the issuer breaks. Not a watch channel: it wakes in an order of its own.
    pub(crate) exchanges: Vec<oneshot::Sender<()>>,
    pub(crate) broken_origins: [bool; ORIGINS.len()],
    /// What the issuer asked everybody to wait for: at the least, and at the most.
    pub(crate) hold: (Instant, Instant),
    /// When each of these pauses ends at the latest.
    pub(crate) holds: Vec<Instant>,
    /// In the pool that all calls go through.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) violations: Vec<String>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Kept when a seed is replayed.
    pub(crate) trace: Option<Vec<String>>,
}

/// How the world is disposed: chances are in thousandths.
#[derive(Clone, Debug)]
pub(crate) struct Temper {
    pub(crate) regime: Regime,
    pub(crate) rotates: bool,
    /// New tokens kill older refresh tokens, too.
    pub(crate) kills_refresh: bool,
    pub(crate) lifetime: Option<u64>,
    pub(crate) issuer_delay: u64,
    pub(crate) fails: u32,
    pub(crate) breaks: u32,
    pub(crate) loses: u32,
    pub(crate) holds: u32,
    pub(crate) hangs: u32,
    pub(crate) panics: u32,
    pub(crate) objects: u32,
    pub(crate) resource_delay: u64,
    pub(crate) resource_breaks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    NewKillsOld,
    SameAgain,
    Beside,
    /// Nothing dies, by a refresh neither, and a revocation ends one token.
    Unpersisted,
}

/// An access token with its refresh token; its number is its place.
pub(crate) struct Pair {
    pub(crate) owner: usize,
    pub(crate) lives: bool,
    pub(crate) refreshes: bool,
    pub(crate) expires: Option<Instant>,
    /// The access token was brought to the revocation endpoint.
    pub(crate) given_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Password,
    Client,
    RefreshToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    LoggedOut,
    Forgotten,
    Replaced,
}

/// One login of a session, as the wire shows it.
pub(crate) struct Login {
    pub(crate) session: usize,
    pub(crate) owner: usize,
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) end: Option<End>,
    /// The last token that was delivered, when it was asked for, and the lifetime that the answer told.
    pub(crate) latest: Option<(usize, Instant, Option<u64>)>,
    pub(crate) delivered: Vec<(Instant, usize)>,
    /// The last refresh token that was delivered, and not refused since.
    pub(crate) refresh: Option<usize>,
    pub(crate) running: usize,
    /// When the last token request was sent.
    pub(crate) asked: Instant,
    pub(crate) flights: Vec<Flight>,
    pub(crate) refresh_refused: Option<Instant>,
    /// A call was rejected with the latest token, or asked for a renewal.
    pub(crate) wanted: bool,
    pub(crate) failures: Vec<Failure>,
    pub(crate) failed_in_a_row: u32,
    /// What may stand against another attempt, and until when at the most.
    pub(crate) pause: Option<(ErrorKind, Instant)>,
    pub(crate) lost: Option<Instant>,
    /// The own credential was refused, at last then, and so many times since it worked.
    pub(crate) refused: Option<Instant>,
    pub(crate) refusals: u32,
    pub(crate) objected: Option<Instant>,
    pub(crate) worked: bool,
    /// Since the last success.
    pub(crate) password_sends: Vec<Instant>,
    pub(crate) password_breaks: usize,
    /// What may stand against another send of the password, and until when at the most.
    pub(crate) password_pause: Option<(ErrorKind, Instant)>,
    /// Exchanges with the refresh token that broke, one after the other.
    pub(crate) refresh_breaks: Vec<Instant>,
    /// How often it was refused while nothing else was left.
    pub(crate) refresh_refusals: u32,
    pub(crate) trials: [Trial; ORIGINS.len()],
    /// Somebody asked for a renewal since the latest token came.
    pub(crate) asked_for: bool,
    pub(crate) renewals_asked: Vec<Instant>,
}

pub(crate) struct Flight {
    pub(crate) at: Instant,
    /// There was a token, and its age called for nothing.
    pub(crate) early: bool,
    pub(crate) causes: Causes,
}

#[derive(Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) at: Instant,
    pub(crate) kind: ErrorKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) waiting: Duration,
    pub(crate) limit: Option<usize>,
    pub(crate) patience: Duration,
    pub(crate) ahead: RenewAhead,
    pub(crate) max_replays: u32,
}

impl Settings {
    /// How long a call waits in all.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.waiting.max(self.patience)
    }
}

/// One call of a user, as the resource server sees it.
pub(crate) struct Call {
    pub(crate) login: Option<usize>,
    pub(crate) origin: Option<usize>,
    pub(crate) began: Instant,
    pub(crate) no_replay: bool,
    pub(crate) forced: bool,
    pub(crate) over: bool,
    pub(crate) sends: Vec<Send>,
}

pub(crate) struct Send {
    pub(crate) pair: Option<usize>,
    pub(crate) answer: Option<u16>,
    pub(crate) broke: bool,
    /// The latest token of the login when the answer came.
    pub(crate) latest: Option<usize>,
}

impl Script {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

    /// Whether the pool has no place for another call.
    pub(crate) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
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

    pub(crate) fn is_current(&self, login: usize) -> bool {
        self.sessions[self.logins[login].session] == Some(login)
    }
}

impl Login {
    pub(crate) fn new(session: usize, owner: usize, kind: Kind, settings: Settings) -> Self {
        Self {
            session,
            owner,
            kind,
            settings,
            end: None,
            latest: None,
            delivered: Vec::new(),
            refresh: None,
            running: 0,
            asked: Instant::now(),
            flights: Vec::new(),
            refresh_refused: None,
            wanted: false,
            failures: Vec::new(),
            failed_in_a_row: 0,
            pause: None,
            lost: None,
            refused: None,
            refusals: 0,
            objected: None,
            worked: false,
            password_sends: Vec::new(),
            password_breaks: 0,
            password_pause: None,
            refresh_breaks: Vec::new(),
            refresh_refusals: 0,
            trials: Default::default(),
            asked_for: false,
            renewals_asked: Vec::new(),
        }
    }

    pub(crate) fn latest(&self) -> Option<usize> {
        self.latest.map(|(pair, ..)| pair)
    }

    /// A flight failed.
    pub(crate) fn fail(&mut self, kind: ErrorKind, retry_after: Option<u64>, holds: u32) {
        let now = Instant::now();
        // Flights that a hold stopped before they sent anything count, too.
        let longest = (1_u64 << (self.failed_in_a_row + holds).min(6)).min(60);
        // A refresh token that was refused is tried again after 2 s.
        let longest = if kind == ErrorKind::Refused { longest.max(2) } else { longest };
        let until = now + Duration::from_secs(retry_after.unwrap_or(longest));
        self.failures.push(Failure { at: now, kind });
        self.failed_in_a_row += 1;
        self.pause = Some((kind, until));
    }

    /// Whether nothing stands behind the refresh token.
    pub(crate) fn is_alone(&self) -> bool {
        match self.kind {
            Kind::RefreshToken => true,
            Kind::Password => self.refused.is_some() && (!self.worked || self.refusals > 1),
            Kind::Client => false,
        }
    }

    /// Whether the refresh token stands back for what is behind it: it broke three exchanges, the first of them a minute ago.
    pub(crate) fn stands_back(&self, now: Instant) -> bool {
        self.refresh_breaks.len() >= 3 && now >= self.refresh_breaks[0] + Duration::from_secs(60)
    }

    /// Whether the session may take its token for alive.
    pub(crate) fn has_unexpired(&self, now: Instant) -> bool {
        self.latest.is_some_and(|(_, at, life)| life.is_none_or(|life| now < at + Duration::from_secs(life)))
    }

    /// Whether the token's age alone calls for a renewal.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let share = if self.settings.ahead == RenewAhead::Never { 0.9 } else { 0.7 };
        self.latest.is_none_or(|(_, at, life)| {
            life.is_some_and(|life| {
                let margin = if share == 0.9 { (life as f64 * 0.1).min(10.0) } else { life as f64 * 0.3 };
                // A millisecond, since both sides round.
                now + Duration::from_millis(1) >= at + Duration::from_secs_f64(life as f64 - margin)
            })
        })
    }
}
