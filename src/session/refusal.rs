//! What is remembered of refused credentials, so that nobody is locked out (invariant 5).
//!
//! 1. A password that never worked and was refused is not sent again until the next login.
//! 2. One that had worked is tried once more after 60 s; refused again, it is as in 1.
//! 3. A password is never sent more than 3 times in 15 min without a success, whatever the answers were.
//! 4. A client's own secret is probed after 60 s, doubling to 15 min: secrets get rotated, and outages look alike.
//! 5. Anything else is treated as 1 and 2 say.
//! 6. A refresh token that was refused, with nothing behind it, is final at once.
//! 7. A request that the server objects to as such (client, scope, grant type), a refresh included, is probed as in 4.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{Credential, Error, ErrorKind};

const CONFIRM_AFTER: Duration = Duration::from_secs(60);
const FIRST_PROBE: Duration = Duration::from_secs(60);
const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);
const SENDS: usize = 3;
const SENDS_PER: Duration = Duration::from_secs(15 * 60);

/// The memory of one login's own grant.
#[derive(Clone, Debug)]
pub(super) struct Refusals {
    credential: Credential,
    worked: bool,
    // The three that follow are about the time since the last success.
    sends: VecDeque<Instant>,
    refused: bool,
    pause: Duration,
    verdict: Verdict,
}

#[derive(Clone, Debug)]
enum Verdict {
    Open,
    NotBefore { at: Instant, error: Error },
    Final { error: Error },
}

impl Refusals {
    /// Nothing to remember; `worked` says whether the credential worked in this login.
    pub(super) const fn new(credential: Credential, worked: bool) -> Self {
        let verdict = Verdict::Open;
        Self { credential, worked, sends: VecDeque::new(), refused: false, pause: Duration::ZERO, verdict }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.sends.is_empty() && !self.refused && self.pause.is_zero() && matches!(self.verdict, Verdict::Open)
    }

    /// Whether the credential may be sent now; if not, the error to hand out.
    pub(super) fn check(&self, now: Instant) -> Result<(), Error> {
        match &self.verdict {
            Verdict::Final { error } => return Err(error.clone()),
            Verdict::NotBefore { at, error } if *at > now => {
                return Err(error.clone().with_retry_after(*at - now));
            }
            _ => {}
        }
        if self.credential == Credential::Password && self.sends.len() >= SENDS {
            let next = self.sends[self.sends.len() - SENDS] + SENDS_PER;
            if next > now {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the password was sent 3 times in 15 minutes without a success, and is held back lest the account be locked",
                )
                .with_retry_after(next - now));
            }
        }
        Ok(())
    }

    /// Notes that the credential goes out.
    pub(super) fn sent(&mut self, now: Instant) {
        if self.credential == Credential::Password {
            if self.sends.len() == SENDS {
                self.sends.pop_front();
            }
            self.sends.push_back(now);
        }
    }

    /// Takes the last send back: it never left this machine.
    pub(super) fn unsent(&mut self) {
        self.sends.pop_back();
    }

    pub(super) fn worked(&mut self) {
        *self = Self::new(self.credential, true);
    }

    /// Notes that a refresh succeeded: the server takes the client and its requests.
    pub(super) fn reached(&mut self) {
        self.pause = Duration::ZERO;
        self.verdict = Verdict::Open;
    }

    /// Notes a failure of the credential; says whether it is a refusal that is remembered here. `credential` is what the
    /// grant has left by now.
    pub(super) fn failed(&mut self, now: Instant, error: &Error, credential: Credential) -> bool {
        let refused = error.kind() == ErrorKind::Refused;
        let probed = error.kind() == ErrorKind::Misconfigured || (refused && self.credential == Credential::Client);
        if probed {
            self.pause = (self.pause * 2).clamp(FIRST_PROBE, LONGEST_PROBE);
            self.verdict = Verdict::NotBefore { at: now + self.pause, error: error.clone() };
        } else if refused {
            // Once, whatever came between the first refusal and this one.
            let confirms = self.worked && !self.refused && credential != Credential::RefreshToken;
            self.refused = true;
            self.verdict = if confirms {
                Verdict::NotBefore { at: now + CONFIRM_AFTER, error: error.clone() }
            } else {
                Verdict::Final { error: error.clone() }
            };
        }
        probed || refused
    }

    /// Whether the user is to be asked.
    pub(super) fn is_refused(&self) -> bool {
        match &self.verdict {
            Verdict::Final { .. } => true,
            Verdict::NotBefore { error, .. } => {
                self.credential == Credential::Client
                    && (error.kind() == ErrorKind::Refused || error.oauth_code() == Some("invalid_client"))
            }
            Verdict::Open => false,
        }
    }
}

#[cfg(test)]
mod tests;
