//! How the tokens of a login are ended at the server: in the grant's own way, else by RFC 7009.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use crate::{
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    token::{Details, TokenSet},
};

/// A logout of the grant's own: what [`Grant::revoke`](super::Grant::revoke) returns, for a server that does not revoke as RFC 7009
/// says. Clones share one function.
///
/// A session that has one revokes with it in place of [`TokenEndpoint::revocation`](crate::TokenEndpoint::revocation), on the same
/// terms. [`Session::logout`](crate::Session::logout) starts it and does not wait for it,
/// [`shutdown`](crate::Session::shutdown) does, and a token that a renewal brings in after the logout is revoked as well.
/// [`forget`](crate::Session::forget) and dropping a session do not call it.
///
/// 1. It is called once for the login's newest tokens, and once for each other access token that [derived
///    sessions](crate::Session::for_resource) hold, one after the other.
/// 2. After an error that says that [nothing was sent](Error::not_sent), or an
///    [`Unavailable`](crate::ErrorKind::Unavailable) that says [when to ask again](Error::with_retry_after), it is called again: three
///    times in all, with a pause of 1 s, then 2 s, or as the error says, up to 30 s. Any other error is final.
/// 3. What belongs to one token ends within the [renewal's limit](crate::SessionBuilder::renewal_limit), by default 120 s; then the
///    future is dropped. Nothing can end a function that blocks its thread: use async clients.
/// 4. A failure, a panic too, is [`ErrorKind::NotRevoked`](crate::ErrorKind::NotRevoked) for whoever awaits the logout, and the
///    event `revocation failed`.
///
/// A token that the server does not know any more is a success: say `Ok`. Put no token into an error: its text is logged.
#[derive(Clone)]
pub struct Revoke {
    function: Arc<Function>,
}

type Function = dyn Fn(Revocable) -> Revoking + Send + Sync;

type Revoking = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// The tokens that a [`Revoke`] is to end. At least one of the two is there. `Debug` does not show them.
#[derive(Clone, Default)]
pub struct Revocable {
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
    details: Details,
}

/// Who revokes the tokens of a login, if it [can be done](Revoker::revokes).
#[derive(Clone)]
pub(crate) enum Revoker {
    Endpoint(TokenEndpoint),
    /// Within this time for each of them.
    Own(Revoke, Duration),
}

impl Revoke {
    /// A logout from a state, and a function that gets a clone of the state with each call, as with
    /// [`grant_with`](super::grant_with).
    ///
    /// The state outlives the grant, and the login. So give it a client, and no password.
    ///
    /// ```
    /// # use std::{convert::Infallible, sync::Arc};
    /// # use bytes::Bytes; use http::{Request, Response}; use http_body_util::Full;
    /// # use tower::ServiceExt;
    /// use secrecy::ExposeSecret;
    /// use tower_reauth::{Error, ErrorKind, Grant, GrantContext, Revoke, TokenSet};
    ///
    /// # #[derive(Clone)] struct Client;
    /// # impl Client {
    /// #     async fn log_in(&self) -> Result<TokenSet, Error> { TokenSet::new("token") }
    /// #     async fn delete(&self, _token: &str) -> std::io::Result<()> { Ok(()) }
    /// # }
    /// struct Appliance {
    ///     client: Client,
    /// }
    ///
    /// impl Grant for Appliance {
    ///     async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
    ///         self.client.log_in().await
    ///     }
    ///
    ///     fn revoke(&self) -> Option<Revoke> {
    ///         Some(Revoke::new(self.client.clone(), async |client, tokens| {
    ///             let Some(token) = tokens.access_token() else { return Ok(()) };
    ///             let failed = |error| Error::new(ErrorKind::Transport, "the appliance cannot be reached").with_source(error);
    ///             client.delete(token.expose_secret()).await.map_err(failed)
    ///         }))
    ///     }
    /// }
    /// ```
    pub fn new<S, F, R>(state: S, function: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(S, Revocable) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self { function: Arc::new(move |tokens| Box::pin(function(state.clone(), tokens))) }
    }

    /// For a grant that panicked when it was asked for one.
    pub(super) fn panicked() -> Self {
        Self::new((), |(), _| {
            ready(Err(Error::new(ErrorKind::NotRevoked, "the grant panicked when it was asked for its logout")))
        })
    }

    pub(crate) fn call(&self, tokens: Revocable) -> Revoking {
        (self.function)(tokens)
    }
}

impl Revocable {
    pub(crate) fn new(
        access_token: Option<SecretString>,
        refresh_token: Option<SecretString>,
        details: Details,
    ) -> Self {
        Self { access_token, refresh_token, details }
    }

    /// One access token, and what came with it.
    pub(crate) fn access(tokens: TokenSet) -> Self {
        let access_token = Some(tokens.access_token().clone());
        Self { access_token, refresh_token: None, details: tokens.into_parts().1 }
    }

    /// The access token, if the login had one.
    pub fn access_token(&self) -> Option<&SecretString> {
        self.access_token.as_ref()
    }

    /// The refresh token in force, if the login had one.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// What the grant had put beside the access token, by [`TokenSet::with_extra`](crate::TokenSet::with_extra).
    ///
    /// A [`Record`](crate::Record) keeps that for the login's own token alone. For the token of a derived session that comes from a
    /// store, and not from this process, there is none: return an error then, since nothing was ended.
    pub fn extra(&self, name: &str) -> Option<&SecretString> {
        self.details.extra(name)
    }

    pub(crate) fn with_refresh_token(self, refresh_token: Option<SecretString>) -> Self {
        Self { refresh_token, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.access_token.is_none() && self.refresh_token.is_none()
    }
}

impl Revoker {
    /// Whether tokens can be revoked; yes, where that has to be discovered first.
    pub(crate) fn revokes(&self) -> bool {
        match self {
            Self::Endpoint(endpoint) => endpoint.revokes(),
            Self::Own(..) => true,
        }
    }
}

impl fmt::Debug for Revoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoke").finish_non_exhaustive()
    }
}

impl fmt::Debug for Revocable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable")
            .field("access_token", &self.access_token.as_ref().map(|_| "[redacted]"))
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[redacted]"))
            .field("extra", &self.details.names().collect::<Vec<_>>())
            .finish()
    }
}
