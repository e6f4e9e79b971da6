//! What a caller asks of a session, and the compare-and-swap that answers it (invariant 2).

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Session,
    authorization::Authorization,
    inner::Inner,
    launch::{Kind, Launch, prepare},
    need::{Answer, Need},
    state::{Cause, Held, Login, Route, Shelf, State, Turn, logged_out},
    waiting::Waiting,
};
use crate::{
    asked::Challenge,
    clock,
    error::{Error, ErrorKind},
    events,
    identity::Generation,
    origin::Origin,
};

/// What stands against starting a flight.
enum Obstacle {
    Until(Instant),
    Stop(Error),
}

impl Session {
    /// The current token for a request that is about to be sent, if it is good for one: the reader's path.
    pub(crate) fn authorization(&self, now: Instant) -> Result<Option<Authorization>, Error> {
        let (mut untidy, mut nobody_asks) = (false, false);
        let found = self.inner.read(|state| {
            let login = state.login.as_ref().ok_or_else(logged_out)?;
            let Some(held) = &login.held else { return Ok(None) };
            let mut due = false;
            if !state.is_at_rest(held, now) {
                match state.look(held, now) {
                    Some(is_due) => due = is_due,
                    None => return Ok(None),
                }
            }
            // From the ahead window on every call asks, so that one of them starts the renewal.
            let mut fresh_until = held.expiry.map(|expiry| clock::without_sleep(expiry.renew_at()));
            let mut care = due;
            if due || login.rare.is_some() {
                fresh_until = fresh_until.into_iter().chain(login.rare().ask_again_at(now)).min();
                care |= login.is_watched();
                // A look that is due is due from `fresh_until` on.
                let is_over = fresh_until.is_some_and(|until| until <= now);
                untidy = login.is_untidy(now) || (is_over && login.rare().look_is_due(now));
                nobody_asks = due && !login.is_flying(now);
            }
            Ok(Some(Authorization { fresh_until, care, ..login.authorization(held) }))
        })?;
        if untidy {
            self.tidy(now);
            self.look_for_news(now);
        }
        if nobody_asks && let Some(authorization) = &found {
            // Fails where a pause lasts, and nobody minds: the present token is good for a while.
            let _ = self.ask(Need::Ahead, authorization.epoch, now);
        }
        Ok(found)
    }

    /// Drops what is over: what a login has beyond its credentials is as good as nothing a minute after the last trouble.
    pub(crate) fn tidy(&self, now: Instant) {
        let untidy = |state: &State| state.login.as_ref().is_some_and(|login| login.is_untidy(now));
        if self.inner.read(untidy) {
            self.inner.change(|state| state.login.as_mut().map(|login| login.tidy(now)));
        }
    }

    /// The current token of one login, whatever its age: for a request whose renewal has just landed, and for the last
    /// look before a replay goes out (invariant 6).
    pub(crate) fn authorization_of(&self, epoch: Generation) -> Result<Authorization, Error> {
        self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == epoch).ok_or_else(logged_out)?;
            let held = login.held.as_ref().ok_or_else(logged_out)?;
            let adopted = login.known().is_some_and(|known| known.has_adopted(held.generation));
            Ok(Authorization { adopted, ..login.authorization(held) })
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
    /// belongs to; `since` is when the caller began to wait.
    pub(crate) fn ask(&self, need: Need<'_>, epoch: Generation, since: Instant) -> Answer {
        if self.is_renewed_here() {
            let why = "a renewal asked its own session for a token, and would wait for itself";
            return Answer::Failed(Error::new(ErrorKind::SelfAuthorization, why));
        }
        let runtime = match self.inner.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return Answer::Failed(error),
        };
        let now = Instant::now();
        let (mut launch, mut given_up) = (None, None);
        let answer = self.inner.change(|state| match state.login.as_mut().filter(|login| login.epoch == epoch) {
            Some(login) => {
                given_up = login.give_up_overdue(now);
                let answer = login.answer(
                    &self.inner,
                    state.aside.as_ref().and_then(|aside| aside.shelf.as_ref()),
                    need,
                    (since, now),
                    &mut launch,
                );
                if let Answer::Wait(_) | Answer::After(_) = answer {
                    login.put_on_trial(need, now);
                }
                answer
            }
            None => Answer::Failed(logged_out()),
        });
        if let Some(given_up) = given_up {
            given_up.tell(self.inner.name());
        }
        if let Some(launch) = launch {
            launch.start(&runtime);
        }
        if let Answer::Failed(error) = &answer
            && error.kind() == ErrorKind::Damped
        {
            events::damped(self.inner.name(), error, self.is_first_damped(epoch));
            crate::metrics::damped();
        }
        answer
    }

    /// Whether nobody was told yet that the renewals of this token are damped.
    fn is_first_damped(&self, epoch: Generation) -> bool {
        self.inner.change(|state| {
            let token = state.generation();
            let login = state.login.as_mut().filter(|login| login.epoch == epoch);
            login.is_some_and(|login| std::mem::replace(&mut login.rare_mut().damped, token) != token)
        })
    }

    /// Invariant 12: what is left of the one waiting time that a call has, if it waits since then.
    pub(crate) fn waiting_time_left(&self, since: Instant) -> Duration {
        self.inner.settings.longest_wait().saturating_sub(since.elapsed())
    }

    /// Whether a caller that waits since then asks again after a failure.
    pub(crate) fn waits_on(&self, need: Need<'_>, since: Instant) -> bool {
        since.elapsed() < need.pause_wait(&self.inner.settings)
    }

    /// Notes that an origin rejected this token. One that was issued a moment ago because of it begins a cool-down.
    pub(crate) fn rejected_at(&self, epoch: Generation, origin: &Origin, route: Route, generation: Generation) {
        let now = Instant::now();
        let on_trial = |login: &Login| login.rare().cool_downs.is_on_trial(now, origin, route, generation);
        let pause = self
            .if_login(epoch, on_trial, |login| login.rare_mut().cool_downs.rejected(now, origin, route, generation));
        if let Some(pause) = pause.flatten() {
            events::origin_cools_down(self.inner.name(), origin, pause);
        }
    }

    /// Notes that an origin let a request through with this token.
    pub(crate) fn passed_at(&self, epoch: Generation, origin: &Origin, route: Route, generation: Generation) {
        let is_news = |login: &Login| login.rare().cool_downs.is_news(origin, route, generation);
        self.if_login(epoch, is_news, |login| {
            login.rare_mut().cool_downs.passed(Instant::now(), origin, route, generation);
        });
    }

    /// Whether what becomes of a call that is sent now has to be told, and whether the token is due for a renewal.
    pub(crate) fn is_watched_or_due(&self, epoch: Generation, now: Instant) -> (bool, bool) {
        self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == epoch);
            login.map_or((false, false), |login| {
                (login.is_watched(), login.held.as_ref().is_some_and(|held| held.is_due(now)))
            })
        })
    }

    /// Changes this login where that is called for: few of those who ask have to wait for the lock.
    fn if_login<T>(
        &self,
        epoch: Generation,
        look: impl FnOnce(&Login) -> bool,
        act: impl FnOnce(&mut Login) -> T,
    ) -> Option<T> {
        let called_for = self.inner.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == epoch);
            login.is_some_and(look)
        });
        if !called_for {
            return None;
        }
        self.inner.change(|state| state.login.as_mut().filter(|login| login.epoch == epoch).map(act))
    }
}

impl Login {
    /// For one call.
    fn authorization(&self, held: &Held) -> Authorization {
        let (header, generation) = (held.header.clone(), held.generation);
        Authorization { header, generation, epoch: self.epoch, adopted: false, fresh_until: None, care: false }
    }

    /// Whether a flight is under way that may still land.
    fn is_flying(&self, now: Instant) -> bool {
        self.flight().is_some_and(|flight| !flight.is_overdue(now))
    }

    fn answer(
        &mut self,
        session: &Arc<Inner>,
        shelf: Option<&Arc<Shelf>>,
        need: Need<'_>,
        (since, now): (Instant, Instant),
        launch: &mut Option<Launch>,
    ) -> Answer {
        let claims = need.claims();
        if need.is_met_by(self, now) {
            return Answer::Ready;
        }
        let waited = now.saturating_duration_since(since);
        let left = need.longest_wait(&session.settings).saturating_sub(waited);
        if let Some(flight) = self.flight() {
            let waiting = Waiting::new(flight, session, left);
            return match claims {
                _ if flight.looks => Answer::After(waiting),
                // Invariant 1: nobody is handed a token for something else.
                _ if flight.wish.as_ref() != need.wish() => Answer::After(waiting),
                // Invariant 1: whoever needs claims does not join a flight without them.
                Some(_) if flight.challenge.claims() != claims => Answer::After(waiting),
                _ => Answer::Wait(waiting),
            };
        }
        let pause_wait = need.pause_wait(&session.settings).saturating_sub(waited);
        let kind = match self.gate(session, need, now, (left, pause_wait)) {
            Ok(_) if matches!(need, Need::Ahead) => Kind::Ahead,
            Ok(true) => Kind::Counted,
            Ok(false) => Kind::Needed,
            // Another process may have brought what is held back here.
            Err(obstacle) if self.may_look(need, &obstacle, now) => Kind::Look,
            Err(Obstacle::Until(turn)) => return Answer::At(turn),
            Err(Obstacle::Stop(error)) => return Answer::Failed(error),
        };
        if let Some(known) = self.known_mut() {
            known.looks(now);
        }
        let own_first = need.wish().is_some() && self.begins_with_own(now);
        let asked = if own_first { (Challenge::NONE, None) } else { (need.challenge(), need.wish()) };
        let (flight, leaves) = prepare(session, self, asked, shelf.cloned(), kind, need.reason());
        let waiting = Waiting::new(&flight, session, left);
        self.rare_mut().flight = Some(flight);
        *launch = Some(leaves);
        if kind == Kind::Look || own_first { Answer::After(waiting) } else { Answer::Wait(waiting) }
    }

    /// Whether a flight that only looks into the store may help where another one may not begin.
    fn may_look(&self, need: Need<'_>, obstacle: &Obstacle, now: Instant) -> bool {
        let cools_down = matches!(obstacle, Obstacle::Stop(error) if error.kind() == ErrorKind::CoolingDown);
        self.known().is_some_and(|known| known.may_look(now)) && !matches!(need, Need::Ahead) && !cools_down
    }

    /// The token that a flight brings is to show whether it helps where the present one was rejected.
    fn put_on_trial(&mut self, need: Need<'_>, now: Instant) {
        if let Need::Rejected { generation, from: Some((origin, route)), .. } = need
            && self.held.as_ref().is_some_and(|held| held.generation == generation)
        {
            self.rare_mut().cool_downs.awaits(now, origin, route, generation);
        }
    }

    /// What stands against starting a flight (invariant 5), else whether it counts as a re-issue. `left` is how long the caller
    /// waits at most, `pause_wait` how long of that for a pause to end.
    fn gate(
        &mut self,
        session: &Inner,
        need: Need<'_>,
        now: Instant,
        (left, pause_wait): (Duration, Duration),
    ) -> Result<bool, Obstacle> {
        if let Need::Rejected { from: Some((origin, route)), .. } = need
            && let Some(left) = self.rare().cool_downs.check(now, origin, route)
        {
            let error = Error::new(ErrorKind::CoolingDown, format!("{origin} rejects tokens that were just issued"));
            return Err(Obstacle::Stop(error.with_retry_after(left)));
        }
        // What is held back for longer decides; without a time it is held back for good.
        let held_back = [self.rung(now).err(), self.rare().backoff.check(now).err()];
        let held_back = held_back.into_iter().flatten();
        if let Some(error) = held_back.max_by_key(|error| error.retry_after().unwrap_or(Duration::MAX)) {
            let error = self.judged(error);
            // Whoever asks for credentials that the server would not have need not wait for it.
            let is_refused = matches!(error.kind(), ErrorKind::Refused | ErrorKind::Misconfigured);
            return Err(match error.retry_after() {
                Some(pause) if pause <= pause_wait && !is_refused => Obstacle::Until(now + pause),
                _ => Obstacle::Stop(error),
            });
        }
        let unexpired = self.held.as_ref().is_some_and(|held| held.may_work(now));
        if unexpired && let Need::Rejected { from, .. } = need {
            let (limit, cause) = (session.settings.renewals_per_minute, Cause::of(from.map(|(origin, _)| origin)));
            match self.rare().damping.turn(now, limit, cause) {
                Turn::Now => {
                    self.rare_mut().damping.count(now, limit, cause);
                    return Ok(true);
                }
                Turn::At(turn) if turn.saturating_duration_since(now) <= left => return Err(Obstacle::Until(turn)),
                Turn::At(turn) => return Err(Obstacle::Stop(damped(turn.saturating_duration_since(now)))),
                Turn::TooFar(wait) => return Err(Obstacle::Stop(damped(wait))),
            }
        }
        Ok(false)
    }
}

fn damped(wait: Duration) -> Error {
    let why = "tokens that had not expired were rejected too often: somebody else seems to revoke them";
    Error::new(ErrorKind::Damped, why).with_retry_after(wait)
}
