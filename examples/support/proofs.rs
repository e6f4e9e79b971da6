//! Proofs that a client has the key which its token is bound to (RFC 9449): each is good once, and for one request.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, Uri, header::HOST};
use ring::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm},
};
use serde::Deserialize;
use serde_json::json;

pub(super) const ALGORITHMS: &str = "ES256 EdDSA";
/// Seconds that a proof may be old, or ahead.
const WINDOW: u64 = 60;
const INVALID: &str = "invalid_dpop_proof";

/// Reads proofs, each once.
pub(super) struct Proofs {
    nonce: Option<HeaderValue>,
    /// The thumbprint of each key with each `jti`.
    used: Mutex<HashSet<(String, String)>>,
}

#[derive(Deserialize)]
struct Head {
    typ: String,
    alg: String,
    jwk: Jwk,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    /// A private key has no place in a proof.
    d: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
    nonce: Option<String>,
}

impl Proofs {
    /// With `asks`, a proof needs the nonce that every answer carries (§8, §9).
    pub(super) fn new(asks: bool) -> Self {
        let nonce = asks.then(|| HeaderValue::from(fastrand::u64(..)));
        Self { nonce, used: Mutex::default() }
    }

    /// What every answer carries.
    pub(super) fn tell(&self, answer: &mut HeaderMap) {
        if let Some(nonce) = &self.nonce {
            answer.insert("dpop-nonce", nonce.clone());
        }
    }

    /// The thumbprint of the key that a request proves to have, if it brings a proof at all; else the code of an error. `token` is
    /// the access token of the request.
    pub(super) fn key(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<Option<String>, &'static str> {
        let mut proofs = headers.get_all("dpop").iter();
        let proof = match (proofs.next(), proofs.next()) {
            (None, _) => return Ok(None),
            (Some(proof), None) => proof.to_str().map_err(|_| INVALID)?,
            (Some(_), Some(_)) => return Err(INVALID),
        };
        let (thumbprint, claims) = read(proof).ok_or(INVALID)?;
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_for_this = claims.htm == method.as_str() && claims.htu == format!("http://{host}{}", uri.path());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_fresh = now.abs_diff(claims.iat) <= WINDOW;
        if !is_for_this || !is_fresh || claims.ath != token.map(|token| hash(token.as_bytes())) {
            return Err(INVALID);
        }
        let wanted = self.nonce.as_ref().map(HeaderValue::as_bytes);
        if wanted.is_some_and(|wanted| claims.nonce.as_deref().map(str::as_bytes) != Some(wanted)) {
            return Err("use_dpop_nonce");
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.insert((thumbprint.clone(), claims.jti)) { Ok(Some(thumbprint)) } else { Err(INVALID) }
    }
}

/// The thumbprint of the key, and the claims that it signed (§4.3).
fn read(proof: &str) -> Option<(String, Claims)> {
    let (message, signature) = proof.rsplit_once('.')?;
    let (head, claims) = message.split_once('.')?;
    let Head { typ, alg, jwk } = serde_json::from_slice(&decoded(head)?).ok()?;
    if typ != "dpop+jwt" || jwk.d.is_some() {
        return None;
    }
    let verify = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        UnparsedPublicKey::new(algorithm, key).verify(message.as_bytes(), &decoded(signature)?).ok()
    };
    let Jwk { kty, crv, x, y, .. } = &jwk;
    // RFC 7638 §3: the members that make the key, in this order and without spaces.
    let members = match (alg.as_str(), kty.as_str(), crv.as_str(), y) {
        ("ES256", "EC", "P-256", Some(y)) => {
            let point = [vec![4], decoded(x)?, decoded(y)?].concat();
            verify(&ECDSA_P256_SHA256_FIXED, &point)?;
            json!({ "crv": crv, "kty": kty, "x": x, "y": y })
        }
        ("EdDSA", "OKP", "Ed25519", None) => {
            verify(&ED25519, &decoded(x)?)?;
            json!({ "crv": crv, "kty": kty, "x": x })
        }
        _ => return None,
    };
    Some((hash(members.to_string().as_bytes()), serde_json::from_slice(&decoded(claims)?).ok()?))
}

fn hash(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
