//! A grant of any type, as a session holds it: shared with the renewal that is under way.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{
    Grant,
    refresh_token::nothing_left,
    revoke::{Revoke, Revoker},
};
use crate::{
    context::GrantContext, credential::Credential, endpoint::TokenEndpoint, error::Error, store::OwnerFacts,
    token::TokenSet,
};

/// A [`Grant`] of any type: for a field, a `Vec` or a map that holds different grants, or a function that returns one of several.
///
/// [`Grant::boxed`] makes one of any grant. It does what the grant inside does, in every respect. A session costs the same
/// whether its grant was boxed before or not.
///
/// It is not `Clone`, on purpose. A grant belongs to one login: it hands over its
/// [first refresh token](Grant::initial_refresh_token) once, and its [secrets are wiped](Grant::forget) when that login ends.
/// For another login, make another grant.
///
/// ```
/// use secrecy::SecretString;
/// use tower_reauth::{BoxGrant, Grant, PasswordGrant, RefreshTokenGrant, TokenEndpoint};
///
/// enum Remembered {
///     Password(SecretString),
///     RefreshToken(SecretString),
/// }
///
/// fn grant(endpoint: TokenEndpoint, user: &str, remembered: Remembered) -> BoxGrant {
///     match remembered {
///         Remembered::Password(password) => PasswordGrant::new(endpoint, user, password).boxed(),
///         Remembered::RefreshToken(token) => RefreshTokenGrant::new(endpoint, token).boxed(),
///     }
/// }
/// ```
pub struct BoxGrant {
    grant: SharedGrant,
    refresh_token: Option<SecretString>,
}

/// A grant whose initial refresh token was taken out.
#[derive(Clone)]
pub(crate) enum SharedGrant {
    /// Of a [`RefreshTokenGrant`](super::RefreshTokenGrant) only the place is left: sessions with one of these are made by the
    /// million.
    RefreshToken(TokenEndpoint),
    Other(Arc<dyn DynGrant>),
}

/// [`Grant`] in a form that can be a trait object: the one place where a flight is boxed.
pub(crate) trait DynGrant: Send + Sync {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>>;
    fn endpoint(&self) -> Option<&TokenEndpoint>;
    fn revoke(&self) -> Option<Revoke>;
    fn credential(&self) -> Credential;
    fn forget(&self);
    fn confirm_after(&self) -> Option<&[Duration]>;
    fn user(&self) -> Option<&str>;
}

impl BoxGrant {
    pub(super) fn new(mut grant: impl Grant) -> Self {
        let refresh_token = grant.initial_refresh_token();
        Self { grant: SharedGrant::Other(Arc::new(grant)), refresh_token }
    }

    pub(super) fn refresh_token(endpoint: TokenEndpoint, refresh_token: Option<SecretString>) -> Self {
        Self { grant: SharedGrant::RefreshToken(endpoint), refresh_token }
    }

    /// The grant, and the refresh token that a session begins with.
    pub(crate) fn into_parts(self) -> (SharedGrant, Option<SecretString>) {
        (self.grant, self.refresh_token)
    }
}

impl Grant for BoxGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.grant.fetch(context).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.grant.endpoint()
    }

    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        self.refresh_token.take()
    }

    fn revoke(&self) -> Option<Revoke> {
        self.grant.revoke()
    }

    fn credential(&self) -> Credential {
        self.grant.credential()
    }

    fn forget(&self) {
        self.grant.forget();
    }

    fn confirm_after(&self) -> Option<&[Duration]> {
        self.grant.confirm_after()
    }

    fn user(&self) -> Option<&str> {
        self.grant.user()
    }

    /// The same one.
    fn boxed(self) -> Self {
        self
    }
}

impl fmt::Debug for BoxGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxGrant").field("credential", &self.grant.credential()).finish_non_exhaustive()
    }
}

impl SharedGrant {
    pub(crate) async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        match self {
            Self::RefreshToken(_) => Err(nothing_left()),
            Self::Other(grant) => grant.fetch(context).await,
        }
    }

    pub(crate) fn endpoint(&self) -> Option<&TokenEndpoint> {
        match self {
            Self::RefreshToken(endpoint) => Some(endpoint),
            Self::Other(grant) => grant.endpoint(),
        }
    }

    pub(crate) fn revoke(&self) -> Option<Revoke> {
        match self {
            Self::RefreshToken(_) => None,
            Self::Other(grant) => grant.revoke(),
        }
    }

    /// Who revokes its tokens, if that is possible; in its own way within this time. Runs a user's code: not under a lock.
    pub(crate) fn revoker(&self, limit: Duration) -> Option<Revoker> {
        // Where that panics, the tokens are not revoked; the call, or the logout of many, for which it is asked goes on.
        let own = catch_unwind(AssertUnwindSafe(|| self.revoke())).unwrap_or_else(|_| Some(Revoke::panicked()));
        own.map(|revoke| Revoker::Own(revoke, limit)).or_else(|| self.endpoint().cloned().map(Revoker::Endpoint))
    }

    pub(crate) fn credential(&self) -> Credential {
        match self {
            Self::RefreshToken(_) => Credential::RefreshToken,
            Self::Other(grant) => grant.credential(),
        }
    }

    /// Wipes the secrets: a flight may hold the grant for a while.
    pub(crate) fn forget(&self) {
        if let Self::Other(grant) = self {
            grant.forget();
        }
    }

    /// The pauses before a credential that had worked is sent to make sure, where the user named them.
    pub(crate) fn confirm_after(&self) -> Option<&[Duration]> {
        match self {
            Self::RefreshToken(_) => None,
            Self::Other(grant) => grant.confirm_after(),
        }
    }
}

impl SharedGrant {
    fn user(&self) -> Option<&str> {
        match self {
            Self::RefreshToken(_) => None,
            Self::Other(grant) => grant.user(),
        }
    }

    /// Whose tokens these are, as far as the grant can tell; `name` is what the application calls the owner, `dpop` the thumbprint of
    /// the session's key.
    pub(crate) fn owner(&self, name: Option<Box<str>>, dpop: Option<Box<str>>) -> OwnerFacts {
        let endpoint = self.endpoint();
        OwnerFacts {
            issuer: endpoint.map(|endpoint| endpoint.server().into()),
            client: endpoint.and_then(TokenEndpoint::client_id).map(Into::into),
            credential: Some(self.credential()),
            user: self.user().map(Into::into),
            name,
            dpop,
        }
    }
}

impl<G: Grant> DynGrant for G {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>> {
        Box::pin(Grant::fetch(self, context))
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Grant::endpoint(self)
    }

    fn revoke(&self) -> Option<Revoke> {
        Grant::revoke(self)
    }

    fn credential(&self) -> Credential {
        Grant::credential(self)
    }

    fn forget(&self) {
        Grant::forget(self);
    }

    fn confirm_after(&self) -> Option<&[Duration]> {
        Grant::confirm_after(self)
    }

    fn user(&self) -> Option<&str> {
        Grant::user(self)
    }
}
