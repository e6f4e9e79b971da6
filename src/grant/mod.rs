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
/// [`TokenEndpoint::request`] has an example of one written by hand; [`grant_fn`] and [`grant_with`] make one of a
/// closure.
///
/// # What a grant must not do
/// Wait for its own session, by [`token`](crate::Session::token), by [`renew`](crate::Session::renew) or by a call through a
/// layer of that session: it would wait for itself. Where it does, that call fails at once with
/// [`ErrorKind::SelfAuthorization`](crate::ErrorKind::SelfAuthorization). This is seen in the task that runs
/// [`fetch`](Grant::fetch), behind a `tower::buffer::Buffer` too, but not in another task that the grant spawns, and not
/// where the way back leads over a second session: there the [waiting time](crate::SessionBuilder::waiting_time) ends it.
pub trait Grant: Send + Sync + 'static {
    /// Asks for a token set.
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send;

    /// Where a refresh token is redeemed and tokens are revoked; without one the session does neither.
    fn endpoint(&self) -> Option<&TokenEndpoint> {
        None
    }

    /// A refresh token that the session begins with, before it has fetched anything. Asked for once, when the session logs
    /// in: hand it over and keep no copy, since it is worth nothing as soon as the server has replaced it.
    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        None
    }

    /// What kind of secret [`fetch`](Grant::fetch) sends; it decides how carefully a refusal is handled.
    fn credential(&self) -> Credential {
        Credential::Custom
    }

    /// Wipes the secrets that this grant holds. Called when its login ends: the session lets go of the grant then, but a
    /// [`fetch`](Grant::fetch) that is under way still borrows it, for minutes perhaps, and what the grant does not wipe here
    /// lives as long. Default: nothing, which is right for a grant that holds no secret.
    fn forget(&self) {}
}

#[cfg(test)]
mod tests;
