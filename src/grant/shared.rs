//! A grant as a session holds it: shared with the renewal that is under way, and of any type.

use std::{any::Any, future::Future, pin::Pin, sync::Arc, time::Duration};

use secrecy::SecretString;

use super::{Grant, PasswordGrant, RefreshTokenGrant, refresh_token::nothing_left};
use crate::{context::GrantContext, credential::Credential, endpoint::TokenEndpoint, error::Error, token::TokenSet};

/// A grant whose initial refresh token was taken out.
#[derive(Clone)]
pub(crate) enum SharedGrant {
    /// Of a [`RefreshTokenGrant`] only the place is left: sessions with one of these are made by the million.
    RefreshToken(TokenEndpoint),
    Other(Arc<dyn DynGrant>),
}

/// [`Grant`] in a form that can be a trait object: the one place where a flight is boxed.
pub(crate) trait DynGrant: Send + Sync {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>>;
    fn endpoint(&self) -> Option<&TokenEndpoint>;
    fn credential(&self) -> Credential;
    fn forget(&self);
    fn confirmations(&self) -> Option<&[Duration]>;
}

impl SharedGrant {
    /// The grant, and the refresh token that a session begins with.
    pub(crate) fn new(mut grant: impl Grant) -> (Self, Option<SecretString>) {
        let refresh_token = grant.initial_refresh_token();
        let shared = match (&grant as &dyn Any).downcast_ref::<RefreshTokenGrant>() {
            Some(grant) => Self::RefreshToken(grant.endpoint.clone()),
            None => Self::Other(Arc::new(grant)),
        };
        (shared, refresh_token)
    }

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

    /// The pauses before a password that had worked is sent to make sure, where the user named them.
    pub(crate) fn confirmations(&self) -> Option<&[Duration]> {
        match self {
            Self::RefreshToken(_) => None,
            Self::Other(grant) => grant.confirmations(),
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

    fn credential(&self) -> Credential {
        Grant::credential(self)
    }

    fn forget(&self) {
        Grant::forget(self);
    }

    fn confirmations(&self) -> Option<&[Duration]> {
        (self as &dyn Any).downcast_ref::<PasswordGrant>()?.confirmations.as_deref()
    }
}
