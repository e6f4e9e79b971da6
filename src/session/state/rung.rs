//! Which rung of the ladder is tried, and what a failure does to the login.
//!
//! 1. A rung that does not work never keeps the next one from being tried (invariant 4): a refresh token that the server
//!    would not have, or that only broke exchanges for a minute, stands back for the session's own grant.
//! 2. It is kept until that grant has worked, unless the server refused it in words that leave no doubt.
//! 3. While the grant is held back, or refused for good, a refresh token that nobody refused is tried after all.

use tokio::time::Instant;

use super::{
    consequence::after_refresh,
    doubt::{Doubts, Fate},
    known::Known,
    login::Login,
};
use crate::{
    credential::Credential,
    error::{Error, TokenVerdict},
};

/// One step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    Refresh,
    /// The session's own grant.
    Grant,
}

impl Login {
    /// Where a flight would begin now, or why none may.
    pub(crate) fn rung(&self, now: Instant) -> Result<Rung, Error> {
        let rare = self.rare();
        let grant = || rare.refusals.check(now).map(|()| Rung::Grant);
        let refresh = || rare.doubts.check(now).map(|()| Rung::Refresh);
        if !self.can_refresh() {
            grant()
        } else if self.has_next_rung() && self.known().is_some_and(Known::is_doubtful) {
            // A process that died may have spent the refresh token, and the server may end the login for a second one.
            grant().or_else(|held_back| refresh().map_err(|_| held_back))
        } else if !self.has_next_rung() || !rare.doubts.yields(now) {
            refresh()
        } else if rare.doubts.is_worth_a_try() {
            grant().or_else(|held_back| refresh().map_err(|_| held_back))
        } else {
            grant()
        }
    }

    /// Why no token may be asked for now.
    pub(crate) fn held_back(&self, now: Instant) -> Option<Error> {
        self.rung(now).err().or_else(|| self.rare().backoff.check(now).err())
    }

    /// Where a flight begins without the store; `None` where only the store could say whether the refresh token may be spent.
    /// `free`: it does not stand there.
    pub(crate) fn rung_without_store(&self, now: Instant, free: bool) -> Result<Option<Rung>, Error> {
        match self.rung(now)? {
            Rung::Refresh if free => Ok(Some(Rung::Refresh)),
            Rung::Refresh if !self.has_next_rung() => Ok(None),
            // Nothing at all, unless the store has it.
            Rung::Grant if !self.has_own_credential() => Ok(None),
            _ => self.rare().refusals.check(now).map(|()| Some(Rung::Grant)),
        }
    }

    /// Notes a failed refresh.
    pub(crate) fn refresh_failed(&mut self, now: Instant, error: &Error, verdict: TokenVerdict) -> Fate {
        let after = after_refresh(verdict, !self.has_next_rung());
        let fate = self.rare_mut().doubts.failed(now, error, after);
        match fate {
            Fate::Kept | Fate::PassedOver => {}
            Fate::Forgotten | Fate::Final => self.forget_refresh_token(),
        }
        fate
    }

    /// Notes that a refresh succeeded.
    pub(crate) fn reached(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.doubts = Doubts::NONE;
            rare.refusals.reached();
        }
    }

    /// Notes that the grant has brought a token.
    pub(crate) fn worked(&mut self) {
        self.worked = true;
        let passed_over = !self.rare().doubts.is_over();
        if passed_over {
            self.forget_refresh_token();
        }
        if let Some(rare) = &mut self.rare {
            rare.refusals.worked();
        }
    }

    /// Whether the user is to be asked: nothing that the session holds is good.
    pub(crate) fn is_refused(&self) -> bool {
        self.rare().refusals.is_refused() && !self.can_refresh()
    }

    /// The same error, and whether the session will make sure of a refusal: so it is while the user is not to be asked.
    pub(crate) fn judged(&self, error: Error) -> Error {
        error.unsure(!self.is_refused())
    }

    fn can_refresh(&self) -> bool {
        self.redeems && self.refresh_token.is_some()
    }

    /// Whether there is something behind the refresh token.
    pub(super) fn has_next_rung(&self) -> bool {
        self.credential != Credential::RefreshToken && !self.rare().refusals.is_final()
    }

    pub(crate) fn forget_refresh_token(&mut self) {
        self.refresh_token = None;
        if let Some(rare) = &mut self.rare {
            rare.doubts = Doubts::NONE;
        }
    }
}
