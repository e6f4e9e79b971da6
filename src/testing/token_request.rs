//! A request that the issuer has seen.

use std::fmt;

use http::{HeaderMap, Uri, header::AUTHORIZATION};
use tokio::time::Instant;

/// A token request or a revocation, as the [`Issuer`](super::Issuer) got it.
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenRequest {
    /// When it came, by tokio's clock.
    pub at: Instant,
    /// Its URI: a whole one in memory, a path over a socket.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its parameters, decoded, in their order.
    pub form: Vec<(String, String)>,
}

impl TokenRequest {
    /// The first parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// `grant_type`, or nothing.
    #[must_use]
    pub fn grant_type(&self) -> &str {
        self.parameter("grant_type").unwrap_or_default()
    }

    /// The claims of its DPoP proof, if there is one.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn proof(&self) -> Option<serde_json::Value> {
        super::proof::claims(&self.headers)
    }

    /// The `Authorization` header, if it is one and a text.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()
    }
}

/// Invariant 9: names of parameters and headers, and no values but the grant type.
impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type())
            .field("parameters", &self.form.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
