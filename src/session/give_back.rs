//! Tokens are ended at the server: by RFC 7009, or in the grant's own way.

use std::{panic::AssertUnwindSafe, sync::Weak, time::Duration};

use futures_util::future::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout};

use super::{inner::Inner, waiting::Waiting};
use crate::{
    context::GrantContext,
    endpoint::{TokenEndpoint, TokenKind},
    error::{Error, ErrorKind, TokenVerdict},
    events,
    grant::{Revocable, Revoke, Revoker},
    identity::SessionName,
    store::Record,
    token::TokenSet,
};

/// How often a grant's own logout is called for one token.
const CALLS: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is to be revoked of one login.
pub(super) struct Tokens {
    own: Revocable,
    /// Those of derived sessions.
    derived: Vec<Revocable>,
}

impl Tokens {
    pub(super) fn new(own: Revocable) -> Self {
        Self { own, derived: Vec::new() }
    }

    /// What one answer brought.
    pub(super) fn of(tokens: &TokenSet) -> Self {
        let (access_token, (refresh_token, details)) = (tokens.access_token().clone(), tokens.clone().into_parts());
        Self::new(Revocable::new(Some(access_token), refresh_token, details))
    }

    pub(super) fn of_record(record: &Record) -> Self {
        let (access_token, refresh_token) = (record.access_token().cloned(), record.refresh_token().cloned());
        let mut tokens = Self::new(Revocable::new(access_token, refresh_token, record.details.clone()));
        tokens.also(record.access_tokens().map(|token| Revocable::new(Some(token.clone()), None, Default::default())));
        tokens
    }

    /// With what a record holds: another process may have renewed them.
    pub(super) fn renewed(self, record: &Record) -> Self {
        let Self { own: newer, derived } = Self::of_record(record);
        let refresh_token = newer.refresh_token().or(self.own.refresh_token()).cloned();
        let own = if newer.access_token().is_some() { newer } else { self.own };
        let mut tokens = Self { own: own.with_refresh_token(refresh_token), derived: Vec::new() };
        tokens.also(self.derived);
        tokens.also(derived);
        tokens
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.derived.is_empty()
    }

    /// These access tokens as well, each once.
    pub(super) fn also(&mut self, tokens: impl IntoIterator<Item = Revocable>) {
        for token in tokens {
            let is_same = |known: &Revocable| {
                let (known, token) = (known.access_token(), token.access_token());
                known.map(SecretString::expose_secret) == token.map(SecretString::expose_secret)
            };
            if !is_same(&self.own) && !self.derived.iter().any(is_same) {
                self.derived.push(token);
            }
        }
    }

    fn each(self) -> impl Iterator<Item = Revocable> {
        std::iter::once(self.own).filter(|own| !own.is_empty()).chain(self.derived)
    }
}

/// Revokes what a flight brought in after its login was logged out, unless the login that followed holds the same token.
/// A session that has gone has no login any more.
pub(super) async fn revoke_late(session: &Weak<Inner>, name: SessionName, revoker: &Revoker, tokens: &TokenSet) {
    if !revoker.revokes() {
        return;
    }
    // The login that followed may be about to get the very same token.
    let next = session.upgrade().and_then(|session| {
        let limit = session.settings.flight_limit;
        session.read(|state| state.login.as_ref()?.flight().map(|flight| Waiting::new(flight, &session, limit)))
    });
    if let Some(landing) = next {
        let _ = landing.await;
    }
    let is_held_again = session.upgrade().is_some_and(|session| {
        session.read(|state| {
            let Some(login) = &state.login else { return false };
            let is_granted = login.granted().iter().any(|granted| granted.tokens.same_access_token(tokens));
            is_granted || login.held.as_ref().is_some_and(|held| tokens.is_carried_by(&held.header))
        })
    });
    if !is_held_again {
        let _ = revoke_all(name, revoker, Tokens::of(tokens)).await;
    }
}

/// Revokes what there is, and tells of it.
pub(super) async fn revoke_all(session: SessionName, revoker: &Revoker, tokens: Tokens) -> Result<(), Error> {
    if tokens.is_empty() {
        return Ok(());
    }
    let result = match revoker {
        Revoker::Endpoint(endpoint) => at_endpoint(endpoint, tokens).await,
        Revoker::Own(revoke, limit) => in_own_way(session, revoke, *limit, tokens).await,
    };
    // Discovered metadata may have no address for it: then nothing was revoked, and nothing failed.
    if revoker.revokes() || result.is_err() {
        events::revoked(session, &result);
    }
    result
}

/// All are attempted; the first failure that counts is reported.
async fn at_endpoint(endpoint: &TokenEndpoint, tokens: Tokens) -> Result<(), Error> {
    let tokens: Vec<_> = tokens.each().collect();
    let refresh = tokens.iter().filter_map(|token| Some((token.refresh_token()?, TokenKind::Refresh)));
    let access = tokens.iter().filter_map(|token| Some((token.access_token()?, TokenKind::Access)));
    let tokens: Vec<_> = refresh.chain(access).collect();
    let held: Vec<_> = tokens.iter().map(|(token, _)| (*token).clone()).collect();
    let context = GrantContext::default().holding(move || held.clone());
    let mut results = Vec::with_capacity(tokens.len());
    for (token, kind) in tokens {
        results.push((kind, endpoint.revoke(token, kind, &context).await));
    }
    let any = results.iter().any(|(_, result)| result.is_ok());
    let refresh = results.iter().any(|(kind, result)| *kind == TokenKind::Refresh && result.is_ok());
    let counts = |kind, error: &Error| match error.known_verdict() {
        // RFC 7009 §2.1: with the refresh token its access tokens may have gone, and the server knows this one no more.
        Some(TokenVerdict::Refused(_)) if kind == TokenKind::Access && refresh => false,
        // §2.2.1: that kind of token can't be revoked here, and the other one was.
        _ => !(any && error.oauth_code() == Some("unsupported_token_type")),
    };
    let failure = |(kind, result): (TokenKind, Result<(), Error>)| result.err().filter(|error| counts(kind, error));
    results.into_iter().find_map(failure).map_or(Ok(()), Err)
}

/// All are attempted; the first failure is reported.
async fn in_own_way(session: SessionName, revoke: &Revoke, limit: Duration, tokens: Tokens) -> Result<(), Error> {
    let mut all = Ok(());
    for token in tokens.each() {
        // One that panics takes no other along.
        let calls = AssertUnwindSafe(call(session, revoke, token)).catch_unwind();
        let result = match timeout(limit, calls).await {
            Ok(Ok(result)) => result.map_err(not_revoked),
            Ok(Err(_)) => Err(Error::new(ErrorKind::NotRevoked, "the grant's own logout panicked")),
            Err(_) => Err(Error::new(ErrorKind::NotRevoked, "the grant's own logout did not end within the limit")),
        };
        all = all.and(result);
    }
    all
}

/// As often as a revocation is sent, and for the same reasons.
async fn call(session: SessionName, revoke: &Revoke, tokens: Revocable) -> Result<(), Error> {
    let mut calls = 0;
    let mut pause = Duration::from_secs(1);
    loop {
        calls += 1;
        let Err(error) = revoke.call(tokens.clone()).await else { return Ok(()) };
        let helps = match error.verdict(session.id) {
            TokenVerdict::Unsent => error.kind() != ErrorKind::NoRuntime,
            verdict => matches!(verdict, TokenVerdict::Wait { .. }),
        };
        if calls == CALLS || !helps {
            return Err(error);
        }
        sleep(error.retry_after().unwrap_or(pause).min(LONGEST_WAIT)).await;
        pause *= 2;
    }
}

fn not_revoked(cause: Error) -> Error {
    let mut error = Error::new(ErrorKind::NotRevoked, "the grant's own logout failed");
    if let Some(status) = cause.status() {
        error = error.with_status(status);
    }
    error.with_source(cause)
}
