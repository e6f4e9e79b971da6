//! Everything that this crate says to `tracing`, in one place; [`manual::events`](crate::manual::events) is the list for users.
//!
//! 1. No field ever holds a secret (invariant 9), and none of these functions is called under a lock: a subscriber may call
//!    back into the session.
//! 2. From INFO on, an event names its session by itself, since the spans around it may be switched off, and says why.
//! 3. From INFO on, there is one line for a crowd. What each caller meets is told at DEBUG.

use std::{fmt, time::Duration};

use http::{StatusCode, uri::Authority};
use tracing::{Span, debug, debug_span, field::display, info, warn};

use crate::{
    credential::Credential,
    error::{Error, ErrorKind},
    identity::{Generation, SessionName},
    origin::{Origin, Origins},
};

const TARGET: &str = "tower_reauth";

/// The span of a renewal. It is no child of the call's that started it: it may outlive that one, and is everybody's.
pub(crate) fn renewal(name: SessionName, reason: &'static str, credential: Credential) -> Span {
    let (session, key) = (name.id.0, name.key.map(display));
    let span = debug_span!(target: TARGET, parent: None, "renewal", session, key, reason, ?credential);
    span.follows_from(Span::current());
    span
}

pub(crate) fn renewal_started(name: SessionName, reason: &'static str) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, reason, "renewal started");
}

pub(crate) fn token_acquired(
    name: SessionName,
    reason: &'static str,
    generation: Generation,
    lifetime: Option<Duration>,
) {
    let (session, key) = (name.id.0, name.key.map(display));
    let lifetime_s = lifetime.map_or(0, |lifetime| lifetime.as_secs());
    info!(target: TARGET, session, key, reason, generation = generation.number(), lifetime_s, "token acquired");
}

pub(crate) fn token_adopted(name: SessionName, generation: Generation) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, generation = generation.number(), "token adopted");
}

/// `first`: the store worked until now.
pub(crate) fn store_failed(name: SessionName, error: &Error, first: bool) {
    let (session, key) = (name.id.0, name.key.map(display));
    if first {
        warn!(target: TARGET, session, key, %error, "token store failed");
    } else {
        debug!(target: TARGET, session, key, %error, "token store failed");
    }
}

pub(crate) fn store_works_again(name: SessionName) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, "token store works");
}

pub(crate) fn lease_passed_over(name: SessionName) {
    let (session, key) = (name.id.0, name.key.map(display));
    let reason = "whoever holds it sends nothing";
    warn!(target: TARGET, session, key, reason, "lease passed over");
}

/// Another process asked for it.
pub(crate) fn renewal_wanted(name: SessionName) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, "renewal wanted elsewhere");
}

/// `first`: nobody was asked in vain before for the same tokens.
pub(crate) fn nobody_renewed(name: SessionName, first: bool) {
    let (session, key) = (name.id.0, name.key.map(display));
    let reason = "the refresh token is dead, and no process that holds another credential answered";
    if first {
        warn!(target: TARGET, session, key, reason, "nobody renewed");
    } else {
        debug!(target: TARGET, session, key, reason, "nobody renewed");
    }
}

pub(crate) fn logged_out_elsewhere(name: SessionName) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, "logged out elsewhere");
}

pub(crate) fn renewal_failed(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (kind, status) = (error.kind(), code_of(error));
    if kind == ErrorKind::LoggedOut {
        // Somebody's wish: its own event told it.
        debug!(target: TARGET, session, key, ?kind, status, %error, "renewal failed");
    } else {
        warn!(target: TARGET, session, key, ?kind, status, %error, "renewal failed");
    }
}

pub(crate) fn requests_paused(endpoint: Option<&Authority>, status: StatusCode, retry_after: Option<Duration>) {
    let endpoint = endpoint.map_or("", Authority::as_str);
    let retry_after_s = retry_after.map_or(0, |wait| wait.as_secs());
    debug!(target: TARGET, endpoint, status = status.as_u16(), retry_after_s, "token requests paused");
}

/// The server refused an assertion, and its clock is this many seconds ahead of ours.
pub(crate) fn clock_differs(endpoint: Option<&Authority>, ahead_s: i64) {
    let endpoint = endpoint.map_or("", Authority::as_str);
    warn!(target: TARGET, endpoint, ahead_s, "server clock differs");
}

/// The API refused a proof, and its clock is this many seconds ahead of ours.
pub(crate) fn api_clock_differs(name: SessionName, origin: &Origin, ahead_s: i64) {
    let (session, key) = (name.id.0, name.key.map(display));
    warn!(target: TARGET, session, key, %origin, ahead_s, "API clock differs");
}

/// At DEBUG: the request is sent again with it.
pub(crate) fn nonce_asked(name: SessionName, origin: &Origin) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, %origin, "DPoP nonce asked for");
}

/// At DEBUG: the caller gets that response.
pub(crate) fn proof_wanted(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, %error, "token bound to a key asked for");
}

pub(crate) fn metadata_read(issuer: &str, endpoint: Option<&Authority>) {
    let endpoint = endpoint.map_or("", Authority::as_str);
    debug!(target: TARGET, issuer, endpoint, "metadata read");
}

/// `first`: nothing like it was said since the metadata was read.
pub(crate) fn metadata_not_renewed(issuer: &str, error: &Error, first: bool) {
    if first {
        warn!(target: TARGET, issuer, %error, "metadata not renewed");
    } else {
        debug!(target: TARGET, issuer, %error, "metadata not renewed");
    }
}

pub(crate) fn refresh_token_refused(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (status, code) = (code_of(error), error.oauth_code());
    info!(target: TARGET, session, key, status, code, %error, "refresh token refused");
}

pub(crate) fn refresh_token_passed_over(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (status, code) = (code_of(error), error.oauth_code());
    info!(target: TARGET, session, key, status, code, %error, "refresh token passed over");
}

pub(crate) fn credentials_refused(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (kind, status, code) = (error.kind(), code_of(error), error.oauth_code());
    warn!(target: TARGET, session, key, ?kind, status, code, %error, "credentials refused");
}

pub(crate) fn rejected(name: SessionName, generation: Generation, status: StatusCode, origin: &Origin) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (generation, status) = (generation.number(), status.as_u16());
    debug!(target: TARGET, session, key, generation, status, %origin, "token rejected");
}

pub(crate) fn replayed(name: SessionName, generation: Generation, attempt: u32) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, generation = generation.number(), attempt, "request replayed");
}

pub(crate) fn passed_on(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, kind = ?error.kind(), %error, "rejection passed on");
}

pub(crate) fn sent_bare(reason: &'static str) {
    debug!(target: TARGET, reason, "request sent bare");
}

/// A request that goes bare because of where it goes. `session` is that of a layer that has only one.
pub(crate) fn sent_elsewhere(
    first: bool,
    session: Option<SessionName>,
    origin: &str,
    listed: &Origins,
    reason: &'static str,
) {
    let (session, key) = (session.map(|name| name.id.0), session.and_then(|name| name.key).map(display));
    if first {
        warn!(target: TARGET, session, key, origin, %listed, reason, "request sent bare");
    } else {
        debug!(target: TARGET, session, key, origin, %listed, reason, "request sent bare");
    }
}

/// `first`: nobody was told so of this token.
pub(crate) fn damped(name: SessionName, error: &Error, first: bool) {
    let (session, key) = (name.id.0, name.key.map(display));
    if first {
        warn!(target: TARGET, session, key, %error, "renewals damped");
    } else {
        debug!(target: TARGET, session, key, %error, "renewals damped");
    }
}

pub(crate) fn origin_cools_down(name: SessionName, origin: &Origin, pause: Duration) {
    let (session, key) = (name.id.0, name.key.map(display));
    let reason = "it rejects tokens that were just issued";
    warn!(target: TARGET, session, key, %origin, seconds = pause.as_secs(), reason, "origin cools down");
}

/// At DEBUG: the caller gets that response.
pub(crate) fn stronger_login_asked(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    let (acr_values, max_age_s) = (error.acr_values(), error.max_age().map(|age| age.as_secs()));
    debug!(target: TARGET, session, key, acr_values, max_age_s, "stronger login asked for");
}

/// At DEBUG, for the same reason.
pub(crate) fn wider_scope_asked(name: SessionName, error: &Error) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, scope = error.scope(), "wider scope asked for");
}

pub(crate) fn logged_in(name: SessionName, credential: impl fmt::Debug) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, ?credential, "logged in");
}

pub(crate) fn logged_out(name: SessionName) {
    let (session, key) = (name.id.0, name.key.map(display));
    info!(target: TARGET, session, key, "logged out");
}

pub(crate) fn revoked(name: SessionName, result: &Result<(), Error>) {
    let (session, key) = (name.id.0, name.key.map(display));
    match result {
        Ok(()) => info!(target: TARGET, session, key, "tokens revoked"),
        Err(error) => warn!(target: TARGET, session, key, %error, "revocation failed"),
    }
}

pub(crate) fn evicted(name: SessionName, cause: impl fmt::Debug) {
    let (session, key) = (name.id.0, name.key.map(display));
    debug!(target: TARGET, session, key, ?cause, "session evicted");
}

fn code_of(error: &Error) -> Option<u16> {
    error.status().map(|status| status.as_u16())
}

#[cfg(test)]
mod tests {
    #[test]
    fn manual_lists_every_event() {
        let this = include_str!("events.rs");
        let (list, meanings) = include_str!("manual/events.rs").split_once("//! # What a warning asks for").unwrap();
        let rows: Vec<_> = meanings.lines().filter(|line| line.starts_with("//! | `")).collect();
        let said = this.lines().filter(|line| line.contains("!(target: TARGET") && !line.contains("span!"));
        let messages: Vec<_> = said.filter_map(|line| line.rsplit('"').nth(1)).collect();
        assert!(messages.len() > 15, "{messages:?}");
        for message in messages {
            assert!(list.contains(&format!("//! | `{message}` | ")), "{message}");
            assert!(rows.iter().any(|row| row.contains(&format!("`{message}`"))), "{message}: what it means");
        }
    }
}
