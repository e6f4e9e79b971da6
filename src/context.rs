//! What a grant is told about the renewal that it serves.

use std::{fmt, sync::Arc};

use secrecy::SecretString;

use crate::identity::SessionId;

/// What a [`Grant`](crate::Grant) knows of the renewal that it serves.
#[derive(Clone, Default)]
pub struct GrantContext {
    session: SessionId,
    claims: Option<Box<str>>,
    refresh_token: Option<SecretString>,
    is_over: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    held: Option<Arc<dyn Fn() -> Vec<SecretString> + Send + Sync>>,
}

impl GrantContext {
    pub(crate) fn new(session: SessionId, claims: Option<Box<str>>, refresh_token: Option<SecretString>) -> Self {
        Self { session, claims, refresh_token, is_over: None, held: None }
    }

    /// Of a renewal that nobody wants any more as soon as this is true.
    pub(crate) fn until(self, is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { is_over: Some(Arc::new(is_over)), ..self }
    }

    /// Of a session that holds these secrets: asked for where a server may have repeated one.
    pub(crate) fn holding(self, held: impl Fn() -> Vec<SecretString> + Send + Sync + 'static) -> Self {
        Self { held: Some(Arc::new(held)), ..self }
    }

    pub(crate) fn held(&self) -> Vec<SecretString> {
        self.held.as_ref().map(|held| held()).unwrap_or_default()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.as_ref().is_some_and(|is_over| is_over())
    }

    /// The claims that the resource server asked for, as JSON text (OpenID Connect Core §5.5).
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    /// The refresh token that the session holds. Only for grants without an [`endpoint`](crate::Grant::endpoint), which
    /// redeem it themselves.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }
}

impl fmt::Debug for GrantContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantContext")
            .field("session", &self.session)
            .field("claims", &self.claims.as_ref().map(|_| "[asked]"))
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[redacted]"))
            .finish_non_exhaustive()
    }
}
