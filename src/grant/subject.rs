//! A token of somebody's that is sent to get others: fixed, or read for each request.
//!
//! 1. A fixed one is read when the request is about to be sent, so that a login that has ended sends nothing (invariant 6).
//! 2. One that changes is read before. If the server refuses it, it is read once more, and another one is sent at once: it may have
//!    been replaced in that moment. The same one is not sent twice in a row.

use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    credential::Credential,
    error::{Error, ErrorKind, TokenVerdict},
    secret::SecretSource,
    token::TokenSet,
};

pub(super) struct Subject {
    // Until the login ends.
    source: Mutex<Option<SecretSource>>,
    /// It is a JWT: a file that holds half of one is told.
    is_jwt: bool,
}

/// A subject as it is now; one that is fixed is had when it is sent.
pub(super) struct Read<'a> {
    subject: &'a Subject,
    token: Option<SecretString>,
}

impl Subject {
    pub(super) fn new(source: SecretSource, is_jwt: bool) -> Self {
        Self { source: Mutex::new(Some(source)), is_jwt }
    }

    pub(super) fn with_jwt(mut self, is_jwt: bool) -> Self {
        self.is_jwt = is_jwt;
        self
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.with(|source| source.as_ref().is_some_and(|source| source.fixed().is_some()))
    }

    /// A refusal is final for one that is fixed. Another one may do better.
    pub(super) fn credential(&self) -> Credential {
        if self.is_fixed() { Credential::Subject } else { Credential::Client }
    }

    pub(super) fn forget(&self) {
        self.with(|source| *source = None);
    }

    /// The token, where it never changes.
    pub(super) fn fixed(&self) -> Option<SecretString> {
        self.with(|source| source.as_ref()?.fixed().cloned())
    }

    /// Another token than the one that was refused, if there is one by now.
    pub(super) async fn another(&self, sent: &Read<'_>, answer: &Result<TokenSet, Error>) -> Option<Read<'_>> {
        let is_refused = |error: &Error| matches!(error.known_verdict(), Some(TokenVerdict::Refused(_)));
        let refused = sent.token.as_ref().filter(|_| answer.as_ref().is_err_and(is_refused))?;
        // Where none can be read, the refusal says more.
        let other = self.read(Some(refused)).await.ok()?;
        let is_other = |token: &SecretString| token.expose_secret() != refused.expose_secret();
        other.token.as_ref().is_some_and(is_other).then_some(other)
    }

    pub(super) async fn read(&self, refused: Option<&SecretString>) -> Result<Read<'_>, Error> {
        let source = self.with(|source| source.clone()).ok_or_else(wiped)?;
        let token = match source.fixed() {
            Some(_) => None,
            None => Some(source.read_again(refused, self.is_jwt).await?),
        };
        Ok(Read { subject: self, token })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<SecretSource>) -> T) -> T {
        look(&mut self.source.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read<'_> {
    /// To be sent now.
    pub(super) fn token(&self) -> Result<SecretString, Error> {
        self.token.clone().or_else(|| self.subject.fixed()).ok_or_else(wiped)
    }
}

fn wiped() -> Error {
    Error::new(ErrorKind::LoggedOut, "not sent, since its login has ended").not_sent()
}
