//! When a login whose tokens are dead asks other processes to renew them: they may have the credential that it has not.

use std::time::Duration;

use tokio::time::Instant;

const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is remembered of asking in vain.
#[derive(Clone, Copy)]
pub(super) struct Asks {
    pause: Duration,
    not_before: Option<Instant>,
}

impl Asks {
    pub(super) const NONE: Self = Self { pause: Duration::ZERO, not_before: None };

    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// Notes that nobody renewed. Says whether it is the first time.
    pub(super) fn in_vain(&mut self, now: Instant) -> bool {
        self.pause = (self.pause * 2).clamp(PAUSE.0, PAUSE.1);
        self.not_before.replace(now + self.pause).is_none()
    }
}
