//! Everything that this crate says to `tracing`, in one place; [`manual::events`](crate::manual::events) is the list for users.
//!
//! No field ever holds a secret (invariant 9), and none of these functions is called under a lock: a subscriber may call
//! back into the session.

use std::{fmt, time::Duration};

use http::{StatusCode, uri::Authority};
use tracing::{debug, info, warn};

use crate::{
    Error, Origin,
    identity::{Generation, SessionId},
};

pub(crate) const TARGET: &str = "tower_reauth";

pub(crate) fn renewal_started() {
    debug!(target: TARGET, "renewal started");
}

pub(crate) fn token_acquired(generation: Generation, lifetime: Option<Duration>) {
    let lifetime_s = lifetime.map_or(0, |lifetime| lifetime.as_secs());
    info!(target: TARGET, generation = generation.number(), lifetime_s, "token acquired");
}

pub(crate) fn renewal_failed(error: &Error) {
    warn!(target: TARGET, kind = ?error.kind(), status = code_of(error), %error, "renewal failed");
}

pub(crate) fn requests_paused(endpoint: Option<&Authority>, status: StatusCode, retry_after: Option<Duration>) {
    let endpoint = endpoint.map_or("", Authority::as_str);
    let retry_after_s = retry_after.map_or(0, |wait| wait.as_secs());
    debug!(target: TARGET, endpoint, status = status.as_u16(), retry_after_s, "token requests paused");
}

pub(crate) fn refresh_token_refused(error: &Error) {
    info!(target: TARGET, status = code_of(error), code = error.oauth_code(), "refresh token refused");
}

pub(crate) fn credentials_refused(error: &Error) {
    warn!(
        target: TARGET, kind = ?error.kind(), status = code_of(error), code = error.oauth_code(), "credentials refused"
    );
}

pub(crate) fn rejected(session: SessionId, generation: Generation, status: StatusCode, origin: &Origin) {
    info!(
        target: TARGET, session = session.0, generation = generation.number(), status = status.as_u16(), %origin,
        "token rejected"
    );
}

pub(crate) fn replayed(session: SessionId, generation: Generation, attempt: u32) {
    debug!(target: TARGET, session = session.0, generation = generation.number(), attempt, "request replayed");
}

pub(crate) fn passed_on(session: SessionId, error: &Error) {
    info!(target: TARGET, session = session.0, kind = ?error.kind(), %error, "rejection passed on");
}

pub(crate) fn withheld(reason: &'static str) {
    debug!(target: TARGET, reason, "token withheld");
}

pub(crate) fn damped(session: SessionId, error: &Error) {
    warn!(target: TARGET, session = session.0, %error, "renewals damped");
}

pub(crate) fn origin_cools_down(session: SessionId, origin: &Origin, pause: Duration) {
    warn!(target: TARGET, session = session.0, %origin, seconds = pause.as_secs(), "origin cools down");
}

pub(crate) fn stronger_login_asked() {
    info!(target: TARGET, "stronger login asked for");
}

pub(crate) fn logged_in(session: SessionId, credential: impl fmt::Debug) {
    info!(target: TARGET, session = session.0, ?credential, "logged in");
}

pub(crate) fn logged_out(session: SessionId) {
    info!(target: TARGET, session = session.0, "logged out");
}

pub(crate) fn revoked(session: SessionId, result: &Result<(), Error>) {
    match result {
        Ok(()) => info!(target: TARGET, session = session.0, "tokens revoked"),
        Err(error) => warn!(target: TARGET, session = session.0, %error, "revocation failed"),
    }
}

pub(crate) fn evicted(session: SessionId, cause: impl fmt::Debug) {
    debug!(target: TARGET, session = session.0, ?cause, "session evicted");
}

fn code_of(error: &Error) -> Option<u16> {
    error.status().map(|status| status.as_u16())
}
