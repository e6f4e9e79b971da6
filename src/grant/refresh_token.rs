//! A session that begins with a refresh token (RFC 6749 §6).

use std::fmt;

use secrecy::SecretString;

use super::{BoxGrant, Grant};
use crate::{
    context::GrantContext,
    credential::Credential,
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    token::TokenSet,
};

/// A refresh token that was obtained elsewhere, by the authorization code or the device flow for example
/// ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
///
/// The session redeems it, and the ones that replace it, until the server refuses one.
///
/// ```no_run
/// # fn with(endpoint: tower_reauth::TokenEndpoint, refresh_token: secrecy::SecretString) {
/// use tower_reauth::RefreshTokenGrant;
///
/// let grant = RefreshTokenGrant::new(endpoint, refresh_token);
/// # }
/// ```
pub struct RefreshTokenGrant {
    endpoint: TokenEndpoint,
    // Until the session takes it.
    refresh_token: Option<SecretString>,
}

impl RefreshTokenGrant {
    /// Tokens for whoever this refresh token stands for, at this endpoint.
    pub fn new(endpoint: TokenEndpoint, refresh_token: impl Into<SecretString>) -> Self {
        Self { endpoint, refresh_token: Some(refresh_token.into()) }
    }
}

impl Grant for RefreshTokenGrant {
    /// Asked only when the session has no refresh token left, and then there is nothing to send.
    async fn fetch(&self, _context: GrantContext) -> Result<TokenSet, Error> {
        Err(nothing_left())
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        self.refresh_token.take()
    }

    fn credential(&self) -> Credential {
        Credential::RefreshToken
    }

    fn boxed(self) -> BoxGrant {
        BoxGrant::refresh_token(self.endpoint, self.refresh_token)
    }
}

impl fmt::Debug for RefreshTokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenGrant")
            .field("endpoint", &self.endpoint)
            .field("refresh_token", &"[redacted]")
            .finish()
    }
}

pub(super) fn nothing_left() -> Error {
    Error::new(ErrorKind::Refused, "no refresh token is left, and this session holds no other credentials")
}
