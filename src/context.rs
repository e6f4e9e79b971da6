//! What a grant is told about the renewal that it serves.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

#[cfg(feature = "dpop")]
use http::{HeaderMap, HeaderValue, Method, Uri};
use secrecy::SecretString;

use crate::{asked::Challenge, dpop::Binding, identity::SessionId};
#[cfg(feature = "dpop")]
use crate::{
    dpop::{At, Proof, Server, Wanted},
    error::Error,
    origin::Origin,
};

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
    /// The last proof that was asked for here, and for whom.
    #[cfg(feature = "dpop")]
    proof: Arc<std::sync::Mutex<Option<(Origin, Proof)>>>,
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

    /// The value of the header `DPoP` for one attempt of one token request, if the session has a
    /// [key](crate::SessionBuilder::dpop): for grants that send their requests themselves.
    /// [`TokenEndpoint::request`](crate::TokenEndpoint::request) adds it by itself.
    ///
    /// Each attempt needs a proof of its own. Tell the head of each answer to [`dpop_answer`](GrantContext::dpop_answer), and mark the
    /// tokens by [`TokenSet::with_dpop`](crate::TokenSet::with_dpop).
    ///
    /// ```
    /// use http::{HeaderMap, Method, StatusCode, Uri};
    /// use tower_reauth::{Error, GrantContext, TokenSet, grant_fn};
    ///
    /// # async fn ask(_: &Uri, _: Option<http::HeaderValue>) -> (StatusCode, HeaderMap) { (StatusCode::OK, HeaderMap::new()) }
    /// let grant = grant_fn(|context: GrantContext| async move {
    ///     let uri = Uri::from_static("https://login.example/token");
    ///     let (mut status, mut headers) = ask(&uri, context.dpop_proof(&Method::POST, &uri).await?).await;
    ///     if context.dpop_answer(&uri, &headers) && status == StatusCode::BAD_REQUEST {
    ///         (status, headers) = ask(&uri, context.dpop_proof(&Method::POST, &uri).await?).await;
    ///     }
    /// #   let _ = (status, headers);
    ///     Ok(TokenSet::new("from the answer")?.with_dpop())
    /// });
    /// # let _ = grant;
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Dpop`](crate::ErrorKind::Dpop) if the key did not sign, [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the
    /// address is not `http` or `https` with a host. Nothing was sent.
    ///
    /// # Cancel safety
    /// Safe: a proof that nobody sends is good for nothing else.
    #[cfg(feature = "dpop")]
    pub async fn dpop_proof(&self, method: &Method, uri: &Uri) -> Result<Option<HeaderValue>, Error> {
        let Some(binding) = &self.dpop else { return Ok(None) };
        let origin = origin_of(uri)?;
        let at = At { server: Server::Issuer, origin: &origin };
        let proof = binding.proof(Wanted { at, method, path: uri.path(), token: None }).await?;
        let value = proof.value.clone();
        *self.last_proof() = Some((origin, proof));
        Ok(Some(value))
    }

    /// Keeps the nonce in the head of an answer, if there is one, for the next proof to this server. Says whether that proof will
    /// have another nonce than the last one that was made here: a request that was refused with `use_dpop_nonce` is then worth
    /// another attempt.
    ///
    /// The server's clock is not learned: that is done for [`TokenEndpoint::request`](crate::TokenEndpoint::request) only.
    #[cfg(feature = "dpop")]
    pub fn dpop_answer(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let (Some(binding), Ok(origin)) = (&self.dpop, origin_of(uri)) else { return false };
        let at = At { server: Server::Issuer, origin: &origin };
        let is_heard = binding.heard(at, headers);
        match &*self.last_proof() {
            // Others of the same login may have heard it first.
            Some((asked, proof)) if *asked == origin => {
                Binding::gives_another(proof, headers) || binding.has_news(at, proof)
            }
            _ => is_heard,
        }
    }

    #[cfg(feature = "dpop")]
    fn last_proof(&self) -> std::sync::MutexGuard<'_, Option<(Origin, Proof)>> {
        self.proof.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }
}

#[cfg(feature = "dpop")]
fn origin_of(uri: &Uri) -> Result<Origin, Error> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or_default()).parse::<Origin>().map_err(Error::not_sent)
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
