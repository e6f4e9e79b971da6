//! The token endpoint.

use secrecy::SecretString;

use crate::{Error, GrantContext, TokenSet};

/// The token endpoint of an authorization server.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {}

/// What a token is, for revocation (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `access_token`
    Access,
    /// `refresh_token`
    Refresh,
}

#[allow(missing_docs, clippy::unused_async)]
impl TokenEndpoint {
    pub async fn request(&self, _context: &GrantContext, _parameters: &[(&str, &str)]) -> Result<TokenSet, Error> {
        unimplemented!()
    }

    pub(crate) async fn refresh(&self, _context: &GrantContext, _token: &SecretString) -> Result<TokenSet, Error> {
        unimplemented!()
    }

    pub(crate) fn revokes(&self) -> bool {
        unimplemented!()
    }

    pub(crate) async fn revoke(&self, _token: &SecretString, _kind: TokenKind) -> Result<(), Error> {
        unimplemented!()
    }
}
