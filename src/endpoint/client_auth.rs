//! How the client authenticates at the endpoint (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705).

use std::{fmt, time::Duration};

use base64ct::{Base64, Encoding};
use form_urlencoded::byte_serialize;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{form::Form, secret_buffer::SecretBuffer};
use crate::{
    assertion::{Assertion, Server},
    error::Error,
    secret::SecretSource,
};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// How the client authenticates at the token endpoint
/// ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).
///
/// An endpoint without one sends no client id. A secret may be a [`SecretSource`]: it is then read for each token request.
///
/// ```
/// use tower_reauth::ClientAuth;
///
/// let client = ClientAuth::basic("consumer-key", "consumer-secret");
/// assert!(!format!("{client:?}").contains("consumer-secret"));
/// ```
#[derive(Clone)]
pub struct ClientAuth {
    id: Option<Box<str>>,
    method: Method,
}

#[derive(Clone)]
enum Method {
    None,
    MutualTls,
    Basic(SecretSource),
    BasicUnencoded(SecretSource),
    Post(SecretSource),
    /// A token from elsewhere, and its type.
    Assertion(&'static str, SecretSource),
    Signed(Box<Assertion>),
}

/// What one request authenticates with: the secret as it is now, or an assertion for this request alone.
pub(super) struct Prepared<'a> {
    client: &'a ClientAuth,
    secret: Option<SecretString>,
    at: Instant,
}

/// What was read or signed so long ago is read or signed again before it is sent.
pub(super) const FRESH: Duration = Duration::from_secs(10);

impl ClientAuth {
    /// A public client: `client_id` in the body, no secret.
    #[must_use]
    pub fn none(id: impl Into<Box<str>>) -> Self {
        Self::new(id, Method::None)
    }

    /// HTTP Basic. Id and secret are form-encoded first, as RFC 6749 §2.3.1 says.
    #[must_use]
    pub fn basic(id: impl Into<Box<str>>, secret: impl Into<SecretSource>) -> Self {
        Self::new(id, Method::Basic(secret.into()))
    }

    /// HTTP Basic. Id and secret are sent as they are, for servers that do not decode them.
    ///
    /// It differs from [`basic`](ClientAuth::basic) only for characters other than letters, digits and `*-._`. The id must not
    /// hold a colon: the server would split it there (RFC 7617 §2).
    #[must_use]
    pub fn basic_unencoded(id: impl Into<Box<str>>, secret: impl Into<SecretSource>) -> Self {
        Self::new(id, Method::BasicUnencoded(secret.into()))
    }

    /// `client_id` and `client_secret` in the body, for servers that do not accept Basic.
    #[must_use]
    pub fn post(id: impl Into<Box<str>>, secret: impl Into<SecretSource>) -> Self {
        Self::new(id, Method::Post(secret.into()))
    }

    /// A client certificate ([RFC 8705](https://www.rfc-editor.org/rfc/rfc8705)), which the endpoint's service presents by its TLS
    /// connection: `client_id` in the body, no secret. Of [discovered](crate::TokenEndpoint::discover) metadata the
    /// `mtls_endpoint_aliases` are used.
    ///
    /// The example `mutual_tls` shows such a service over rustls.
    #[must_use]
    pub fn mutual_tls(id: impl Into<Box<str>>) -> Self {
        Self::new(id, Method::MutualTls)
    }

    /// A JWT that the client signs anew for each request: `private_key_jwt`
    /// ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)). A [`Signer`](crate::Signer), such as a
    /// `JwtKey`, is an assertion with all defaults; `iss` and `sub` are the client's id.
    #[must_use]
    pub fn private_key_jwt(id: impl Into<Box<str>>, assertion: impl Into<Assertion>) -> Self {
        let id = id.into();
        let assertion = assertion.into().of_client(&id);
        Self::new(id, Method::Signed(Box::new(assertion)))
    }

    /// A JWT that is signed with the client's secret, by HS256, anew for each request: `client_secret_jwt` (feature `jwt`).
    #[cfg(feature = "jwt-no-provider")]
    #[must_use]
    pub fn client_secret_jwt(id: impl Into<Box<str>>, secret: impl Into<SecretSource>) -> Self {
        Self::private_key_jwt(id, crate::assertion::JwtKeySource::new(crate::assertion::JwtAlgorithm::HS256, secret))
    }

    /// A JWT from elsewhere: a workload's identity token, such as one that Kubernetes projects into a file (RFC 7523 §2.2).
    ///
    /// ```
    /// use tower_reauth::{ClientAuth, SecretSource};
    ///
    /// let token = SecretSource::file("/var/run/secrets/azure/tokens/azure-identity-token");
    /// let client = ClientAuth::assertion("00000000-0000-0000-0000-000000000000", token);
    /// ```
    #[must_use]
    pub fn assertion(id: impl Into<Box<str>>, jwt: impl Into<SecretSource>) -> Self {
        Self::new(id, Method::Assertion(JWT_BEARER, jwt.into()))
    }

    /// A JWT-SVID of SPIFFE, which an agent writes into a file or hands out: `client_assertion_type` `jwt-spiffe`. The server finds
    /// the client by the token's `sub`, so no client id is sent; such a token has neither `iss` nor `jti`.
    #[must_use]
    pub fn jwt_spiffe(svid: impl Into<SecretSource>) -> Self {
        Self { id: None, method: Method::Assertion(JWT_SPIFFE, svid.into()) }
    }

    fn new(id: impl Into<Box<str>>, method: Method) -> Self {
        Self { id: Some(id.into()), method }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Tells what differs where another client authenticates.
    pub(super) fn mark(&self, tell: &mut impl FnMut(&str)) {
        tell(self.id().unwrap_or_default());
        let (name, source) = match &self.method {
            Method::None => ("none", None),
            Method::MutualTls => ("mutual_tls", None),
            Method::Basic(secret) => ("basic", Some(secret)),
            Method::BasicUnencoded(secret) => ("basic_unencoded", Some(secret)),
            Method::Post(secret) => ("post", Some(secret)),
            Method::Assertion(kind, jwt) => (*kind, Some(jwt)),
            Method::Signed(assertion) => {
                assertion.mark(tell);
                ("signed", None)
            }
        };
        tell(name);
        if let Some(source) = source {
            source.mark(tell);
        }
    }

    /// Whether the transport authenticates.
    pub(super) fn is_mutual_tls(&self) -> bool {
        matches!(self.method, Method::MutualTls)
    }

    /// Whether it depends on the server's clock.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self.method, Method::Signed(_))
    }

    /// Reads or signs what one request needs.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(super) async fn prepare(&self, server: Server<'_>) -> Result<Prepared<'_>, Error> {
        let secret = match &self.method {
            Method::None | Method::MutualTls => None,
            Method::Basic(secret) | Method::BasicUnencoded(secret) | Method::Post(secret) => Some(secret.read().await?),
            Method::Assertion(_, jwt) => Some(jwt.read_token().await?),
            Method::Signed(assertion) => Some(assertion.sign(server).await?),
        };
        Ok(Prepared { client: self, secret, at: Instant::now() })
    }
}

impl Prepared<'_> {
    /// Whether it waited too long for its turn.
    pub(super) fn is_stale(&self) -> bool {
        let changes = match &self.client.method {
            Method::None | Method::MutualTls => false,
            Method::Basic(secret) | Method::BasicUnencoded(secret) | Method::Post(secret) => secret.fixed().is_none(),
            Method::Assertion(_, jwt) => jwt.fixed().is_none(),
            Method::Signed(_) => true,
        };
        changes && self.at.elapsed() > FRESH
    }

    /// Whether it brings a parameter of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        match (name, &self.client.method) {
            (_, Method::Basic(_) | Method::BasicUnencoded(_)) => false,
            ("client_id", _) => self.client.id.is_some(),
            ("client_secret", Method::Post(_)) => true,
            ("client_assertion" | "client_assertion_type", Method::Assertion(..) | Method::Signed(_)) => true,
            _ => false,
        }
    }

    /// Adds what belongs into the body.
    pub(super) fn extend(&self, form: &mut Form) {
        let kind = match self.client.method {
            Method::Basic(_) | Method::BasicUnencoded(_) => return,
            Method::None | Method::MutualTls | Method::Post(_) => None,
            Method::Assertion(kind, _) => Some(kind),
            Method::Signed(_) => Some(JWT_BEARER),
        };
        if let Some(id) = self.client.id() {
            form.append("client_id", id);
        }
        match (kind, &self.secret) {
            (None, Some(secret)) => form.append("client_secret", secret.expose_secret()),
            (Some(kind), Some(jwt)) => {
                form.append("client_assertion_type", kind);
                form.append("client_assertion", jwt.expose_secret());
            }
            (_, None) => {}
        }
    }

    /// The value of the `Authorization` header, where this method has one.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (id, secret) = (self.client.id().unwrap_or_default(), self.secret.as_ref()?.expose_secret());
        let mut pair = SecretBuffer::with_capacity(3 * (id.len() + secret.len()) + 1);
        match self.client.method {
            Method::Basic(_) => {
                byte_serialize(id.as_bytes()).for_each(|part| pair.push(part.as_bytes()));
                pair.push(b":");
                byte_serialize(secret.as_bytes()).for_each(|part| pair.push(part.as_bytes()));
            }
            Method::BasicUnencoded(_) => {
                pair.push(id.as_bytes());
                pair.push(b":");
                pair.push(secret.as_bytes());
            }
            _ => return None,
        }
        let mut encoded = Zeroizing::new(vec![0; Base64::encoded_len(pair.as_slice())]);
        let encoded = Base64::encode(pair.as_slice(), &mut encoded).expect("the buffer is as long as that");
        let mut value = SecretBuffer::with_capacity(6 + encoded.len());
        value.push(b"Basic ");
        value.push(encoded.as_bytes());
        Some(value.into_header_value().expect("base64 is visible ASCII"))
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth").field("method", &self.method).finish_non_exhaustive()
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::MutualTls => f.write_str("MutualTls"),
            Self::Basic(secret) => f.debug_tuple("Basic").field(secret).finish(),
            Self::BasicUnencoded(secret) => f.debug_tuple("BasicUnencoded").field(secret).finish(),
            Self::Post(secret) => f.debug_tuple("Post").field(secret).finish(),
            Self::Assertion(_, jwt) => f.debug_tuple("Assertion").field(jwt).finish(),
            Self::Signed(assertion) => f.debug_tuple("Signed").field(assertion).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn prepared(client: &ClientAuth) -> Prepared<'_> {
        let server = Server { issuer: None, endpoint: "https://issuer.example/token", now: UNIX_EPOCH };
        futures::executor::block_on(client.prepare(server)).unwrap()
    }

    fn authorization(client: &ClientAuth) -> String {
        let value = prepared(client).authorization().unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    fn body(client: &ClientAuth) -> String {
        let mut form = Form::default();
        prepared(client).extend(&mut form);
        String::from_utf8(form.into_bytes().to_vec()).unwrap()
    }

    #[test]
    fn basic_encodes_id_and_secret_before_joining_them() {
        // `a:b` and `c d+ü` become `a%3Ab:c+d%2B%C3%BC`.
        assert_eq!(authorization(&ClientAuth::basic("a:b", "c d+ü")), "Basic YSUzQWI6YytkJTJCJUMzJUJD");
        // `a:c d+ü` as it is.
        assert_eq!(authorization(&ClientAuth::basic_unencoded("a", "c d+ü")), "Basic YTpjIGQrw7w=");
    }

    #[test]
    fn all_but_basic_speak_in_the_body() {
        let jwt_bearer = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let jwt_spiffe = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe";
        for (client, told) in [
            (ClientAuth::none("i d"), "client_id=i+d".to_owned()),
            (ClientAuth::mutual_tls("i d"), "client_id=i+d".to_owned()),
            (ClientAuth::post("i", "s&"), "client_id=i&client_secret=s%26".to_owned()),
            (
                ClientAuth::assertion("i", "a.b.c"),
                format!("client_id=i&client_assertion_type={jwt_bearer}&client_assertion=a.b.c"),
            ),
            (ClientAuth::jwt_spiffe("a.b.c"), format!("client_assertion_type={jwt_spiffe}&client_assertion=a.b.c")),
        ] {
            assert_eq!(body(&client), told);
            assert!(prepared(&client).authorization().is_none());
        }
        assert_eq!(body(&ClientAuth::basic("i", "s")), "");
    }
}
