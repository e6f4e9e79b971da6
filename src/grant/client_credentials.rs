//! The client credentials grant (RFC 6749 §4.4).

use super::Grant;
use crate::{context::GrantContext, credential::Credential, endpoint::TokenEndpoint, error::Error, token::TokenSet};

/// A service's own identity, exchanged for tokens
/// ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
///
/// The credentials are the endpoint's [`client_auth`](TokenEndpoint::client_auth).
///
/// ```no_run
/// # fn with(endpoint: tower_reauth::TokenEndpoint, secret: secrecy::SecretString) {
/// use tower_reauth::{ClientAuth, ClientCredentialsGrant};
///
/// let endpoint = endpoint.client_auth(ClientAuth::basic("billing", secret));
/// let grant = ClientCredentialsGrant::new(endpoint).scope("invoices");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientCredentialsGrant {
    endpoint: TokenEndpoint,
    scope: Option<Box<str>>,
}

impl ClientCredentialsGrant {
    /// Tokens for the client itself, at this endpoint.
    pub fn new(endpoint: TokenEndpoint) -> Self {
        Self { endpoint, scope: None }
    }

    /// Asks for a scope: names with spaces between them. Default: none, and the server decides.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }
}

impl Grant for ClientCredentialsGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        self.endpoint.request(&context, &parameters).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn credential(&self) -> Credential {
        Credential::Client
    }
}
