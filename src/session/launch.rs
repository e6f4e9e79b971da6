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

use std::sync::{Arc, PoisonError, Weak};

use tokio::{runtime::Handle, time::Instant};
use tracing::Instrument;

use super::{
    give_back,
    inner::Inner,
    ladder, refresh_ahead,
    state::{Brought, FOREVER, Flight, Login, Mutex, Order, Parting, Shelf, Waiters, logged_out, lost},
};
use crate::{
    asked::Challenge,
    context::Wish,
    error::Error,
    events,
    grant::SharedGrant,
    identity::{Generation, RENEWED, SessionName},
    metrics,
};

/// A flight that is in the state and not yet under way: it is launched once the lock is released, since a runtime that
/// is shutting down drops the task, and with it the guard, on the spot.
pub(super) struct Launch {
    grant: SharedGrant,
    challenge: Challenge,
    wish: Option<Arc<Wish>>,
    landing: Guard,
    limit: Instant,
    reason: &'static str,
    shelf: Option<Arc<Shelf>>,
    looks: bool,
}

/// What a flight is to the login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Needed,
    /// It counts as a re-issue.
    Counted,
    /// The present token is still good.
    Ahead,
    /// It only looks into the store.
    Look,
}

struct Guard {
    session: Weak<Inner>,
    name: SessionName,
    epoch: Generation,
    id: Generation,
    waiters: Waiters,
    parting: Arc<Mutex<Parting>>,
}

/// Makes a flight for a login, and its launch.
pub(super) fn prepare(
    session: &Arc<Inner>,
    login: &Login,
    (challenge, wish): (&Challenge, Option<&Arc<Wish>>),
    shelf: Option<Arc<Shelf>>,
    kind: Kind,
    reason: &'static str,
) -> (Flight, Launch) {
    let limit = Instant::now() + session.settings.flight_limit.min(FOREVER);
    let flight = Flight {
        id: Generation::next(),
        limit,
        waiters: Waiters::default(),
        challenge: challenge.clone(),
        wish: wish.cloned(),
        ahead: kind == Kind::Ahead,
        looks: kind == Kind::Look,
        counted: kind == Kind::Counted,
        parting: login.rare().given_up.clone().unwrap_or_default(),
    };
    let landing = Guard {
        session: Arc::downgrade(session),
        name: session.name(),
        epoch: login.epoch,
        id: flight.id,
        waiters: flight.waiters.clone(),
        parting: flight.parting.clone(),
    };
    let (grant, challenge, wish) = (login.grant.clone(), challenge.clone(), flight.wish.clone());
    (flight, Launch { grant, challenge, wish, landing, limit, reason, shelf, looks: kind == Kind::Look })
}

impl Launch {
    pub(super) fn start(self, runtime: &Handle) {
        let Self { grant, challenge, wish, landing, limit, reason, shelf, looks } = self;
        let Some(session) = landing.session.upgrade() else { return };
        let name = landing.name;
        let span = events::renewal(name, reason, grant.credential());
        let endpoint = grant.endpoint().cloned();
        let revoker = grant.revoker(session.settings.flight_limit);
        drop(grant);
        let mut order = Order {
            session: name,
            flight: landing.id,
            epoch: landing.epoch,
            found: Generation::NONE,
            spent: None,
            challenge,
            wish,
            // A derived session's claims go to its parent, which adds them there.
            capabilities: match session.parent() {
                Some(_) => Arc::default(),
                None => session.settings.capabilities.clone(),
            },
            dpop: session.settings.dpop(),
            endpoint,
            revoker,
            waiters: landing.waiters.clone(),
            shelf,
            looks,
            parting: landing.parting.clone(),
        };
        let task = session.track();
        // One that only looks into the store renews nothing, and a derived session's renewal is its own.
        let renewal = (!looks && order.wish.is_none()).then(|| metrics::Renewal::started(reason));
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
        answer: Result<Brought, Error>,
        order: Order,
        reason: &'static str,
        renewal: Option<metrics::Renewal>,
    ) {
        let mut late = None;
        let found = matches!(answer, Ok(Brought::Found(_)));
        let landing = match self.session.upgrade() {
            Some(session) => {
                let now = Instant::now();
                let lifetime = answer.as_ref().ok().and_then(Brought::lifetime);
                let landing = session.change(|state| {
                    state.look_at_next_call();
                    let Some(login) = state.login.as_mut().filter(|login| login.epoch == order.epoch) else {
                        // Invariant 6: logged out, or logged in anew, while the flight was under way.
                        late = answer.ok().and_then(Brought::into_tokens);
                        return Err(logged_out());
                    };
                    let in_time = login.is_flown_by(self.id);
                    let landing = login.land(now, answer, &order);
                    if in_time || landing.is_ok() {
                        refresh_ahead::restart(&session, login, now);
                        login.tidy(now);
                    }
                    landing
                });
                match &landing {
                    // The derived session tells of it.
                    _ if order.wish.is_some() => {}
                    Ok(generation) if found => events::token_adopted(self.name, *generation),
                    Ok(generation) => events::token_acquired(self.name, reason, *generation, lifetime),
                    Err(_) if order.looks => {}
                    Err(error) => events::renewal_failed(self.name, error),
                }
                landing
            }
            // Dropped, logged out before or not.
            None => {
                late = answer.ok().and_then(Brought::into_tokens);
                Err(logged_out())
            }
        };
        // From here on the session is not held: what is left to do must not keep a login that followed.
        if let Some(renewal) = renewal {
            renewal.landed(&landing, found);
        }
        if let Some(wake_up) = self.waiters.land(landing) {
            wake_up.in_batches().await;
        }
        // After the look at the session: whoever ended the login has left this word by then.
        let parting = self.parting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Parting { revoke, errand: _errand } = parting;
        if let (Some(tokens), Some(revoker), true) = (late, &order.revoker, revoke) {
            give_back::revoke_late(&self.session, order.session, revoker, &tokens).await;
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
