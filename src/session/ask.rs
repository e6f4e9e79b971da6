//! What a caller asks of a session, and the compare-and-swap that answers it (invariant 2).

use std::sync::Arc;

use http::HeaderValue;
use tokio::{runtime::Handle, time::Instant};

use super::{
    Inner, Session,
    damping::Turn,
    flight::{Departure, Flight, Order, Waiting},
    logged_out,
    state::{Held, Login},
};
use crate::{Error, ErrorKind, Origin, events, identity::Generation};

/// Why a caller comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// There is no token, or it is about to expire.
    Token,
    /// The token is good for now, but this request can't be replayed: it goes out with one that will not fail.
    FreshToken,
    /// The token is due for a background renewal; nobody waits.
    Ahead,
    /// The caller asked for a renewal while this generation was current.
    Renewal { since: Generation },
    /// A request that was sent with this generation was rejected.
    Rejected { generation: Generation, origin: Option<&'a Origin>, claims: Option<&'a str> },
}

/// What the caller is told.
pub(crate) enum Answer {
    /// There is a token to go on with.
    Ready,
    /// Wait for this flight, and look at how it landed.
    Wait(Waiting),
    /// Wait for this flight, then ask again: it brings something else than what is needed.
    After(Waiting),
    /// Ask again at this time (damping).
    At(Instant),
    Failed(Error),
}

/// What a request is sent with.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    pub(crate) generation: Generation,
    pub(crate) epoch: Generation,
    /// Until then a copy may be used without asking again; `None` for ever.
    pub(crate) fresh_until: Option<Instant>,
}

impl Session {
    /// The current token for a request that is about to be sent, if it is good for one: the reader's path.
    pub(crate) fn authorization(&self, now: Instant) -> Result<Option<Authorization>, Error> {
        let found = self.inner.read(|state| {
            let login = state.login.as_ref().ok_or_else(logged_out)?;
            let held = login.held.as_ref().filter(|held| held.is_fresh(now));
            Ok(held.map(|held| (login.authorization(held), held.is_due(now) && login.flight.is_none())))
        })?;
        let Some((authorization, due)) = found else { return Ok(None) };
        if due {
            // Fails where a pause lasts, and nobody minds: the present token is good for a while.
            let _ = self.ask(Need::Ahead, None);
        }
        Ok(Some(authorization))
    }

    /// The current token of one login, whatever its age: for a request whose renewal has just landed, and for the last
    /// look before a replay goes out (invariant 6).
    pub(crate) fn authorization_of(&self, epoch: Generation) -> Result<Authorization, Error> {
        self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == epoch).ok_or_else(logged_out)?;
            login.held.as_ref().map(|held| login.authorization(held)).ok_or_else(logged_out)
        })
    }

    /// The token of one login, if the server may still take it: for a call that found no better one.
    pub(crate) fn last_resort(&self, epoch: Generation) -> Option<Authorization> {
        let now = Instant::now();
        self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == epoch)?;
            let held = login.held.as_ref().filter(|held| held.may_work(now))?;
            Some(login.authorization(held))
        })
    }

    /// The login that calls of now belong to.
    pub(crate) fn epoch(&self) -> Result<Generation, Error> {
        self.inner.read(|state| state.login.as_ref().map(|login| login.epoch).ok_or_else(logged_out))
    }

    /// Decides what a caller does next, and starts a flight where one is needed. `epoch` is the login that the caller
    /// belongs to, if it is bound to one already.
    pub(crate) fn ask(&self, need: Need<'_>, epoch: Option<Generation>) -> Answer {
        let Ok(runtime) = Handle::try_current() else {
            return Answer::Failed(Error::new(ErrorKind::NoRuntime, "a renewal needs a tokio runtime"));
        };
        let now = Instant::now();
        let mut departure = None;
        let answer = self.inner.change(|state| {
            match state.login.as_mut().filter(|login| epoch.is_none_or(|epoch| epoch == login.epoch)) {
                Some(login) => login.answer(&self.inner, need, now, &mut departure),
                None => Answer::Failed(logged_out()),
            }
        });
        if let Some(departure) = departure {
            departure.launch(&runtime);
        }
        if let Answer::Failed(error) = &answer
            && error.kind() == ErrorKind::Damped
        {
            events::damped(self.inner.id, error);
        }
        answer
    }

    /// Notes that an origin rejected a token that was just issued, or made us renew for nothing.
    pub(crate) fn unproductive(&self, epoch: Generation, origin: &Origin, generation: Generation) {
        let now = Instant::now();
        let pause = self.inner.change(|state| {
            let login = state.login.as_mut().filter(|login| login.epoch == epoch)?;
            login.cool_downs.unproductive(now, origin, generation)
        });
        if let Some(pause) = pause {
            events::origin_cools_down(self.inner.id, origin, pause);
        }
    }

    /// Notes that an origin accepted a replay.
    pub(crate) fn productive(&self, epoch: Generation, origin: &Origin) {
        let known = self.inner.read(|state| state.login.as_ref().is_some_and(|login| !login.cool_downs.is_empty()));
        if known {
            self.inner.change(|state| {
                if let Some(login) = state.login.as_mut().filter(|login| login.epoch == epoch) {
                    login.cool_downs.productive(origin);
                }
            });
        }
    }
}

impl Login {
    pub(super) fn authorization(&self, held: &Held) -> Authorization {
        Authorization {
            header: held.header.clone(),
            generation: held.generation,
            epoch: self.epoch,
            // From the ahead window on every call asks, so that one of them starts the renewal.
            fresh_until: held.expiry.map(|expiry| expiry.renew_at),
        }
    }

    fn answer(
        &mut self,
        session: &Arc<Inner>,
        need: Need<'_>,
        now: Instant,
        departure: &mut Option<Departure>,
    ) -> Answer {
        let claims = need.claims();
        let busy = self.flight.as_ref().is_some_and(|flight| !flight.ahead);
        if let Some(held) = &self.held
            && need.is_met_by(held, now, busy)
        {
            return Answer::Ready;
        }
        if let Some(flight) = &self.flight {
            let waiting = flight.wait(session.settings.waiting_time);
            return match claims {
                // Invariant 1: whoever needs claims does not join a flight without them.
                Some(_) if flight.claims.as_deref() != claims => Answer::After(waiting),
                _ => Answer::Wait(waiting),
            };
        }
        match self.gate(session, need, now) {
            Ok(Turn::Now) => {}
            Ok(Turn::At(turn)) => return Answer::At(turn),
            Ok(Turn::TooFar(wait)) => {
                let error = Error::new(
                    ErrorKind::Damped,
                    "tokens that had not expired were rejected too often: somebody else seems to revoke them",
                );
                return Answer::Failed(error.with_retry_after(wait));
            }
            Err(error) => return Answer::Failed(error),
        }
        let order = Order { epoch: self.epoch, grant: self.grant.clone(), claims: claims.map(Into::into) };
        let (flight, leaves) = Flight::prepare(session, order, matches!(need, Need::Ahead), need.reason());
        let waiting = flight.wait(session.settings.waiting_time);
        self.flight = Some(flight);
        *departure = Some(leaves);
        Answer::Wait(waiting)
    }

    /// What stands against starting a flight (invariant 5).
    fn gate(&mut self, session: &Inner, need: Need<'_>, now: Instant) -> Result<Turn, Error> {
        if let Need::Rejected { origin: Some(origin), .. } = need
            && let Some(left) = self.cool_downs.check(now, origin)
        {
            let error = Error::new(ErrorKind::CoolingDown, format!("{origin} rejects tokens that were just issued"));
            return Err(error.with_retry_after(left));
        }
        let can_refresh = self.refresh_token.is_some() && self.grant.endpoint().is_some();
        if !can_refresh {
            self.refusals.check(now)?;
        }
        self.backoff.check(now)?;
        let unexpired = self.held.as_ref().is_some_and(|held| held.may_work(now));
        if !(unexpired && matches!(need, Need::Rejected { .. })) {
            return Ok(Turn::Now);
        }
        let limit = session.settings.reissues_per_minute;
        let turn = self.damping.turn(now, limit);
        if turn == Turn::Now {
            self.damping.count(now, limit);
        }
        Ok(turn)
    }
}

impl<'a> Need<'a> {
    fn claims(self) -> Option<&'a str> {
        match self {
            Self::Rejected { claims, .. } => claims,
            _ => None,
        }
    }

    /// Whether the token that is held is what the caller needs. `busy` says that a flight is under way because that
    /// token failed somebody.
    fn is_met_by(self, held: &Held, now: Instant, busy: bool) -> bool {
        match self {
            Self::Token => held.is_fresh(now),
            Self::FreshToken | Self::Ahead => !held.is_due(now),
            Self::Renewal { since } => held.generation != since && !busy,
            Self::Rejected { generation, claims, .. } => {
                held.generation != generation
                    && held.may_work(now)
                    && !busy
                    && (claims.is_none() || held.claims.as_deref() == claims)
            }
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Token => "no fresh token",
            Self::FreshToken | Self::Ahead => "ahead of time",
            Self::Renewal { .. } => "asked for",
            Self::Rejected { .. } => "rejected",
        }
    }
}
