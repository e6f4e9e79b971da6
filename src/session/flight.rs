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

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use secrecy::SecretString;
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep},
};
use tracing::Instrument;

use super::{
    Inner,
    errand::Errand,
    keeper::Keeper,
    ladder, revocation,
    state::Login,
    sync::Mutex,
    waiters::{Place, Waiters},
};
use crate::{
    Error, ErrorKind, GrantContext, TokenEndpoint, TokenSet, events,
    grant::SharedGrant,
    identity::{Generation, SessionName},
    metrics,
};

/// How a flight ended: the generation that is current now, or why there is no new one.
pub(super) type Landing = Result<Generation, Error>;

/// The flight of a login, as its state knows it.
pub(super) struct Flight {
    id: Generation,
    waiters: Waiters,
    pub(super) claims: Option<Box<str>>,
    /// Started ahead of time: the present token is still good.
    pub(super) ahead: bool,
    parting: Arc<Mutex<Parting>>,
}

/// What a flight sets out with.
pub(super) struct Order {
    pub(super) session: SessionName,
    pub(super) epoch: Generation,
    pub(super) claims: Option<Box<str>>,
    pub(super) endpoint: Option<TokenEndpoint>,
    waiters: Waiters,
}

/// What a login that ends leaves to the flight that is under way for it.
#[derive(Default)]
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
    limit: Duration,
    reason: &'static str,
}

pin_project! {
    /// Waits for a flight, no longer than the waiting time.
    pub(crate) struct Waiting {
        place: Place,
        #[pin]
        limit: Limit,
        waiter: metrics::Waiter,
    }
}

pin_project! {
    /// The timer is made at the first poll, never under the session's lock: a runtime without timers panics there.
    #[project = LimitProjection]
    enum Limit {
        Of { time: Duration },
        Until { #[pin] over: Sleep },
    }
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
        let flight = Self {
            id: Generation::next(),
            waiters: Waiters::default(),
            claims: claims.map(Into::into),
            ahead,
            parting: Arc::default(),
        };
        let landing = Guard {
            session: Arc::downgrade(session),
            name: session.name(),
            epoch: login.epoch,
            id: flight.id,
            waiters: flight.waiters.clone(),
            parting: flight.parting.clone(),
        };
        let (grant, claims) = (login.grant.clone(), flight.claims.clone());
        (flight, Departure { grant, claims, landing, limit: session.settings.flight_limit, reason })
    }

    pub(super) fn wait(&self, time: Duration) -> Waiting {
        Waiting { place: self.landing(), limit: Limit::Of { time }, waiter: metrics::Waiter::default() }
    }

    pub(super) fn part(&self, parting: Parting) {
        *self.parting.lock().unwrap_or_else(PoisonError::into_inner) = parting;
    }

    /// Tells the waiters that their login has ended: what the flight still brings in is not for them.
    pub(super) fn abandon(&self) {
        if let Some(wake_up) = self.waiters.land(Err(super::logged_out())) {
            wake_up.detach();
        }
    }

    pub(super) fn landing(&self) -> Place {
        self.waiters.place()
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
        let order = Order { session: name, epoch: landing.epoch, claims, endpoint, waiters: landing.waiters.clone() };
        let task = session.track();
        let renewal = metrics::Renewal::started(reason);
        drop(session);
        // Detached: invariant 3. Nobody's cancellation reaches it.
        runtime.spawn(
            async move {
                let _task = task;
                events::renewal_started(name, reason);
                let answer = ladder::climb(&landing.session, &order, limit).await;
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
                    let Some(login) = state.login.as_mut().filter(|login| login.epoch == order.epoch) else {
                        // Invariant 6: logged out, or logged in anew, while the flight was under way.
                        stray = answer.ok();
                        return Err(super::logged_out());
                    };
                    login.rare_mut().flight = None;
                    let landing = match answer {
                        Ok(tokens) => Ok(login.keep(now, tokens, order.claims)),
                        Err(error) => {
                            let error = error.of_session(self.name.id);
                            login.failed(now, &error);
                            Err(error)
                        }
                    };
                    let keeper = login.next_renewal(now).and_then(|at| Keeper::start(&session, order.epoch, at));
                    login.rare_mut().keeper = keeper;
                    login.tidy(now);
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
        let parting = std::mem::take(&mut *self.parting.lock().unwrap_or_else(PoisonError::into_inner));
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
        // The flight died: invariant 3, the next caller starts afresh.
        if let Some(session) = self.session.upgrade() {
            session.change(|state| {
                if let Some(login) = state.login.as_mut().filter(|login| login.epoch == self.epoch)
                    && login.flight().is_some_and(|flight| flight.id == self.id)
                {
                    login.rare_mut().flight = None;
                }
            });
        }
        let why = "the renewal died: its grant panicked, or the runtime that ran it went away";
        let error = Error::new(ErrorKind::RenewalLost, why);
        events::renewal_failed(self.name, &error);
        if let Some(wake_up) = self.waiters.land(Err(error)) {
            wake_up.detach();
        }
    }
}

impl Future for Waiting {
    type Output = Landing;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        let mut this = self.project();
        if let Poll::Ready(landing) = Pin::new(this.place).poll(cx) {
            return Poll::Ready(landing);
        }
        this.waiter.waits();
        if let LimitProjection::Of { time } = this.limit.as_mut().project() {
            let over = tokio::time::sleep(*time);
            this.limit.set(Limit::Until { over });
        }
        if let LimitProjection::Until { over } = this.limit.project() {
            ready!(over.poll(cx));
        }
        Poll::Ready(Err(Error::new(ErrorKind::WaitedTooLong, "there was no new token within the waiting time")))
    }
}
