//! The authorization code grant with PKCE (RFC 6749 §4.1.3, RFC 7636 §4.5): a `Grant` of the application's own.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};
use tower_reauth::{Credential, Error, ErrorKind, Grant, GrantContext, TokenEndpoint, TokenSet};

/// Redeems a code. It works once: the refresh token that it brings is what the session lives on, and when the server refuses
/// that one, the user has to log in again.
pub(crate) struct CodeGrant {
    endpoint: TokenEndpoint,
    code: Mutex<Option<SecretString>>,
    verifier: SecretString,
    redirect_uri: String,
}

impl CodeGrant {
    pub(crate) fn new(
        endpoint: TokenEndpoint,
        code: SecretString,
        verifier: SecretString,
        redirect_uri: String,
    ) -> Self {
        Self { endpoint, code: Mutex::new(Some(code)), verifier, redirect_uri }
    }
}

impl Grant for CodeGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(code) = code else {
            return Err(Error::new(ErrorKind::Refused, "an authorization code works only once"));
        };
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", self.verifier.expose_secret()),
        ];
        self.endpoint.request(&context, &parameters).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn credential(&self) -> Credential {
        Credential::RefreshToken
    }
}

impl fmt::Debug for CodeGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeGrant").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
