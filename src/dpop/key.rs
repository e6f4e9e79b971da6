//! The key that a session proves to have.

use std::{fmt, sync::Arc};

use p256::ecdsa::signature::Signer as _;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{jwk::PublicJwk, proof::base64};
use crate::{
    assertion::{DynSigner, JwtAlgorithm, Signer, private_key},
    error::{Error, ErrorKind},
};

/// The key that a session's tokens are bound to, for [`SessionBuilder::dpop`](crate::SessionBuilder::dpop) (feature `dpop`,
/// [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)). Clones are cheap and share the key, which is wiped when the last one is
/// dropped.
///
/// ```
/// use tower_reauth::{DpopKey, Session, TokenSet, grant_fn};
///
/// let key = DpopKey::generate()?;
/// // For the authorization request (`dpop_jkt`), and for comparing.
/// assert_eq!(key.thumbprint().len(), 43);
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    signing: Signing,
    /// That of every proof, encoded.
    header: Box<str>,
    thumbprint: Box<str>,
}

enum Signing {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// And how long its signatures are, where that is known.
    Elsewhere(Box<dyn DynSigner>, Option<usize>),
}

impl DpopKey {
    /// A new key for ES256, which every server with DPoP knows.
    ///
    /// # Errors
    /// As [`generate_with`](DpopKey::generate_with).
    pub fn generate() -> Result<Self, Error> {
        Self::generate_with(JwtAlgorithm::ES256)
    }

    /// A new key for [`ES256`](JwtAlgorithm::ES256) or [`EdDSA`](JwtAlgorithm::EdDSA).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for another algorithm; [`ErrorKind::Dpop`] if the operating system has no randomness.
    pub fn generate_with(algorithm: JwtAlgorithm) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(seed.as_mut_slice()).map_err(|error| {
                Error::new(ErrorKind::Dpop, "there is no randomness for a new key").with_source(error).not_sent()
            })?;
            match algorithm {
                // One in 2^32 is no key of the curve.
                JwtAlgorithm::ES256 => {
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_slice()) {
                        return Ok(Self::p256(key));
                    }
                }
                JwtAlgorithm::EdDSA => return Ok(Self::ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))),
                other => return Err(other_algorithm(other)),
            }
        }
    }

    /// A key in PEM, as [`JwtKey::from_pem`](crate::JwtKey::from_pem) reads it: of P-256 for ES256, of Ed25519 for EdDSA.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], with what is wrong: not a private key, encrypted, of another kind than the algorithm needs, damaged,
    /// or another algorithm than those two.
    pub fn from_pem(algorithm: JwtAlgorithm, pem: impl Into<SecretString>) -> Result<Self, Error> {
        Self::read(algorithm, &pem.into(), private_key::of_pem)
    }

    /// A key as a JWK with its private member `d`.
    ///
    /// # Errors
    /// As [`from_pem`](DpopKey::from_pem).
    pub fn from_jwk(algorithm: JwtAlgorithm, jwk: impl Into<SecretString>) -> Result<Self, Error> {
        Self::read(algorithm, &jwk.into(), private_key::of_jwk)
    }

    /// A key that lives elsewhere: in a KMS, an HSM or an agent. `public_jwk` is its public key as a JWK; of it go into the proofs
    /// only the members that make the key (RFC 7638 §3.2).
    ///
    /// It signs once for each attempt of each request.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: the JWK is none, holds a private key, or is of a type that is not known here; or the algorithm is none
    /// that a public key verifies, or not one for this key.
    ///
    /// Later, [`ErrorKind::Dpop`] for a signature of another form than JWS has (RFC 7518 §3.4): for ES256 R and S in 64 bytes. Many
    /// KMS give DER, which the signer has to turn into that.
    pub fn from_signer(signer: impl Signer, public_jwk: &str) -> Result<Self, Error> {
        let jwk = PublicJwk::read(public_jwk)?;
        let algorithm = Signer::algorithm(&signer).to_owned();
        // RFC 9449 §4.2: `none`, and what is signed by a shared secret, proves nothing.
        if algorithm.is_empty() || algorithm.starts_with("HS") || algorithm.eq_ignore_ascii_case("none") {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a DPoP key needs an algorithm whose signatures a public key verifies",
            ));
        }
        if !jwk.is_for(&algorithm) {
            let why = format!("the public key is not one for {algorithm}: its `kty` or `crv` is another");
            return Err(Error::new(ErrorKind::Invalid, why));
        }
        let length = match algorithm.as_str() {
            "ES256" => Some(64),
            "ES384" => Some(96),
            "ES512" => Some(132),
            _ => None,
        };
        Ok(Self::new(Signing::Elsewhere(Box::new(signer), length), &algorithm, jwk))
    }

    /// The thumbprint of the public key ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638), SHA-256, base64url): `jkt` in tokens,
    /// `dpop_jkt` in authorization requests ([RFC 9449 §10](https://www.rfc-editor.org/rfc/rfc9449#section-10)).
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    fn read(
        algorithm: JwtAlgorithm,
        text: &SecretString,
        read: impl Fn(JwtAlgorithm, &str) -> Result<Zeroizing<Vec<u8>>, Error>,
    ) -> Result<Self, Error> {
        use ed25519_dalek::pkcs8::DecodePrivateKey as _;

        let damaged = |_| Error::new(ErrorKind::Invalid, "the key cannot be used: it is damaged");
        match algorithm {
            JwtAlgorithm::ES256 => {
                let der = read(algorithm, text.expose_secret())?;
                Ok(Self::p256(p256::ecdsa::SigningKey::from_pkcs8_der(&der).map_err(damaged)?))
            }
            JwtAlgorithm::EdDSA => {
                let der = read(algorithm, text.expose_secret())?;
                Ok(Self::ed25519(ed25519_dalek::SigningKey::from_pkcs8_der(&der).map_err(damaged)?))
            }
            other => Err(other_algorithm(other)),
        }
    }

    fn p256(key: p256::ecdsa::SigningKey) -> Self {
        let point = key.verifying_key().to_sec1_point(false);
        let [x, y] = [point.x(), point.y()].map(|number| number.map(|number| base64(number)).unwrap_or_default());
        let jwk = PublicJwk::new([("crv", "P-256".into()), ("kty", "EC".into()), ("x", x), ("y", y)]);
        Self::new(Signing::P256(key), "ES256", jwk)
    }

    fn ed25519(key: ed25519_dalek::SigningKey) -> Self {
        let x = base64(key.verifying_key().as_bytes());
        let jwk = PublicJwk::new([("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", x)]);
        Self::new(Signing::Ed25519(key), "EdDSA", jwk)
    }

    fn new(signing: Signing, algorithm: &str, jwk: PublicJwk) -> Self {
        let thumbprint = jwk.thumbprint().into();
        let header = Map::from_iter([
            ("typ".to_owned(), Value::from("dpop+jwt")),
            ("alg".to_owned(), algorithm.into()),
            ("jwk".to_owned(), jwk.into_value()),
        ]);
        let header = base64(Value::Object(header).to_string().as_bytes()).into();
        Self(Arc::new(Inner { signing, header, thumbprint }))
    }

    pub(super) fn header(&self) -> &str {
        &self.0.header
    }

    /// Whether it is in memory.
    pub(super) fn is_here(&self) -> bool {
        !matches!(self.0.signing, Signing::Elsewhere(..))
    }

    /// Signs; a key in memory at once.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Dpop, "not sent, since the key did not sign a proof").with_source(error).not_sent()
        };
        match &self.0.signing {
            Signing::P256(key) => {
                let signature: Result<p256::ecdsa::Signature, _> = key.try_sign(message);
                Ok(signature.map_err(|error| failed(error.into()))?.to_bytes().to_vec())
            }
            Signing::Ed25519(key) => {
                Ok(key.try_sign(message).map_err(|error| failed(error.into()))?.to_bytes().to_vec())
            }
            Signing::Elsewhere(signer, length) => {
                let signer = signer.ready().await.map_err(|error| failed(error.into()))?;
                let signature = signer.sign(message).await.map_err(|error| failed(error.into()))?;
                match length {
                    Some(length) if signature.len() != *length => {
                        let given = signature.len();
                        let why = format!(
                            "the signer gave {given} bytes, and not R and S in {length} bytes (RFC 7518 §3.4): it may be DER"
                        );
                        Err(failed(why.into()))
                    }
                    _ => Ok(signature),
                }
            }
        }
    }
}

fn other_algorithm(algorithm: JwtAlgorithm) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("a DPoP key is for ES256 or EdDSA, not for {algorithm:?}; `DpopKey::from_signer` takes others"),
    )
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey").field("thumbprint", &self.0.thumbprint).finish_non_exhaustive()
    }
}
