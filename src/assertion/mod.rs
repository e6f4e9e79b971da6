//! Signed JWTs by which a client authenticates, or asks for tokens (RFC 7521, RFC 7523).
//!
//! 1. Each token request gets an assertion of its own, with a `jti` and an `iat` of its own.
//! 2. The audience is one string: the issuer. The endpoint's address is the audience only where that was asked for by name:
//!    a server that names another one's endpoint could use the assertion there (CVE-2025-27370).

mod id;
#[cfg(feature = "jwt-no-provider")]
mod key;
mod signer;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

#[cfg(feature = "jwt-no-provider")]
pub use self::key::{JwtAlgorithm, JwtKey, JwtKeySource};
#[cfg(not(feature = "dpop"))]
use self::signer::DynSigner;
pub use self::signer::Signer;
#[cfg(feature = "dpop")]
pub(crate) use self::{id::next as next_id, key::private_key, signer::DynSigner};
use crate::error::{Error, ErrorKind};

const LIFETIME: Duration = Duration::from_secs(60);

/// A signed JWT ([RFC 7523](https://www.rfc-editor.org/rfc/rfc7523)): made and signed anew for each token request.
///
/// It authenticates a client ([`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt)), or asks for tokens
/// ([`JwtBearerGrant::signed`](crate::JwtBearerGrant::signed)). The header holds `alg`, `typ` and, where the key has an id, `kid`.
/// The claims are:
///
/// | claim | value |
/// | --- | --- |
/// | `iss`, `sub` | [`issuer`](Assertion::issuer), [`subject`](Assertion::subject); of a client both are its id |
/// | `aud` | the issuer of the token endpoint, as one string; see [`audience`](Assertion::audience) |
/// | `iat`, `exp` | now, and after the [`lifetime`](Assertion::lifetime) |
/// | `jti` | 128 random bits |
///
/// The issuer is known where the endpoint was [discovered](crate::TokenEndpoint::discover), or was told it
/// ([`TokenEndpoint::issuer`](crate::TokenEndpoint::issuer)). A key by itself is an assertion with all defaults.
///
/// If the server refuses an assertion, and the `Date` of its answer says that the clocks differ by more than 30 s, the session
/// signs another one by the server's clock and sends that at once. The log says so.
///
#[cfg_attr(feature = "jwt-no-provider", doc = "```no_run")]
#[cfg_attr(not(feature = "jwt-no-provider"), doc = "```ignore")]
/// use std::time::Duration;
/// use tower_reauth::{Assertion, ClientAuth, JwtAlgorithm, JwtKey};
///
/// # fn with(pem: secrecy::SecretString) -> Result<(), tower_reauth::Error> {
/// let key = JwtKey::from_pem(JwtAlgorithm::ES256, pem)?.key_id("2026-11");
/// let client = ClientAuth::private_key_jwt("billing", key.clone());
/// // Or, with settings of its own:
/// let assertion = Assertion::new(key).typ("client-authentication+jwt").lifetime(Duration::from_secs(30));
/// let client = ClientAuth::private_key_jwt("billing", assertion);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Assertion {
    signer: Arc<dyn DynSigner>,
    issuer: Option<Box<str>>,
    subject: Option<Box<str>>,
    audience: Audience,
    typ: Box<str>,
    lifetime: Duration,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

#[derive(Clone, Debug)]
enum Audience {
    Issuer,
    Endpoint,
    Other(Box<str>),
}

/// Whom an assertion is for.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    /// Where it is known.
    pub(crate) issuer: Option<&'a str>,
    /// The address that the request goes to.
    pub(crate) endpoint: &'a str,
    /// The time of day by the server's clock.
    pub(crate) now: SystemTime,
}

impl Assertion {
    /// A JWT that is signed by this key, or by whatever keeps it.
    pub fn new(signer: impl Signer) -> Self {
        Self::of(Arc::new(signer))
    }

    fn of(signer: Arc<dyn DynSigner>) -> Self {
        Self {
            signer,
            issuer: None,
            subject: None,
            audience: Audience::Issuer,
            typ: "JWT".into(),
            lifetime: LIFETIME,
            header: Map::new(),
            claims: Map::new(),
        }
    }

    /// `iss`: who signs. Default: for client authentication the client's id, else none.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// `sub`: who the tokens are for. Default: for client authentication the client's id, else none.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// `aud`, one string. Default: the issuer of the token endpoint.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audience = Audience::Other(audience.into());
        self
    }

    /// Makes `aud` the address that the request goes to, for servers that insist on it: that of the token endpoint, or of the
    /// revocation.
    ///
    /// A server whose metadata names the endpoint of another one gets an assertion that is good there. So use it only for an
    /// endpoint that you know, and not with several authorization servers.
    #[must_use]
    pub fn audience_is_endpoint(mut self) -> Self {
        self.audience = Audience::Endpoint;
        self
    }

    /// `typ` in the header. Default: `JWT`.
    #[must_use]
    pub fn typ(mut self, typ: impl Into<Box<str>>) -> Self {
        self.typ = typ.into();
        self
    }

    /// From `iat` to `exp`, in whole seconds. Default: 60 s. Servers commonly refuse more than 5 min to 1 h.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Adds a parameter to the header, such as `x5t#S256`, the thumbprint of a certificate that Entra ID asks for. It takes the place
    /// of one of the same name, except `alg`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Adds a claim. It takes the place of one of the same name in the table above.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Of a client: `iss` and `sub` are its id, where they are not something else.
    pub(crate) fn of_client(mut self, id: &str) -> Self {
        self.issuer.get_or_insert_with(|| id.into());
        self.subject.get_or_insert_with(|| id.into());
        self
    }

    /// Tells what differs where something else is asserted. Who signs is told by the claims.
    pub(crate) fn mark(&self, tell: &mut impl FnMut(&str)) {
        tell(&format!("{self:?}"));
        tell(self.subject.as_deref().unwrap_or_default());
        tell(&encode(&self.header));
        tell(&encode(&self.claims));
    }

    /// Signs a JWT for this server.
    ///
    /// # Errors
    /// Says that nothing was sent: the audience is not known, or the key could not be used.
    pub(crate) async fn sign(&self, server: Server<'_>) -> Result<SecretString, Error> {
        let audience = match &self.audience {
            Audience::Other(audience) => audience,
            Audience::Endpoint => server.endpoint,
            Audience::Issuer => server.issuer.ok_or_else(no_audience)?,
        };
        let signer = self.signer.ready().await.map_err(Error::not_sent)?;
        let mut header = Map::from_iter([("typ".to_owned(), Value::from(&*self.typ))]);
        if let Some(id) = signer.key_id() {
            header.insert("kid".into(), id.into());
        }
        header.extend(self.header.clone());
        header.insert("alg".into(), signer.algorithm().into());
        let now = server.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut claims = Map::from_iter([
            ("aud".to_owned(), Value::from(audience)),
            ("iat".to_owned(), now.into()),
            ("exp".to_owned(), now.saturating_add(self.lifetime.as_secs()).into()),
            ("jti".to_owned(), id::next().into()),
        ]);
        let named = [("iss", &self.issuer), ("sub", &self.subject)];
        claims.extend(
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.as_deref()?)))),
        );
        claims.extend(self.claims.clone());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = Zeroizing::new(signer.sign(message.as_bytes()).await.map_err(Error::not_sent)?);
        // As large as it becomes, since a string that grows leaves its old content behind, and so does one that shrinks. Only with its
        // signature is it a secret (invariant 9).
        let signature = Zeroizing::new(Base64UrlUnpadded::encode_string(&signature));
        let mut text = String::with_capacity(message.len() + 1 + signature.len());
        text.extend([&message, ".", &signature]);
        Ok(text.into())
    }
}

fn encode(members: &Map<String, Value>) -> String {
    Base64UrlUnpadded::encode_string(Value::Object(members.clone()).to_string().as_bytes())
}

fn no_audience() -> Error {
    let why = "not sent, since the assertion has no audience: tell the issuer to the endpoint by `TokenEndpoint::issuer` or \
               `TokenEndpoint::discover`, or set `Assertion::audience`";
    Error::new(ErrorKind::Invalid, why).not_sent()
}

impl<S: Signer> From<S> for Assertion {
    fn from(signer: S) -> Self {
        Self::new(signer)
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("typ", &self.typ)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
