//! How a session obtains tokens: the [`Grant`] trait and one file per grant.

mod client_credentials;
mod closure;
mod context;
mod password;
mod refresh_token;

use std::{future::Future, pin::Pin};

use secrecy::SecretString;

pub use self::{
    client_credentials::ClientCredentialsGrant,
    closure::{grant_fn, grant_with},
    context::GrantContext,
    password::{PasswordGrant, Retain},
    refresh_token::RefreshTokenGrant,
};
use crate::{Error, TokenEndpoint, TokenSet};

/// A way to obtain tokens (RFC 6749 §1.3).
///
/// [`TokenEndpoint::request`] has an example of one written by hand; [`grant_fn`] and [`grant_with`] make one of a
/// closure.
pub trait Grant: Send + Sync + 'static {
    /// Asks for a token set.
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send;

    /// Where a refresh token is redeemed and tokens are revoked; without one the session does neither.
    fn endpoint(&self) -> Option<&TokenEndpoint> {
        None
    }

    /// A refresh token that the session begins with, before it has fetched anything.
    fn initial_refresh_token(&self) -> Option<&SecretString> {
        None
    }

    /// What kind of secret [`fetch`](Grant::fetch) sends; it decides how carefully a refusal is handled.
    fn credential(&self) -> Credential {
        Credential::Custom
    }
}

/// What a grant authenticates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A person's password: refusals are remembered, since a server may lock the account.
    Password,
    /// The client's own secret: a refusal may be an outage, so it is probed from time to time.
    Client,
    /// A refresh token and nothing else.
    RefreshToken,
    /// Something of the user's own.
    Custom,
}

/// [`Grant`] in a form that can be a trait object: the one place where a flight is boxed.
pub(crate) trait DynGrant: Send + Sync {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>>;
    fn endpoint(&self) -> Option<&TokenEndpoint>;
    fn initial_refresh_token(&self) -> Option<&SecretString>;
    fn credential(&self) -> Credential;
}

impl<G: Grant> DynGrant for G {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>> {
        Box::pin(Grant::fetch(self, context))
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Grant::endpoint(self)
    }

    fn initial_refresh_token(&self) -> Option<&SecretString> {
        Grant::initial_refresh_token(self)
    }

    fn credential(&self) -> Credential {
        Grant::credential(self)
    }
}

#[cfg(test)]
mod tests;
