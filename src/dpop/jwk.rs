//! A public key as a JWK: the members that make it the key it is (RFC 7638 §3.2), and no others.

use hmac_sha256::Hash;
use serde_json::{Map, Value};

use super::proof::base64;
use crate::error::{Error, ErrorKind};

/// The members in the order of their names, without blanks: this very text is hashed.
pub(crate) struct PublicJwk(Map<String, Value>);

impl PublicJwk {
    pub(super) fn new<const N: usize>(members: [(&str, String); N]) -> Self {
        Self(members.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect())
    }

    /// Of a text that may have more members, such as `kid`; a private one is refused.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let jwk: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| invalid("it is no JWK: a JSON object is needed"))?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name)) {
            return Err(invalid("it holds the private key: it would be sent with every request"));
        }
        let names: &[&str] = match jwk.get("kty").and_then(Value::as_str) {
            Some("EC") => &["crv", "kty", "x", "y"],
            Some("OKP") => &["crv", "kty", "x"],
            Some("RSA") => &["e", "kty", "n"],
            _ => return Err(invalid("its `kty` is missing, or is not known here")),
        };
        let member = |name: &&str| match jwk.get(*name) {
            Some(Value::String(value)) if !value.is_empty() => Ok(((*name).to_owned(), value.clone().into())),
            _ => Err(invalid(&format!("its member `{name}` is missing"))),
        };
        Ok(Self(names.iter().map(member).collect::<Result<_, _>>()?))
    }

    /// Whether signatures of this algorithm can be this key's, as far as algorithms are known here (RFC 7518 §3.1, RFC 8037 §3.1,
    /// RFC 9864).
    pub(super) fn is_for(&self, algorithm: &str) -> bool {
        let member = |name| self.0.get(name).and_then(Value::as_str);
        let is = (member("kty"), member("crv"));
        match algorithm {
            "ES256" => is == (Some("EC"), Some("P-256")),
            "ES384" => is == (Some("EC"), Some("P-384")),
            "ES512" => is == (Some("EC"), Some("P-521")),
            "Ed25519" => is == (Some("OKP"), Some("Ed25519")),
            "EdDSA" => matches!(is, (Some("OKP"), Some("Ed25519" | "Ed448"))),
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => is.0 == Some("RSA"),
            _ => true,
        }
    }

    /// RFC 7638 §3, with SHA-256.
    pub(crate) fn thumbprint(&self) -> String {
        base64(&Hash::hash(Value::Object(self.0.clone()).to_string().as_bytes()))
    }

    /// Whether this key has signed the message: for the servers of tests.
    #[cfg(feature = "testing")]
    pub(crate) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        use base64ct::{Base64UrlUnpadded, Encoding};
        use p256::ecdsa::signature::Verifier as _;

        let bytes = |name| Base64UrlUnpadded::decode_vec(self.0.get(name)?.as_str()?).ok();
        let is_good = || match (algorithm, self.0.get("crv")?.as_str()?) {
            ("ES256", "P-256") => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
                key.verify(message, &p256::ecdsa::Signature::from_slice(signature).ok()?).ok()
            }
            ("EdDSA", "Ed25519") => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes("x")?.try_into().ok()?).ok()?;
                key.verify(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
            }
            _ => None,
        };
        is_good().is_some()
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the public key cannot be used: {why}"))
}
