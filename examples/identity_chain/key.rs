//! A key pair for signing JWTs by ES256.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::Value;
use tower_reauth::{JwtAlgorithm, JwtKey};

pub(crate) struct Key {
    id: &'static str,
    pkcs8: Vec<u8>,
    public: Public,
}

/// The half that a server knows.
#[derive(Clone)]
pub(crate) struct Public(DecodingKey);

impl Key {
    pub(crate) fn new(id: &'static str) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let unusable = |_| anyhow::anyhow!("no key could be made");
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(unusable)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
            .map_err(|_| anyhow::anyhow!("the key is of another kind"))?;
        // 4, then the two coordinates of the point.
        let point = pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..65]].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        let public = Public(DecodingKey::from_ec_components(&x, &y)?);
        Ok(Self { id, pkcs8: pkcs8.as_ref().to_vec(), public })
    }

    pub(crate) fn public(&self) -> Public {
        self.public.clone()
    }

    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> anyhow::Result<String> {
        let header = Header { typ: Some(typ.into()), kid: Some(self.id.into()), ..Header::new(Algorithm::ES256) };
        Ok(jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8))?)
    }

    /// The same key for the crate, from PEM as a program would have it.
    pub(crate) fn signer(&self) -> anyhow::Result<JwtKey> {
        let text = base64::engine::general_purpose::STANDARD.encode(&self.pkcs8);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Ok(JwtKey::from_pem(JwtAlgorithm::ES256, pem)?.key_id(self.id))
    }
}

impl Public {
    /// The claims of a JWT of this type, from this issuer and for this audience.
    pub(crate) fn verify(&self, jwt: &str, typ: &str, issuer: &str, audience: &str) -> anyhow::Result<Value> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = 0;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        let token = jsonwebtoken::decode::<Value>(jwt, &self.0, &validation)?;
        anyhow::ensure!(token.header.typ.as_deref() == Some(typ), "the JWT is of another type");
        Ok(token.claims)
    }
}
