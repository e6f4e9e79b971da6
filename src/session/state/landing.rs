//! How a flight ends for its login: it lands, in time or late, or is given up.

use std::sync::PoisonError;

use tokio::time::Instant;

use super::{
    flight::{Brought, Order, Parting},
    login::Login,
    waiters::{Landing, WakeUp},
};
use crate::{
    error::{Error, ErrorKind},
    events,
    identity::{Generation, SessionName},
};

/// A flight that was given up: whoever did it tells of it once the lock is released.
pub(crate) struct GivenUp {
    error: Error,
    wake_up: Option<WakeUp>,
}

impl Login {
    /// Gives up a flight that is overdue.
    pub(crate) fn give_up_overdue(&mut self, now: Instant) -> Option<GivenUp> {
        if !self.flight().is_some_and(|flight| flight.is_overdue(now)) {
            return None;
        }
        let rare = self.rare_mut();
        let flight = rare.flight.take()?;
        rare.given_up = Some(flight.parting);
        let error = lost("the renewal is past its limit: the runtime that it runs on seems to have stopped");
        self.lost(now, &error);
        Some(GivenUp { wake_up: flight.waiters.land(Err(error.clone())), error })
    }

    /// Whether this flight is the one that is under way, and was not given up.
    pub(crate) fn is_flown_by(&self, id: Generation) -> bool {
        self.flight().is_some_and(|flight| flight.id == id)
    }

    /// The flight under way has this limit from now on.
    pub(crate) fn flies_until(&mut self, limit: Instant) {
        if let Some(flight) = &mut self.rare_mut().flight {
            flight.limit = limit;
        }
    }

    /// What the login, which ends, leaves to its flights.
    pub(crate) fn part(&self, parting: Parting) {
        let given_up = self.rare().given_up.as_ref();
        if let Some(left) = self.flight().map(|flight| &flight.parting).or(given_up) {
            *left.lock().unwrap_or_else(PoisonError::into_inner) = parting;
        }
    }

    /// Takes in what a flight brings.
    pub(crate) fn land(&mut self, now: Instant, answer: Result<Brought, Error>, order: &Order) -> Landing {
        if self.is_flown_by(order.flight) {
            let counted = self.rare_mut().flight.take().is_some_and(|flight| flight.counted);
            return match answer {
                Ok(brought) => {
                    if counted && matches!(brought, Brought::Found(_)) {
                        self.rare_mut().damping.take_back();
                    }
                    self.take_in(now, brought, order)
                }
                // Nothing was asked for, or nothing is wrong with the login.
                Err(error) if order.looks || order.is_wish_refused(&error) => Err(error),
                Err(error) => {
                    if counted && error.kind() == ErrorKind::Store {
                        self.rare_mut().damping.take_back();
                    }
                    let error = self.judged(error.of_session(order.session.id));
                    self.failed(now, &error);
                    Err(error)
                }
            };
        }
        let brought = answer?;
        if !self.takes_late(order) {
            return Err(lost("the answer came after the renewal had been given up"));
        }
        match brought {
            Brought::Found(_) => {}
            _ if order.spent.is_some() => self.reached(),
            _ => self.worked(),
        }
        self.take_in(now, brought, order)
    }

    fn take_in(&mut self, now: Instant, brought: Brought, order: &Order) -> Landing {
        let tokens = match brought {
            Brought::Tokens(tokens) => tokens,
            Brought::Saved { tokens, record, unsaved } => {
                if let Some(known) = self.known_mut() {
                    known.brings(&record, unsaved);
                }
                tokens
            }
            Brought::Found(record) => {
                return Ok(self.adopt(now, &record, order.claimant())?.unwrap_or_else(|| self.generation()));
            }
        };
        let claims = order.challenge.claims().map(Into::into);
        let Some(wish) = &order.wish else { return Ok(self.keep(now, tokens, claims)) };
        self.keep_for(now, wish, claims, tokens);
        Ok(self.generation())
    }

    /// Whether what a flight that was given up brings in may be kept.
    fn takes_late(&self, order: &Order) -> bool {
        self.generation() == order.found && (order.spent.is_none() || order.spent == self.refresh_token_mark())
    }
}

impl GivenUp {
    pub(crate) fn tell(self, name: SessionName) {
        events::renewal_failed(name, &self.error);
        if let Some(wake_up) = self.wake_up {
            wake_up.detach();
        }
    }
}

pub(crate) fn lost(why: &'static str) -> Error {
    Error::new(ErrorKind::RenewalLost, why)
}
