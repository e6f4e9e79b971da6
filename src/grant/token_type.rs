//! What kind of token is exchanged (RFC 8693 §3).

use std::borrow::Cow;

/// The type of a token that is exchanged ([RFC 8693 §3](https://www.rfc-editor.org/rfc/rfc8693#section-3)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenType(Cow<'static, str>);

impl TokenType {
    /// An access token.
    pub const ACCESS_TOKEN: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:access_token"));
    /// A refresh token.
    pub const REFRESH_TOKEN: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:refresh_token"));
    /// An ID token of OpenID Connect.
    pub const ID_TOKEN: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:id_token"));
    /// A JWT.
    pub const JWT: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:jwt"));
    /// A SAML 1.1 assertion, as base64url.
    pub const SAML1: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:saml1"));
    /// A SAML 2.0 assertion, as base64url.
    pub const SAML2: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:saml2"));
    /// An identity assertion for another authorization server (draft-ietf-oauth-identity-assertion-authz-grant).
    pub const ID_JAG: Self = Self(Cow::Borrowed("urn:ietf:params:oauth:token-type:id-jag"));

    /// Any other type, by its URI.
    pub fn other(uri: impl Into<String>) -> Self {
        Self(Cow::Owned(uri.into()))
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_jwt(&self) -> bool {
        [Self::JWT, Self::ID_TOKEN, Self::ID_JAG].contains(self)
    }

    /// Whether a token that was issued as the other type is one of these. An access token may be a JWT.
    pub(super) fn is_met_by(&self, issued: &Self) -> bool {
        self == issued || [self, issued].iter().all(|kind| [Self::JWT, Self::ACCESS_TOKEN].contains(kind))
    }
}
