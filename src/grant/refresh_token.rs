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

/// A refresh token from elsewhere, for example from the authorization code or the device flow
/// ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
///
/// The session redeems it, and then each refresh token that replaces it, until the server refuses one. Keep no copy: with
/// servers that rotate refresh tokens a copy is soon worthless, and redeeming it may end the whole login.
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
    /// Tokens for the owner of this refresh token, at this endpoint.
    pub fn new(endpoint: TokenEndpoint, refresh_token: impl Into<SecretString>) -> Self {
        Self { endpoint, refresh_token: Some(refresh_token.into()) }
    }
}

impl RefreshTokenGrant {
    /// Tokens for the owner of the refresh token that a [store](crate::SessionBuilder::store) or a
    /// [record](crate::SessionBuilder::record) holds, at this endpoint: for a program that keeps nothing else from one start to
    /// the next. Without such a refresh token the session is [`Refused`](crate::Status::Refused), and the user has to log in.
    pub fn stored(endpoint: TokenEndpoint) -> Self {
        Self { endpoint, refresh_token: None }
    }
}

impl Grant for RefreshTokenGrant {
    /// Called only when the session has no refresh token left, so there is nothing to send.
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
