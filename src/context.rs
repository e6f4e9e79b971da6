//! What a grant is told about the renewal that it serves.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use secrecy::SecretString;

use crate::{asked::Challenge, dpop::Binding, identity::SessionId};

/// What a derived session wants of its login: a token for this resource (RFC 8707), with this scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) resource: Option<Box<str>>,
    pub(crate) scope: Option<Box<str>>,
}

/// What a [`Grant`](crate::Grant) knows of the renewal that it serves.
#[derive(Clone, Default)]
pub struct GrantContext {
    session: SessionId,
    claims: Option<Box<str>>,
    challenge: Challenge,
    refresh_token: Option<SecretString>,
    wish: Option<Arc<Wish>>,
    is_over: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    held: Option<Arc<dyn Fn() -> Vec<SecretString> + Send + Sync>>,
    progress: Option<Arc<AtomicU8>>,
    dpop: Option<Arc<Binding>>,
}

/// How far a token request has come: not known, for one that this crate does not make; what it needs is read, signed or waited for; it
/// went out.
const PREPARING: u8 = 1;
const SENT: u8 = 2;

impl GrantContext {
    pub(crate) fn new(session: SessionId, claims: Option<Box<str>>, refresh_token: Option<SecretString>) -> Self {
        Self { session, claims, refresh_token, ..Self::default() }
    }

    /// Because of a rejection that asked for this.
    pub(crate) fn asked_for(self, challenge: Challenge) -> Self {
        Self { challenge, ..self }
    }

    /// For a derived session.
    pub(crate) fn wishing(self, wish: Option<Arc<Wish>>) -> Self {
        Self { wish, ..self }
    }

    /// For a session whose tokens are bound to a key.
    pub(crate) fn bound_to(self, dpop: Option<Arc<Binding>>) -> Self {
        Self { dpop, ..self }
    }

    pub(crate) fn dpop(&self) -> Option<&Binding> {
        self.dpop.as_deref()
    }

    /// Of a renewal that nobody wants any more as soon as this is true.
    pub(crate) fn until(self, is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { is_over: Some(Arc::new(is_over)), ..self }
    }

    /// Of a session that holds these secrets: asked for where a server may have repeated one.
    pub(crate) fn holding(self, held: impl Fn() -> Vec<SecretString> + Send + Sync + 'static) -> Self {
        Self { held: Some(Arc::new(held)), ..self }
    }

    /// Of a renewal that will be asked whether its request went out.
    pub(crate) fn watched(self) -> Self {
        Self { progress: Some(Arc::default()), ..self }
    }

    /// Notes that a token request is prepared, and nothing went out for it yet.
    pub(crate) fn prepares(&self) {
        self.note(PREPARING);
    }

    /// Notes that it goes out.
    pub(crate) fn sends(&self) {
        self.note(SENT);
    }

    /// Whether it is certain that nothing of the present token request went out.
    pub(crate) fn is_unsent(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.load(Ordering::Relaxed) == PREPARING)
    }

    fn note(&self, step: u8) {
        // Relaxed: the renewal's own task reads it.
        if let Some(progress) = &self.progress {
            progress.store(step, Ordering::Relaxed);
        }
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

    /// What the rejection asked for that set off this renewal: a scope, a strength or an age of the login, claims, where the API has
    /// its metadata (RFC 9728). Nothing of it is in the token request by itself but the [`claims`](GrantContext::claims).
    ///
    /// Many calls share one renewal. This is the challenge of the call that started it; the challenges of those that joined may
    /// ask for something else. Only claims are different: whoever needs claims waits for a renewal with the same ones. A renewal that no
    /// rejection set off (the first one, one ahead of time) has a challenge that asks for nothing.
    ///
    /// ```
    /// use tower_reauth::{Session, TokenSet, grant_fn};
    ///
    /// let session = Session::new(grant_fn(|context| async move {
    ///     // The API that rejected the token may have said which scope it wants.
    ///     let scope = context.challenge().scope().unwrap_or("orders");
    ///     TokenSet::new(format!("a-token-for-{scope}"))
    /// }));
    /// # let _ = session;
    /// ```
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The resource that the token is to be for, where a session of [`for_resource`](crate::Session::for_resource) asks
    /// ([RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)). [`TokenEndpoint::request`](crate::TokenEndpoint::request)
    /// sends it by itself.
    pub fn resource(&self) -> Option<&str> {
        self.wish.as_ref()?.resource.as_deref()
    }

    /// The scope that the token is to have, where a session of [`for_scope`](crate::Session::for_scope) asks: it takes the place of
    /// the grant's own. [`TokenEndpoint::request`](crate::TokenEndpoint::request) sends it by itself.
    pub fn scope(&self) -> Option<&str> {
        self.wish.as_ref()?.scope.as_deref()
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
            .field("challenge", &self.challenge)
            .field("refresh_token", &self.refresh_token.as_ref().map(|_| "[redacted]"))
            .field("wish", &self.wish)
            .finish_non_exhaustive()
    }
}
