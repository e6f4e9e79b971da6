//! What an error tells besides its one line: where, whether it will do to wait, and what the server said.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::{Error, chain, kind::ErrorKind, verdict::TokenVerdict};

impl Error {
    /// The host that the failed request went to or was meant for, and the port where it is not the scheme's own:
    /// `gw.example`, `localhost:8443`. `None` where the failure was not about a request to an endpoint.
    pub fn host(&self) -> Option<&str> {
        self.ours().find_map(|error| error.inner.host.as_deref())
    }

    /// Whether the same call can work later although nobody does anything about it. If not, somebody has to act first: the
    /// user, an operator, or you.
    ///
    /// | `true` | `false` |
    /// | --- | --- |
    /// | the token endpoint could not be reached, broke off, asked to wait, is in trouble, or sent what is no token response | it objects to the client, the grant type or the scope; it redirects, or sends a token that cannot be used |
    /// | a wait, a pause or a limit of this crate ended the call; the renewal died; the token store failed | the session is logged out; the call or the set-up is wrong |
    /// | the credentials are refused, and the session has yet to make sure | the credentials are refused, and the [status](crate::Session::status) is [`Refused`](crate::Status::Refused); a grant's own error, before a session has seen it |
    /// | the request could not be sent again, and the next one has the new token | the new token is rejected as well, or is good and not enough |
    ///
    /// The [table of all kinds](crate::manual::troubleshooting#every-error-kind) has a column for it. An error of the inner
    /// service ([`ErrorKind::Service`]) is never one: look at its [`source`](std::error::Error::source). Where
    /// [`retry_after`](Error::retry_after) is known, nothing is sent before.
    pub fn is_transient(&self) -> bool {
        match (self.kind(), self.inner.verdict) {
            (ErrorKind::Refused, _) | (ErrorKind::UnexpectedStatus, Some(TokenVerdict::Refused(_))) => {
                self.inner.unsure
            }
            _ if self.status() == Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => false,
            (kind, _) => kind.is_transient(),
        }
    }

    /// What the server said in its own words: `error_description` (RFC 6749 §5.2), or the `message` of an error object. At most
    /// 512 characters.
    ///
    /// **Do not trust it.** Whoever answers at the token endpoint has written it: show it to operators, escape it, and never
    /// decide by it. Servers also repeat what they were sent. All that the request carried, and what its session holds, is
    /// replaced by `[redacted]`, and so is every piece of it of 8 bytes or more: as it is, percent-encoded once or twice, escaped as in
    /// HTML or JSON, and in base64. Shorter pieces stay, and so does what the server has changed otherwise: in hexadecimal, in other
    /// letter case, hashed. Control characters are replaced by spaces, characters that are not seen or that turn the line around by
    /// U+FFFD. It is in neither `Display` nor `Debug`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use tower_reauth::{Grant, GrantContext, PasswordGrant, TokenEndpoint};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
    /// let https = tower::service_fn(async |_: Request<Full<Bytes>>| {
    ///     let body = r#"{"error":"invalid_grant","error_description":"hunter2 is not the password of alice"}"#;
    ///     Ok::<_, std::convert::Infallible>(Response::builder().status(400).body(Full::<Bytes>::from(body)).unwrap())
    /// });
    /// let endpoint = TokenEndpoint::new(https, "https://gw.example/token")?;
    /// let error = PasswordGrant::new(endpoint, "alice", "hunter2").fetch(GrantContext::default()).await.unwrap_err();
    /// assert_eq!(error.description_untrusted(), Some("[redacted] is not the password of [redacted]"));
    /// assert!(!format!("{error} {error:?}").contains("password of"));
    /// # Ok(()) }
    /// ```
    pub fn description_untrusted(&self) -> Option<&str> {
        self.ours().find_map(|error| error.inner.description.as_ref()).map(|text| text.expose_secret())
    }

    pub(crate) fn with_host(self, host: &str) -> Self {
        self.map(|inner| inner.host = Some(host.into()))
    }

    /// `text` must hold no secret of ours.
    pub(crate) fn with_description(self, text: SecretString) -> Self {
        if text.expose_secret().is_empty() { self } else { self.map(|inner| inner.description = Some(text)) }
    }

    /// The same error, and whether the session will make sure of what it says: only a refusal tells.
    pub(crate) fn unsure(self, unsure: bool) -> Self {
        if self.inner.unsure == unsure { self } else { self.map(|inner| inner.unsure = unsure) }
    }

    /// This error and those of ours below it.
    fn ours(&self) -> impl Iterator<Item = &Self> {
        chain(self).filter_map(|error| error.downcast_ref())
    }
}
