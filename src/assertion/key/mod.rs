//! Keys in memory: from PEM or JWK, fixed or read anew for each signature.

mod jwk;
mod pem;

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, crypto::CryptoProvider};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Assertion, Signer,
    signer::{DynSigner, Ready, Signed},
};
use crate::{
    error::{Error, ErrorKind},
    secret::SecretSource,
};

/// How a [`JwtKey`] signs ([RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; keys of 2,048 bits or more.
    RS256,
    /// RSASSA-PSS with SHA-256; keys of 2,048 bits or more.
    PS256,
    /// Ed25519 ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)).
    EdDSA,
    /// HMAC with SHA-256: the key is a secret that the server knows as well.
    HS256,
}

/// A private key, or a shared secret, that signs [assertions](crate::Assertion) (feature `jwt`). Clones are cheap copies; each is
/// wiped when it is dropped.
///
/// ```no_run
/// use tower_reauth::{JwtAlgorithm, JwtKey};
///
/// let pem = std::fs::read_to_string("billing.pem")?;
/// let key = JwtKey::from_pem(JwtAlgorithm::RS256, pem)?.key_id("2026-11");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct JwtKey {
    algorithm: JwtAlgorithm,
    key: EncodingKey,
    id: Option<Box<str>>,
}

/// A key that may change: its PEM or JWK text is read for each signature, from a file or a closure. A new key is used without a
/// restart.
///
/// ```
/// use tower_reauth::{ClientAuth, JwtAlgorithm, JwtKeySource, SecretSource};
///
/// let key = JwtKeySource::new(JwtAlgorithm::ES256, SecretSource::file("/run/secrets/billing.jwk"));
/// let client = ClientAuth::private_key_jwt("billing", key);
/// ```
///
/// A file that cannot be read, or that holds no such key, is an error that names the file. Nothing is sent, and it is read again
/// after the session's pause. A JWK brings its key id along; for PEM there is none.
#[derive(Clone, Debug)]
pub struct JwtKeySource {
    algorithm: JwtAlgorithm,
    source: SecretSource,
}

/// Private keys as other rooms read them: PKCS #8, by what was checked here.
#[cfg(feature = "dpop")]
pub(crate) mod private_key {
    use zeroize::Zeroizing;

    use super::{JwtAlgorithm, jwk, pem, start};
    use crate::error::Error;

    pub(crate) fn of_pem(algorithm: JwtAlgorithm, text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        pem::read(algorithm, text).map(|key| Zeroizing::new(key.as_bytes().to_vec()))
    }

    pub(crate) fn of_jwk(algorithm: JwtAlgorithm, text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        jwk::read(algorithm, start(text)).map(|(key, _)| Zeroizing::new(key.as_bytes().to_vec()))
    }
}

impl JwtKey {
    /// A key in PEM: PKCS #8 (`PRIVATE KEY`), PKCS #1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), unencrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with what is wrong: not a private key, encrypted, of another kind than the algorithm needs, damaged;
    /// or there is no provider of cryptography (feature `jwt-no-provider`).
    pub fn from_pem(algorithm: JwtAlgorithm, pem: impl Into<SecretString>) -> Result<Self, Error> {
        let key = pem::read(algorithm, pem.into().expose_secret())?;
        Self::new(algorithm, key, None)
    }

    /// A key as a JWK with its private members ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)). Its `kid` becomes the key id.
    ///
    /// # Errors
    /// As [`from_pem`](JwtKey::from_pem).
    pub fn from_jwk(algorithm: JwtAlgorithm, jwk: impl Into<SecretString>) -> Result<Self, Error> {
        let (key, id) = jwk::read(algorithm, start(jwk.into().expose_secret()))?;
        Self::new(algorithm, key, id)
    }

    /// A secret that the server knows as well, for [`JwtAlgorithm::HS256`]. OpenID Connect takes the client's secret for it: see
    /// [`ClientAuth::client_secret_jwt`](crate::ClientAuth::client_secret_jwt).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is empty, or there is no provider of cryptography.
    pub fn from_secret(secret: impl Into<SecretString>) -> Result<Self, Error> {
        let key = EncodingKey::from_secret(secret.into().expose_secret().as_bytes());
        Self::new(JwtAlgorithm::HS256, key.map_err(|_| invalid("it is empty"))?, None)
    }

    /// `kid`: by this name the server finds the public key. Default: that of a JWK, else none.
    #[must_use]
    pub fn key_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What can't sign is told here, and not in the middle of the night.
    fn new(algorithm: JwtAlgorithm, key: EncodingKey, id: Option<Box<str>>) -> Result<Self, Error> {
        let key = Self { algorithm, key, id };
        key.signature(b"")?;
        Ok(key)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signer = (provider()?.signer_factory)(&self.algorithm.known(), &self.key);
        let signature = signer.and_then(|signer| Ok(signer.try_sign(message)?));
        signature.map_err(|error| invalid("it cannot sign").with_source(error))
    }
}

impl JwtKeySource {
    /// A key whose text is read for each signature. For [`JwtAlgorithm::HS256`] the text is the secret itself.
    pub fn new(algorithm: JwtAlgorithm, source: impl Into<SecretSource>) -> Self {
        Self { algorithm, source: source.into() }
    }

    async fn read(&self) -> Result<JwtKey, Error> {
        let text = self.source.read().await?;
        let key = match self.algorithm {
            JwtAlgorithm::HS256 => JwtKey::from_secret(text),
            algorithm if start(text.expose_secret()).starts_with('{') => JwtKey::from_jwk(algorithm, text),
            algorithm => JwtKey::from_pem(algorithm, text),
        };
        key.map_err(|error| {
            let what = format!("not sent, since the key from {} cannot be used", self.source.place());
            Error::new(ErrorKind::Secret, what).with_source(error).not_sent()
        })
    }
}

/// Where a text begins: behind blanks, and a byte order mark, as Windows writes it.
fn start(text: &str) -> &str {
    text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

/// That of the program, where it has chosen one; else our own. Nothing here may panic for want of a choice.
fn provider() -> Result<&'static CryptoProvider, Error> {
    #[cfg(feature = "jwt")]
    let ours = Some(&jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER);
    #[cfg(not(feature = "jwt"))]
    let ours = None;
    CryptoProvider::try_get_default().or(ours).ok_or_else(|| {
        let why = "there is no cryptography to sign with: use the feature `jwt`, or enable `rust_crypto` or `aws_lc_rs` of the crate \
                   `jsonwebtoken`";
        Error::new(ErrorKind::Invalid, why)
    })
}

/// A message holds nothing of the key.
fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the key cannot be used: {why}"))
}

impl JwtAlgorithm {
    fn known(self) -> Algorithm {
        match self {
            Self::ES256 => Algorithm::ES256,
            Self::RS256 => Algorithm::RS256,
            Self::PS256 => Algorithm::PS256,
            Self::EdDSA => Algorithm::EdDSA,
            Self::HS256 => Algorithm::HS256,
        }
    }
}

impl Signer for JwtKey {
    fn algorithm(&self) -> &str {
        match self.algorithm {
            JwtAlgorithm::ES256 => "ES256",
            JwtAlgorithm::RS256 => "RS256",
            JwtAlgorithm::PS256 => "PS256",
            JwtAlgorithm::EdDSA => "EdDSA",
            JwtAlgorithm::HS256 => "HS256",
        }
    }

    fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signature(message)
    }
}

impl Signed for JwtKey {
    fn algorithm(&self) -> &str {
        Signer::algorithm(self)
    }

    fn key_id(&self) -> Option<&str> {
        Signer::key_id(self)
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Ready<'a, Vec<u8>> {
        Box::pin(Signer::sign(self, message))
    }
}

impl DynSigner for JwtKeySource {
    fn ready(&self) -> Ready<'_, Box<dyn Signed + '_>> {
        Box::pin(async move { Ok(Box::new(self.read().await?) as Box<dyn Signed + '_>) })
    }
}

impl From<JwtKeySource> for Assertion {
    fn from(source: JwtKeySource) -> Self {
        Self::of(std::sync::Arc::new(source))
    }
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("algorithm", &self.algorithm).field("key_id", &self.id).finish_non_exhaustive()
    }
}
