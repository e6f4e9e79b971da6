//! How a session obtains tokens: the [`Grant`] trait and one file per grant.

mod boxed;
mod client_credentials;
mod closure;
mod jwt_bearer;
mod password;
mod refresh_token;
mod revoke;
mod subject;
mod subject_key;
mod token_exchange;
mod token_type;
mod wanted;

use std::{future::Future, time::Duration};

use secrecy::SecretString;

pub use self::{
    boxed::BoxGrant,
    client_credentials::ClientCredentialsGrant,
    closure::{GrantFn, grant_fn, grant_with},
    jwt_bearer::JwtBearerGrant,
    password::{PasswordGrant, Retain},
    refresh_token::RefreshTokenGrant,
    revoke::{Revocable, Revoke},
    subject_key::SubjectKey,
    token_exchange::TokenExchangeGrant,
    token_type::TokenType,
};
pub(crate) use self::{boxed::SharedGrant, revoke::Revoker};
use crate::{context::GrantContext, credential::Credential, endpoint::TokenEndpoint, error::Error, token::TokenSet};

/// A way to obtain tokens (RFC 6749 §1.3).
///
/// [`grant_fn`] and [`grant_with`] turn a closure into a grant. [`TokenEndpoint::request`] has an example of a grant written
/// by hand. [`BoxGrant`] is a grant of any type.
///
/// A grant that wraps another one must pass every method on to it. Otherwise the inner grant's secrets are not wiped, and its
/// tokens are not revoked.
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
    ///
    /// Called by one renewal at a time, on a task of the session's own, and ended at its
    /// [limit](crate::SessionBuilder::renewal_limit).
    ///
    /// # Errors
    /// The error decides what the session does next, so say what you know.
    /// [`manual::answers`](crate::manual::answers#a-grant-of-your-own) lists what follows from each kind.
    ///
    /// 1. *Nothing was sent*: [`Error::not_sent`]. The attempt does not count. Any other error of a
    ///    [`Password`](Credential::Password) or [`Custom`](Credential::Custom) credential counts as one that may have reached
    ///    the server, and these are few: see [`manual::answers`](crate::manual::answers).
    /// 2. *Not before a certain time*: [`Error::with_retry_after`]. The session asks again no earlier, and waits for five
    ///    minutes at most. Calls that need a token until then fail at once with this error, and send nothing.
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use tower_reauth::{Error, ErrorKind, Grant, GrantContext, TokenSet};
    ///
    /// # struct Client;
    /// # struct Answer { token: String, retry_after: Duration }
    /// # impl Client {
    /// #     async fn connect(&self) -> io::Result<Connection> { Ok(Connection) }
    /// # }
    /// # struct Connection;
    /// # impl Connection {
    /// #     async fn ask(self) -> io::Result<Result<String, Busy>> { Ok(Ok("token".into())) }
    /// # }
    /// # struct Busy { retry_after: Duration }
    /// struct Vault {
    ///     client: Client,
    /// }
    ///
    /// impl Grant for Vault {
    ///     async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
    ///         let failed = |error| Error::new(ErrorKind::Transport, "the vault cannot be reached").with_source(error);
    ///         // Without a connection nothing was sent.
    ///         let connection = self.client.connect().await.map_err(|error| failed(error).not_sent())?;
    ///         match connection.ask().await.map_err(failed)? {
    ///             Ok(token) => TokenSet::new(token),
    ///             Err(busy) => {
    ///                 Err(Error::new(ErrorKind::Unavailable, "the vault is busy").with_retry_after(busy.retry_after))
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped at the renewal's limit, and when its runtime goes down. No call that gives up drops it.
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send;

    /// Where refresh tokens are redeemed and tokens are revoked. Without an endpoint the session redeems none, and revokes only with
    /// a [`Revoke`](Grant::revoke).
    fn endpoint(&self) -> Option<&TokenEndpoint> {
        None
    }

    /// A refresh token that the session starts with, before it fetches anything. It is asked for once, at login. Hand it over
    /// and keep no copy: it is worthless as soon as the server has replaced it.
    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        None
    }

    /// How a logout ends the tokens at the server, if it is not by the endpoint's
    /// [`revocation`](crate::TokenEndpoint::revocation): for session logins, whose logout is a `DELETE`. [`Revoke::new`] has an
    /// example. Default: `None`. With a [`Revoke`] nothing is sent to the endpoint's address.
    ///
    /// It is asked for when a renewal begins, and at a logout before [`forget`](Grant::forget). So what it returns must hold what it
    /// needs, and no more: it is used when the login has ended. What only an answer tells, such as an address to delete, goes with the
    /// tokens ([`TokenSet::with_extra`]): a grant that returns `None` until then ends no token that comes after its logout.
    fn revoke(&self) -> Option<Revoke> {
        None
    }

    /// What kind of secret [`fetch`](Grant::fetch) sends. It decides how a refusal is handled. Default:
    /// [`Credential::Custom`]. Return another one if it fits better, such as [`Credential::Client`] for a service's own secret.
    fn credential(&self) -> Credential {
        Credential::Custom
    }

    /// Wipes the secrets that this grant holds. Called when its login ends. A [`fetch`](Grant::fetch) that is under way may
    /// keep the grant itself alive for minutes, and with it every secret that is not wiped here. Default: nothing, which is
    /// right for a grant without secrets.
    fn forget(&self) {}

    /// The pauses before a credential that had worked, and was then refused, is sent once more to make sure; one attempt for
    /// each. [`PasswordGrant::confirmations`] says more. `None`, the default: after 60 s, and where the refusal has no code
    /// once more after 5 min.
    ///
    /// It matters for [`Credential::Password`] and [`Credential::Custom`] only.
    fn confirm_after(&self) -> Option<&[Duration]> {
        None
    }

    /// The user whose tokens these are, if the grant knows one. With a [token store](crate::TokenStore) it keeps one user's record
    /// from being used for another: the record holds a hash of it. Default: `None`.
    fn user(&self) -> Option<&str> {
        None
    }

    /// This grant as a [`BoxGrant`], which any other one can become as well. There is no need to implement it.
    fn boxed(self) -> BoxGrant
    where
        Self: Sized,
    {
        BoxGrant::new(self)
    }
}

#[cfg(test)]
mod tests;
