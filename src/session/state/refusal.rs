//! What is remembered of the credential of a session's own grant, so that nobody is locked out (invariant 5).
//!
//! 1. What follows from an answer is said in [`consequence`](super::consequence); this file counts and keeps time.
//! 2. A password that never worked is sent at most 3 times in 15 min, and at most 5 times in all; 10 s, 2 min, 20 min and 2 h
//!    apart while no answer tells. Then it is refused for good.
//! 3. One that had worked is sent at most 10 times in 15 min; 5 s apart, doubling to 5 min, and after ten of those an hour.
//! 4. Between two passwords lies a second or more.
//! 5. Something of the user's own is sent at most 10 times in 15 min.
//! 6. All of this is about the time since the last success. What never left this machine is no send.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::consequence::{AfterGrant, after_grant};
use crate::{
    credential::Credential,
    error::{Error, ErrorKind, TokenVerdict},
    store::{REMEMBERED, Refused, Trials, Unsure, elsewhere, milliseconds},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Where the user did not say otherwise.
const CONFIRM_AFTER: [Duration; 2] = [MINUTE, Duration::from_secs(5 * 60)];
const THROTTLED: Duration = Duration::from_secs(5 * 60);
const FIRST_PROBE: Duration = MINUTE;
const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);
/// What the ceilings are counted in.
const WINDOW: Duration = Duration::from_secs(15 * 60);
const SENDS_IN_WINDOW: usize = 10;
const UNTRIED_IN_WINDOW: usize = 3;
const UNTRIED_IN_ALL: u32 = 5;
const UNTRIED_PAGES: u32 = 2;

/// The memory of one login's own grant.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    credential: Credential,
    worked: bool,
    // All that follow are about the time since the last success.
    sends: VecDeque<Instant>,
    sent: u32,
    broken: u32,
    pages: u32,
    confirmed: usize,
    probe: Duration,
    refused_at: Option<Instant>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Open,
    NotBefore { at: Instant, error: Error, why: Why },
    Final { error: Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Pause,
    /// The server would not have the credential; it is sent again to make sure.
    Unsure,
    /// The server will not have the credential at present.
    Refused,
}

impl Refusals {
    /// Nothing to remember; `worked` says whether the credential worked in this login.
    pub(crate) const fn new(credential: Credential, worked: bool) -> Self {
        Self {
            credential,
            worked,
            sends: VecDeque::new(),
            sent: 0,
            broken: 0,
            pages: 0,
            confirmed: 0,
            probe: Duration::ZERO,
            refused_at: None,
            state: State::Open,
        }
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_over(&self) -> bool {
        self.sent == 0 && self.confirmed == 0 && self.probe.is_zero() && matches!(self.state, State::Open)
    }

    /// Whether the credential may be sent now; if not, the error to hand out.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Error> {
        match &self.state {
            State::Final { error } => return Err(error.clone()),
            State::NotBefore { at, error, .. } if *at > now => return Err(error.clone().with_retry_after(*at - now)),
            _ => {}
        }
        let most = match self.credential {
            Credential::Password if !self.worked => UNTRIED_IN_WINDOW,
            Credential::Password | Credential::Custom => SENDS_IN_WINDOW,
            Credential::Client | Credential::RefreshToken | Credential::Subject => return Ok(()),
        };
        let first = self.sends.len().checked_sub(most).map(|index| self.sends[index] + WINDOW);
        // A flight that died said nothing of what it had sent.
        let last = self.sends.back().filter(|_| self.credential == Credential::Password).map(|last| *last + SECOND);
        match first.max(last) {
            Some(next) if next > now => {
                let why = if first > last {
                    format!(
                        "the credentials were sent {most} times in 15 minutes without success: they are held back, so that the account is not locked"
                    )
                } else {
                    "the password was sent a moment ago".to_owned()
                };
                Err(Error::new(ErrorKind::Unavailable, why).not_sent().with_retry_after(next - now))
            }
            _ => Ok(()),
        }
    }

    /// Notes that the credential goes out. Before it does: the answer may never come.
    pub(crate) fn sent(&mut self, now: Instant) {
        if matches!(self.credential, Credential::Password | Credential::Custom) {
            // One more than counts, for the last one may be taken back.
            if self.sends.len() > SENDS_IN_WINDOW {
                self.sends.pop_front();
            }
            self.sends.push_back(now);
            self.sent = self.sent.saturating_add(1);
        }
    }

    /// The last send does not count: nothing was sent, or nothing was said about the credential.
    pub(crate) fn take_back(&mut self) {
        if self.sends.pop_back().is_some() {
            self.sent = self.sent.saturating_sub(1);
        }
    }

    pub(crate) fn worked(&mut self) {
        *self = Self::new(self.credential, true);
    }

    /// What other processes are to know.
    pub(crate) fn trials(&self, now: Instant, wall: SystemTime) -> Trials {
        let at = |at: Instant| wall.checked_sub(now.saturating_duration_since(at)).unwrap_or(wall);
        let sends =
            self.sends.iter().filter(|sent| **sent + REMEMBERED > now).map(|sent| milliseconds(at(*sent))).collect();
        let mut trials = Trials { worked: self.worked, sends, ..Trials::default() };
        let (refused_at, times) = (self.refused_at.unwrap_or(now), self.confirmed.try_into().unwrap_or(u32::MAX));
        match &self.state {
            // What others find is that the refresh token is gone. Whatever else they have is none of its business.
            _ if self.credential == Credential::RefreshToken => {}
            State::Final { error } | State::NotBefore { error, why: Why::Refused, .. } => {
                let code = error.oauth_code().map(Into::into);
                trials.refused = Some(Refused { at: milliseconds(at(refused_at)), code });
            }
            State::NotBefore { at: again, error, why: Why::Unsure } => {
                let pause = again.saturating_duration_since(refused_at);
                trials.unsure = Some(Box::new(Unsure::new(at(refused_at), pause, times, error)));
            }
            _ => {}
        }
        trials
    }

    /// Takes over what other processes have learned: their sends count, and a refusal holds the credential back here, too.
    pub(crate) fn absorb(&mut self, trials: &Trials, now: Instant, wall: SystemTime) {
        self.worked |= trials.worked;
        let at = |time: SystemTime| now.checked_sub(wall.duration_since(time).unwrap_or_default());
        let is_counted = matches!(self.credential, Credential::Password | Credential::Custom);
        // Ours stand there, too, but for those that could not be saved.
        let own = self.sends.iter().filter(|sent| **sent + WINDOW > now).count();
        if is_counted && !trials.sends.is_empty() && trials.sends.len() >= own {
            self.sends = trials.sends.iter().filter_map(|sent| at(*sent)).collect();
            self.sent = self.sent.max(self.sends.len().try_into().unwrap_or(u32::MAX));
        }
        if let Some(unsure) = &trials.unsure {
            self.absorb_unsure(unsure, now, wall);
        }
        let is_held_back = match &self.state {
            // Somebody has made sure.
            State::Open | State::NotBefore { why: Why::Unsure, .. } => false,
            State::NotBefore { at, .. } => *at > now,
            State::Final { .. } => true,
        };
        let Some(refused) = trials.refused.as_ref().filter(|_| !is_held_back) else { return };
        let since = wall.duration_since(refused.at).unwrap_or_default();
        // Ours comes back from there, too.
        let is_own = |own: Instant| now.saturating_duration_since(own).abs_diff(since) < SECOND;
        if self.refused_at.is_some_and(is_own) {
            return;
        }
        if let Some(left) = REMEMBERED.checked_sub(since).filter(|left| !left.is_zero()) {
            let error = elsewhere(refused.code.as_deref(), "they are not sent again now");
            self.refused_at = now.checked_sub(since);
            self.state = State::NotBefore { at: now + left, error, why: Why::Refused };
        }
    }

    /// A refusal that another process heard counts as one of ours: whoever comes first makes sure, for all of them.
    fn absorb_unsure(&mut self, unsure: &Unsure, now: Instant, wall: SystemTime) {
        let (since, times) = (unsure.since(wall), unsure.times.try_into().unwrap_or(usize::MAX));
        let is_later = |own: Instant| since + SECOND < now.saturating_duration_since(own);
        let is_news = times > self.confirmed || (times == self.confirmed && self.refused_at.is_some_and(is_later));
        if self.credential == Credential::RefreshToken || self.is_final() || !is_news {
            return;
        }
        if let Some(left) = unsure.left(wall) {
            (self.confirmed, self.refused_at) = (times, now.checked_sub(since));
            self.state = State::NotBefore { at: now + left, error: unsure.error(), why: Why::Unsure };
        }
    }

    /// Notes that a refresh succeeded: the server takes the client and its requests.
    pub(crate) fn reached(&mut self) {
        if !self.probe.is_zero() {
            self.probe = Duration::ZERO;
            self.state = State::Open;
        }
    }

    /// Notes what came of the credential; says whether the server would not have it. `credential` is what the grant has left
    /// by now, `confirmations` what the user said about the pauses before it is sent to make sure.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        error: &Error,
        verdict: TokenVerdict,
        credential: Credential,
        confirmations: Option<&[Duration]>,
    ) -> bool {
        self.refused_at = Some(now);
        let (mut refused, mut at) = (false, now);
        match after_grant(verdict, credential, self.worked) {
            AfterGrant::BackOff => {}
            AfterGrant::NotSent => self.take_back(),
            AfterGrant::Broken { page } => {
                self.broken = self.broken.saturating_add(1);
                self.pages = self.pages.saturating_add(u32::from(page));
                at = self.sends.back().map_or(now, |sent| *sent + self.spacing());
            }
            AfterGrant::Throttled => at = now + THROTTLED,
            AfterGrant::Probe => {
                refused = true;
                self.probe = (self.probe * 2).clamp(FIRST_PROBE, LONGEST_PROBE);
                at = now + self.probe;
            }
            AfterGrant::Confirm { coded } => {
                refused = true;
                let unsaid = if coded { &CONFIRM_AFTER[..1] } else { &CONFIRM_AFTER };
                match confirmations.unwrap_or(unsaid).get(self.confirmed) {
                    Some(pause) => at = now + *pause,
                    None => return self.end(error.clone()),
                }
                self.confirmed += 1;
            }
            AfterGrant::Final => return self.end(error.clone()),
        }
        if self.credential == Credential::Password {
            if !self.worked && (self.sent >= UNTRIED_IN_ALL || self.pages >= UNTRIED_PAGES) {
                let why = "the password was sent several times, and no answer says whether it is right: it is not sent again, so that the account is not locked";
                return self.end(Error::new(ErrorKind::Refused, why).with_source(error.clone()));
            }
            at = at.max(now + SECOND);
        }
        if at > now {
            let why = match self.confirmed {
                _ if refused && self.is_secret_of_client(verdict) => Why::Refused,
                0 => Why::Pause,
                _ => Why::Unsure,
            };
            self.state = State::NotBefore { at, error: error.clone(), why };
        }
        refused
    }

    /// Refuses the credential for good.
    pub(crate) fn end(&mut self, error: Error) -> bool {
        self.state = State::Final { error: error.into_final() };
        true
    }

    /// Whether the credential is refused for good.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.state, State::Final { .. })
    }

    /// Whether the user is to be asked.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.state, State::Final { .. } | State::NotBefore { why: Why::Refused, .. })
    }

    /// Whether it is the client's own secret that the server will not have: nobody but its owner can put that right, and it is
    /// never refused for good.
    fn is_secret_of_client(&self, verdict: TokenVerdict) -> bool {
        self.credential == Credential::Client && matches!(verdict, TokenVerdict::Client | TokenVerdict::Refused(_))
    }

    /// Between two sends of a password that nothing is known of.
    fn spacing(&self) -> Duration {
        let seconds = match (self.worked, self.broken) {
            (false, ..=1) => 10,
            (false, 2) => 2 * 60,
            (false, 3) => 20 * 60,
            (false, _) => 2 * 60 * 60,
            (true, ..=6) => 5 << (self.broken.max(1) - 1),
            (true, ..=16) => 5 * 60,
            (true, _) => 60 * 60,
        };
        Duration::from_secs(seconds)
    }
}

#[cfg(test)]
mod tests;
