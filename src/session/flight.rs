//! The one renewal under way for a login (invariants 1 and 3).
//!
//! 1. A login has at most one flight: it is put in place and taken away under the session's write lock.
//! 2. The flight is a task of its own. It holds the session weakly, so callers may come and go and the last `Session`
//!    may be dropped while it runs; nor does it hold the grant, but for as long as it asks it for a token.
//! 3. Its answer is in the state before anybody is woken.
//! 4. However the task ends, its guard takes the flight out of the state; a guard that never saw a landing tells the
//!    waiters that the flight died.
//! 5. A login that ends tells the waiters so at once, and the flight finds nobody left to tell. What it is to do with its
//!    answer it finds in its [`Parting`], whether the session is still there or not.
//! 6. A flight whose runtime is not driven does nothing at all. So whoever finds it past its limit, a caller or the timer of
//!    a waiter, takes it out of the state and tells the waiters.
//! 7. A flight that was taken out like that may go on one day. It sends nothing more, and changes nothing that is of another
//!    flight: what it brings in is kept only if the refresh token that it spent is still in force, and nothing newer came.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use secrecy::SecretString;
use tokio::{runtime::Handle, time::Instant};
use tracing::Instrument;

use super::{
    Inner,
    errand::Errand,
    keeper::Keeper,
    ladder, revocation,
    state::Login,
    sync::Mutex,
    waiters::{Waiters, WakeUp},
    waiting::Waiting,
};
use crate::{
    Error, ErrorKind, GrantContext, TokenEndpoint, TokenSet, events,
    grant::SharedGrant,
    identity::{Generation, RENEWED, SessionName},
    metrics,
};

/// How a flight ended: the generation that is current now, or why there is no new one.
pub(super) type Landing = Result<Generation, Error>;

/// Beyond its limit, a flight that is alive has time to say so itself.
const GRACE: Duration = Duration::from_secs(1);
/// As long as a clock can count for certain.
pub(super) const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The flight of a login, as its state knows it.
pub(super) struct Flight {
    session: Weak<Inner>,
    id: Generation,
    limit: Instant,
    waiters: Waiters,
    pub(super) claims: Option<Box<str>>,
    /// Started ahead of time: the present token is still good.
    pub(super) ahead: bool,
    parting: Arc<Mutex<Parting>>,
}

/// What a flight sets out with.
pub(super) struct Order {
    pub(super) session: SessionName,
    pub(super) flight: Generation,
    pub(super) epoch: Generation,
    /// Of the token that was there when the flight began.
    pub(super) found: Generation,
    /// The mark of the refresh token that the flight spent last.
    pub(super) spent: Option<u64>,
    pub(super) claims: Option<Box<str>>,
    pub(super) endpoint: Option<TokenEndpoint>,
    waiters: Waiters,
}

/// What a login that ends leaves to the flight that is under way for it, and to those that were given up.
#[derive(Clone, Default)]
pub(super) struct Parting {
    /// Whether what the flight brings in is revoked (invariant 6).
    pub(super) revoke: bool,
    /// Held until the flight has ended.
    pub(super) errand: Option<Errand>,
}

/// A flight that is in the state and not yet under way: it is launched once the lock is released, since a runtime that
/// is shutting down drops the task, and with it the guard, on the spot.
pub(super) struct Departure {
    grant: SharedGrant,
    claims: Option<Box<str>>,
    landing: Guard,
    limit: Instant,
    reason: &'static str,
}

/// A flight that was given up: whoever did it tells of it once the lock is released.
pub(super) struct GivenUp {
    error: Error,
    wake_up: Option<WakeUp>,
}

struct Guard {
    session: Weak<Inner>,
    name: SessionName,
    epoch: Generation,
    id: Generation,
    waiters: Waiters,
    parting: Arc<Mutex<Parting>>,
}

impl Flight {
    pub(super) fn prepare(
        session: &Arc<Inner>,
        login: &Login,
        claims: Option<&str>,
        ahead: bool,
        reason: &'static str,
    ) -> (Self, Departure) {
        let limit = Instant::now() + session.settings.flight_limit.min(FOREVER);
        let flight = Self {
            session: Arc::downgrade(session),
            id: Generation::next(),
            limit,
            waiters: Waiters::default(),
            claims: claims.map(Into::into),
            ahead,
            parting: login.rare().given_up.clone().unwrap_or_default(),
        };
        let landing = Guard {
            session: flight.session.clone(),
            name: session.name(),
            epoch: login.epoch,
            id: flight.id,
            waiters: flight.waiters.clone(),
            parting: flight.parting.clone(),
        };
        let (grant, claims) = (login.grant.clone(), flight.claims.clone());
        (flight, Departure { grant, claims, landing, limit, reason })
    }

    pub(super) fn wait(&self, time: Duration) -> Waiting {
        Waiting::new(self.waiters.place(), self.session.clone(), time, self.overdue())
    }

    /// Whether this flight is past its limit, so that nobody seems to drive it.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        now >= self.overdue()
    }

    fn overdue(&self) -> Instant {
        self.limit + GRACE
    }

    /// Tells the waiters that their login has ended: what the flight still brings in is not for them.
    pub(super) fn abandon(&self) {
        if let Some(wake_up) = self.waiters.land(Err(super::logged_out())) {
            wake_up.detach();
        }
    }
}

impl Login {
    /// Gives up a flight that is overdue.
    pub(super) fn give_up_overdue(&mut self, now: Instant) -> Option<GivenUp> {
        if !self.flight().is_some_and(|flight| flight.is_overdue(now)) {
            return None;
        }
        let rare = self.rare_mut();
        let flight = rare.flight.take()?;
        rare.given_up = Some(flight.parting);
        let error = lost("the renewal was given up past its limit: nobody seems to drive the runtime that it runs on");
        self.lost(now, &error);
        Some(GivenUp { wake_up: flight.waiters.land(Err(error.clone())), error })
    }

    /// Whether this flight is the one that is under way, and was not given up.
    pub(super) fn is_flown_by(&self, id: Generation) -> bool {
        self.flight().is_some_and(|flight| flight.id == id)
    }

    /// What the login, which ends, leaves to its flights.
    pub(super) fn part(&self, parting: Parting) {
        let given_up = self.rare().given_up.as_ref();
        if let Some(left) = self.flight().map(|flight| &flight.parting).or(given_up) {
            *left.lock().unwrap_or_else(PoisonError::into_inner) = parting;
        }
    }

    /// Takes in what a flight brings.
    fn land(&mut self, now: Instant, answer: Result<TokenSet, Error>, order: &Order) -> Landing {
        if self.is_flown_by(order.flight) {
            self.rare_mut().flight = None;
            return match answer {
                Ok(tokens) => Ok(self.keep(now, tokens, order.claims.clone())),
                Err(error) => {
                    let error = error.of_session(order.session.id);
                    self.failed(now, &error);
                    Err(error)
                }
            };
        }
        let tokens = answer?;
        if !self.takes_late(order) {
            return Err(lost("the answer came when the renewal had been given up and others had gone on"));
        }
        if order.spent.is_some() {
            self.reached();
        } else {
            self.worked();
        }
        Ok(self.keep(now, tokens, order.claims.clone()))
    }

    /// Whether what a flight that was given up brings in may be kept.
    fn takes_late(&self, order: &Order) -> bool {
        self.generation() == order.found && (order.spent.is_none() || order.spent == self.refresh_token_mark())
    }
}

impl GivenUp {
    pub(super) fn tell(self, name: SessionName) {
        events::renewal_failed(name, &self.error);
        if let Some(wake_up) = self.wake_up {
            wake_up.detach();
        }
    }
}

impl Order {
    /// What a token request of the flight is told. Nobody wants it any more when the waiters have been told how it ended.
    pub(super) fn context(&self, refresh_token: Option<SecretString>) -> GrantContext {
        let waiters = self.waiters.clone();
        GrantContext::new(self.session.id, self.claims.clone(), refresh_token).until(move || waiters.have_landed())
    }
}

impl Departure {
    pub(super) fn launch(self, runtime: &Handle) {
        let Self { grant, claims, landing, limit, reason } = self;
        let Some(session) = landing.session.upgrade() else { return };
        let name = landing.name;
        let span = events::renewal(name, reason, grant.credential());
        let endpoint = grant.endpoint().cloned();
        drop(grant);
        let mut order = Order {
            session: name,
            flight: landing.id,
            epoch: landing.epoch,
            found: Generation::NONE,
            spent: None,
            claims,
            endpoint,
            waiters: landing.waiters.clone(),
        };
        let task = session.track();
        let renewal = metrics::Renewal::started(reason);
        drop(session);
        // Detached: invariant 3. Nobody's cancellation reaches it.
        runtime.spawn(
            async move {
                let _task = task;
                events::renewal_started(name, reason);
                let climb = ladder::climb(&landing.session, &mut order, limit);
                let answer = RENEWED.scope(name.id, climb).await;
                landing.land(answer, order, reason, renewal).await;
            }
            .instrument(span),
        );
    }
}

impl Guard {
    /// Puts the answer into the state, then wakes the waiters.
    async fn land(
        self,
        answer: Result<TokenSet, Error>,
        order: Order,
        reason: &'static str,
        renewal: metrics::Renewal,
    ) {
        let mut stray = None;
        let landing = match self.session.upgrade() {
            Some(session) => {
                let now = Instant::now();
                let lifetime = answer.as_ref().ok().and_then(TokenSet::lifetime);
                let landing = session.change(|state| {
                    state.look_at_next_call();
                    let Some(login) = state.login.as_mut().filter(|login| login.epoch == order.epoch) else {
                        // Invariant 6: logged out, or logged in anew, while the flight was under way.
                        stray = answer.ok();
                        return Err(super::logged_out());
                    };
                    let in_time = login.is_flown_by(self.id);
                    let landing = login.land(now, answer, &order);
                    if in_time || landing.is_ok() {
                        let keeper = login.next_renewal(now).and_then(|at| Keeper::start(&session, order.epoch, at));
                        login.rare_mut().keeper = keeper;
                        login.tidy(now);
                    }
                    landing
                });
                match &landing {
                    Ok(generation) => events::token_acquired(self.name, reason, *generation, lifetime),
                    Err(error) => events::renewal_failed(self.name, error),
                }
                landing
            }
            // Dropped, logged out before or not.
            None => {
                stray = answer.ok();
                Err(super::logged_out())
            }
        };
        // From here on the session is not held: what is left to do must not keep a login that followed.
        renewal.landed(&landing);
        if let Some(wake_up) = self.waiters.land(landing) {
            wake_up.in_batches().await;
        }
        // After the look at the session: whoever ended the login has left this word by then.
        let parting = self.parting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Parting { revoke, errand: _errand } = parting;
        if let (Some(tokens), Some(endpoint), true) = (stray, &order.endpoint, revoke) {
            revocation::revoke_stray(&self.session, order.session, endpoint, &tokens).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.waiters.have_landed() {
            return;
        }
        // The flight died: invariant 3, a caller starts afresh after a pause.
        let error = lost("the renewal died: its grant panicked, or the runtime that ran it went away");
        if let Some(session) = self.session.upgrade() {
            let now = Instant::now();
            session.change(|state| {
                if let Some(login) = state.login.as_mut().filter(|login| login.epoch == self.epoch)
                    && login.is_flown_by(self.id)
                {
                    login.rare_mut().flight = None;
                    login.lost(now, &error);
                }
            });
        }
        events::renewal_failed(self.name, &error);
        if let Some(wake_up) = self.waiters.land(Err(error)) {
            wake_up.detach();
        }
    }
}

impl Inner {
    /// Gives up the flight that is under way, if it is overdue.
    pub(super) fn give_up_overdue(&self) {
        let now = Instant::now();
        let given_up = self.change(|state| state.login.as_mut()?.give_up_overdue(now));
        if let Some(given_up) = given_up {
            given_up.tell(self.name());
        }
    }
}

fn lost(why: &'static str) -> Error {
    Error::new(ErrorKind::RenewalLost, why)
}
