//! When a login whose tokens are dead asks other processes to renew them: they may have the credential that it has not.

use std::time::Duration;

use tokio::time::Instant;

use super::login::Login;
use crate::store::Version;

const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is remembered of asking in vain.
#[derive(Clone, Copy)]
pub(super) struct Asks {
    pause: Duration,
    not_before: Option<Instant>,
}

impl Asks {
    pub(super) const NONE: Self = Self { pause: Duration::ZERO, not_before: None };
}

impl Login {
    /// The version that another process is to renew, if one is to be asked now: nothing is left here to renew it with.
    pub(crate) fn wants(&self, now: Instant) -> Option<Version> {
        let known = self.known().filter(|_| !self.has_own_credential() && self.refresh_token.is_none())?;
        known.version().filter(|_| known.asks.not_before.is_none_or(|at| at <= now))
    }

    /// Nobody renewed this version. Says whether it is the first time.
    pub(crate) fn asked_in_vain(&mut self, now: Instant) -> bool {
        let Some(known) = self.known_mut() else { return false };
        let asks = &mut known.asks;
        let is_first = asks.not_before.is_none();
        asks.pause = (asks.pause * 2).clamp(PAUSE.0, PAUSE.1);
        asks.not_before = Some(now + asks.pause);
        is_first
    }
}
