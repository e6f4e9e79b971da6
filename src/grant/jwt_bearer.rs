//! The JWT bearer grant (RFC 7523 §2.1).

use std::fmt;

use secrecy::SecretString;

use super::{
    Grant,
    subject::Subject,
    wanted::{Wanted, wanting},
};
use crate::{
    assertion::Assertion,
    context::GrantContext,
    credential::Credential,
    endpoint::{Proving, TokenEndpoint},
    error::{Error, TokenVerdict},
    secret::SecretSource,
    token::TokenSet,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A JWT that says who somebody is, exchanged for tokens
/// ([RFC 7523 §2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1)).
///
/// The JWT comes from elsewhere ([`new`](JwtBearerGrant::new)): from a file that Kubernetes or an agent writes, from a closure, or
/// from another session, so that one grant feeds another. Or this program signs it ([`signed`](JwtBearerGrant::signed)), as a service
/// account does.
///
/// ```
/// use tower_reauth::{JwtBearerGrant, SecretSource, Session, TokenEndpoint};
///
/// fn workload(endpoint: TokenEndpoint) -> Session {
///     let identity = SecretSource::file("/var/run/secrets/tokens/identity");
///     Session::new(JwtBearerGrant::new(endpoint, identity).scope("orders"))
/// }
///
/// /// `company` holds an identity assertion for the API's authorization server.
/// fn chained(company: &Session, endpoint: TokenEndpoint) -> Session {
///     Session::new(JwtBearerGrant::new(endpoint, company))
/// }
/// ```
///
/// # Refusals
/// A JWT that is fixed and refused is not sent again: the session is [`Refused`](crate::Status::Refused). One that changes is read
/// once more, and another one is sent at once. The same one, and what this program signs itself, is tried again after 60 s doubling to
/// 15 min, as a client's secret is.
pub struct JwtBearerGrant {
    base: TokenEndpoint,
    /// The same with what is repeated at a refresh.
    endpoint: TokenEndpoint,
    assertion: From,
    wanted: Wanted,
}

enum From {
    Elsewhere(Subject),
    Here(Box<Assertion>),
}

impl JwtBearerGrant {
    /// Tokens for whom this JWT names, at this endpoint.
    pub fn new(endpoint: TokenEndpoint, assertion: impl Into<SecretSource>) -> Self {
        Self::of(endpoint, From::Elsewhere(Subject::new(assertion.into(), true)))
    }

    /// Tokens for whom the assertion names, which is signed anew for each request. Give it an [`issuer`](Assertion::issuer) and a
    /// [`subject`](Assertion::subject).
    ///
    #[cfg_attr(feature = "jwt-no-provider", doc = "```no_run")]
    #[cfg_attr(not(feature = "jwt-no-provider"), doc = "```ignore")]
    /// use tower_reauth::{Assertion, JwtAlgorithm, JwtBearerGrant, JwtKey, TokenEndpoint};
    ///
    /// # fn with(endpoint: TokenEndpoint, pem: String) -> Result<(), tower_reauth::Error> {
    /// // A service account of Google.
    /// let account = "billing@project.iam.gserviceaccount.com";
    /// let key = JwtKey::from_pem(JwtAlgorithm::RS256, pem)?.key_id("4711");
    /// let assertion = Assertion::new(key)
    ///     .issuer(account)
    ///     .audience("https://oauth2.googleapis.com/token")
    ///     .claim("scope", "https://www.googleapis.com/auth/pubsub");
    /// let grant = JwtBearerGrant::signed(endpoint, assertion);
    /// # Ok(()) }
    /// ```
    pub fn signed(endpoint: TokenEndpoint, assertion: impl Into<Assertion>) -> Self {
        Self::of(endpoint, From::Here(Box::new(assertion.into())))
    }

    fn of(endpoint: TokenEndpoint, assertion: From) -> Self {
        Self { base: endpoint.clone(), endpoint, assertion, wanted: Wanted::default() }
    }

    wanting!();

    fn want(mut self, change: impl FnOnce(&mut Wanted)) -> Self {
        change(&mut self.wanted);
        self.endpoint = self.wanted.at(&self.base);
        self
    }

    async fn send(
        &self,
        context: &GrantContext,
        assertion: impl Fn() -> Result<SecretString, Error>,
    ) -> Result<TokenSet, Error> {
        let parameters = || {
            let own = [("grant_type", GRANT_TYPE.into()), ("assertion", assertion()?)];
            Ok(own.into_iter().chain(self.wanted.parameters()).collect())
        };
        match self.assertion {
            From::Elsewhere(_) => self.endpoint.request_with(context, GRANT_TYPE, parameters).await,
            From::Here(_) => self.endpoint.request_signed(context, GRANT_TYPE, parameters).await,
        }
    }

    /// Signs and sends; once more where the refusal shows that it was dated by the wrong clock, or the server asks for another
    /// proof of the session's key: what it has looked at it may not take again.
    async fn send_signed(&self, context: &GrantContext, assertion: &Assertion) -> Result<TokenSet, Error> {
        let (mut proving, mut may_date) = (Proving::of(context), true);
        loop {
            let ahead = self.endpoint.time_ahead();
            let signed = self.endpoint.sign(assertion).await?;
            let answer = self.send(context, || Ok(signed.clone())).await;
            let is_refused = |error: &Error| matches!(error.known_verdict(), Some(TokenVerdict::Refused(_)));
            let is_misdated = answer.as_ref().is_err_and(is_refused) && self.endpoint.time_ahead() != ahead;
            let is_repeated = proving.again(&answer) || (is_misdated && std::mem::take(&mut may_date));
            if !is_repeated {
                return proving.end(answer);
            }
        }
    }
}

impl Grant for JwtBearerGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.endpoint.is_open(&context, GRANT_TYPE)?;
        match &self.assertion {
            From::Elsewhere(subject) => {
                let sent = subject.read(None).await?;
                let answer = self.send(&context, || sent.token()).await;
                match subject.another(&sent, &answer).await {
                    Some(other) => self.send(&context, || other.token()).await,
                    None => answer,
                }
            }
            From::Here(assertion) => self.send_signed(&context, assertion).await,
        }
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn credential(&self) -> Credential {
        match &self.assertion {
            From::Elsewhere(subject) => subject.credential(),
            From::Here(_) => Credential::Client,
        }
    }

    fn forget(&self) {
        if let From::Elsewhere(subject) = &self.assertion {
            subject.forget();
        }
    }
}

impl fmt::Debug for JwtBearerGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBearerGrant")
            .field("endpoint", &self.base)
            .field("scope", &self.wanted.scope)
            .field("audience", &self.wanted.audiences)
            .field("resource", &self.wanted.resources)
            .finish_non_exhaustive()
    }
}
