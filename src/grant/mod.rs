//! How a session obtains tokens: the [`Grant`] trait and one file per grant.

mod client_credentials;
mod closure;
mod password;
mod refresh_token;
mod shared;

use std::future::Future;

use secrecy::SecretString;

pub(crate) use self::shared::SharedGrant;
pub use self::{
    client_credentials::ClientCredentialsGrant,
    closure::{grant_fn, grant_with},
    password::{PasswordGrant, Retain},
    refresh_token::RefreshTokenGrant,
};
use crate::{context::GrantContext, credential::Credential, endpoint::TokenEndpoint, error::Error, token::TokenSet};

/// A way to obtain tokens (RFC 6749 §1.3).
///
/// [`grant_fn`] and [`grant_with`] turn a closure into a grant. [`TokenEndpoint::request`] has an example of a grant written
/// by hand.
///
/// # What a grant must not do
/// A grant must not wait for its own session: not by [`token`](crate::Session::token) or [`renew`](crate::Session::renew), and
/// not by a call through a layer of that session. It would wait for itself. Such a call fails at once with
/// [`ErrorKind::SelfAuthorization`](crate::ErrorKind::SelfAuthorization).
///
/// The crate notices this in the task that runs [`fetch`](Grant::fetch), and behind a `tower::buffer::Buffer`. It does not
/// notice it in a task that the grant spawns, nor if a second session lies in between. There the call ends with the
/// [waiting time](crate::SessionBuilder::waiting_time).
pub trait Grant: Send + Sync + 'static {
    /// Asks for a token set.
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send;

    /// Where refresh tokens are redeemed and tokens are revoked. Without an endpoint the session does neither.
    fn endpoint(&self) -> Option<&TokenEndpoint> {
        None
    }

    /// A refresh token that the session starts with, before it fetches anything. It is asked for once, at login. Hand it over
    /// and keep no copy: it is worthless as soon as the server has replaced it.
    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        None
    }

    /// What kind of secret [`fetch`](Grant::fetch) sends. It decides how a refusal is handled.
    fn credential(&self) -> Credential {
        Credential::Custom
    }

    /// Wipes the secrets that this grant holds. Called when its login ends. A [`fetch`](Grant::fetch) that is under way may
    /// keep the grant itself alive for minutes, and with it every secret that is not wiped here. Default: nothing, which is
    /// right for a grant without secrets.
    fn forget(&self) {}
}

#[cfg(test)]
mod tests;
