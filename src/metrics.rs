//! Everything that this crate counts, in one place; [`manual::metrics`](crate::manual::metrics) is the list for users.
//!
//! Without the feature `metrics` these functions are empty. No label ever holds an origin, a session or a user (invariant
//! 9, and a bounded number of series), and nothing is counted under a lock: a recorder is the user's code.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables, dead_code, reason = "nobody counts"))]

#[cfg(feature = "metrics")]
use std::sync::OnceLock;

#[cfg(feature = "metrics")]
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::Instant;

use crate::{
    error::{Error, ErrorKind},
    identity::Generation,
};

const REQUESTS: &str = "tower_reauth_requests_total";
const REJECTIONS: &str = "tower_reauth_rejections_total";
const RENEWALS: &str = "tower_reauth_renewals_total";
const RENEWAL_DURATION: &str = "tower_reauth_renewal_duration_seconds";
const WAITERS: &str = "tower_reauth_waiters";
const DAMPED: &str = "tower_reauth_damped_total";
const REFUSED: &str = "tower_reauth_refused_total";

/// The counter of calls whose first answer was good, looked up once: a look-up for each call would cost more than all else
/// that the layer does. It is found at the first call, so that a recorder may be installed after the layer was built.
#[derive(Clone, Default)]
pub(crate) struct Passed {
    #[cfg(feature = "metrics")]
    counter: OnceLock<Counter>,
}

/// One renewal, counted when it ends, however that is.
pub(crate) struct Renewal {
    reason: &'static str,
    outcome: &'static str,
    started: Instant,
}

/// One caller who waits for a renewal, counted from the first poll until it is dropped.
#[derive(Default)]
pub(crate) struct Waiter {
    #[cfg(feature = "metrics")]
    waits: bool,
}

/// Tells the recorder what is what. Often called, as there is no better time than when a layer is made.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        describe_counter!(REQUESTS, "Calls that have ended");
        describe_counter!(REJECTIONS, "Answers that said that the token is not good");
        describe_counter!(RENEWALS, "Renewals that have ended");
        describe_histogram!(RENEWAL_DURATION, Unit::Seconds, "How long renewals took");
        describe_gauge!(WAITERS, "Callers that wait for a renewal now");
        describe_counter!(DAMPED, "Callers that got no renewal because tokens die too fast");
        describe_counter!(REFUSED, "Credentials that the authorization server would not have");
    }
}

/// Counts a call that was sent without a token and got a response.
pub(crate) fn bare() {
    #[cfg(feature = "metrics")]
    counter!(REQUESTS, "outcome" => "bare").increment(1);
}

/// Counts a call that took more than one good send, if it got a response; [`failed`] counts the others.
pub(crate) fn recovered(was_rejected: bool, healed: bool) {
    #[cfg(feature = "metrics")]
    match (was_rejected, healed) {
        (_, false) => counter!(REQUESTS, "outcome" => "rejected"),
        (true, true) => counter!(REQUESTS, "outcome" => "healed"),
        (false, true) => counter!(REQUESTS, "outcome" => "passed"),
    }
    .increment(1);
}

/// Counts a call that got an error.
pub(crate) fn failed(error: &Error) {
    #[cfg(feature = "metrics")]
    match error.kind() {
        ErrorKind::Service => counter!(REQUESTS, "outcome" => "failed"),
        // Invariant 8: an error of our own says that nothing was sent.
        _ => counter!(REQUESTS, "outcome" => "unsent"),
    }
    .increment(1);
}

/// Counts a rejection, of a token that is still the session's or of one that is not.
pub(crate) fn rejected(current: bool) {
    #[cfg(feature = "metrics")]
    counter!(REJECTIONS, "token" => if current { "current" } else { "outdated" }).increment(1);
}

pub(crate) fn damped() {
    #[cfg(feature = "metrics")]
    counter!(DAMPED).increment(1);
}

pub(crate) fn refresh_token_refused() {
    #[cfg(feature = "metrics")]
    counter!(REFUSED, "what" => "refresh token").increment(1);
}

pub(crate) fn credentials_refused() {
    #[cfg(feature = "metrics")]
    counter!(REFUSED, "what" => "credentials").increment(1);
}

impl Passed {
    #[inline]
    pub(crate) fn count(&self) {
        #[cfg(feature = "metrics")]
        self.counter.get_or_init(|| counter!(REQUESTS, "outcome" => "passed")).increment(1);
    }
}

impl Renewal {
    pub(crate) fn started(reason: &'static str) -> Self {
        Self { reason, outcome: "lost", started: Instant::now() }
    }

    /// The answer is in the session; `found`: another process had brought it.
    pub(crate) fn landed(mut self, landing: &Result<Generation, Error>, found: bool) {
        self.outcome = match landing.as_ref().map_err(Error::kind) {
            Ok(_) if found => "adopted",
            Ok(_) => "renewed",
            Err(ErrorKind::Refused | ErrorKind::Misconfigured) => "refused",
            Err(ErrorKind::LoggedOut) => "discarded",
            Err(_) => "failed",
        };
    }
}

impl Waiter {
    pub(crate) fn waits(&mut self) {
        #[cfg(feature = "metrics")]
        if !std::mem::replace(&mut self.waits, true) {
            gauge!(WAITERS).increment(1);
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for Renewal {
    fn drop(&mut self) {
        let Self { reason, outcome, started } = *self;
        counter!(RENEWALS, "reason" => reason, "outcome" => outcome).increment(1);
        histogram!(RENEWAL_DURATION, "outcome" => outcome).record(started.elapsed());
    }
}

#[cfg(feature = "metrics")]
impl Drop for Waiter {
    fn drop(&mut self) {
        if self.waits {
            gauge!(WAITERS).decrement(1);
        }
    }
}
