//! What the servers ask of proofs (RFC 9449 §4.3).
//!
//! One key to a proof, which signed it; `typ`, `htm`, `htu`, `ath` and `iat` are as they should be; a `jti` is good once. With nonces
//! only the newest is good.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{DATE, HOST, WWW_AUTHENTICATE},
};
use serde_json::Value;

use crate::{clock, dpop};

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// In seconds: so much older, or newer, than the server's clock a proof may be.
const TOLERATED: i64 = 5;

/// What an issuer asks for.
#[derive(Default)]
pub(super) struct Proofs {
    pub(super) required: bool,
    pub(super) nonces: Option<Nonces>,
    /// By how many seconds the server's clock is ahead.
    pub(super) ahead: i64,
    seen: HashSet<String>,
}

/// The newest, and when there is another one.
pub(super) struct Nonces {
    pub(super) every: usize,
    number: usize,
    used: usize,
}

/// A request that is to be proved.
pub(super) struct Proved<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) token: Option<&'a str>,
}

impl Nonces {
    pub(super) fn every(requests: usize) -> Self {
        Self { every: requests.max(1), number: 1, used: 0 }
    }

    fn newest(&self) -> String {
        format!("nonce-{}", self.number)
    }

    fn turn(&mut self) {
        self.used += 1;
        if self.used >= self.every {
            (self.number, self.used) = (self.number + 1, 0);
        }
    }
}

impl Proofs {
    /// The thumbprint of the key, or the code of the refusal.
    pub(super) fn check(&mut self, proved: &Proved<'_>) -> Result<String, &'static str> {
        let refused = "invalid_dpop_proof";
        let (claims, thumbprint) = one(proved.headers).and_then(verified).ok_or(refused)?;
        let ath = proved.token.map(|token| base64(&hmac_sha256::Hash::hash(token.as_bytes())));
        let is_for_this = claims["htm"] == proved.method.as_str()
            && claims["htu"].as_str() == target(proved).as_deref()
            && claims.get("ath").and_then(Value::as_str) == ath.as_deref();
        if !is_for_this {
            return Err(refused);
        }
        if let Some(nonces) = &mut self.nonces {
            let is_newest = claims["nonce"] == nonces.newest().as_str();
            nonces.turn();
            if !is_newest {
                return Err("use_dpop_nonce");
            }
        }
        let now = self.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
        let is_dated = claims["iat"].as_i64().is_some_and(|at| (at - now).abs() <= TOLERATED);
        let id = claims["jti"].as_str().unwrap_or_default();
        if !is_dated || id.is_empty() || !self.seen.insert(id.to_owned()) {
            return Err(refused);
        }
        Ok(thumbprint)
    }

    /// What each answer says.
    pub(super) fn stamp<B>(&self, response: &mut Response<B>) {
        if !self.required {
            return;
        }
        let date = httpdate::fmt_http_date(self.now());
        let nonce = self.nonces.as_ref().map(Nonces::newest);
        for (name, value) in [(DATE, Some(date)), (NONCE, nonce)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().entry(name).or_insert(value);
            }
        }
    }

    fn now(&self) -> SystemTime {
        let difference = Duration::from_secs(self.ahead.unsigned_abs());
        if self.ahead < 0 { clock::date() - difference } else { clock::date() + difference }
    }
}

/// Rejects a token, or its proof ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
pub(super) fn rejection<B>(code: &str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    if let Ok(challenge) = HeaderValue::try_from(format!(r#"DPoP error="{code}", algs="ES256 EdDSA""#)) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The claims of the proof in these headers, unchecked.
pub(super) fn claims(headers: &HeaderMap) -> Option<Value> {
    part(one(headers)?.split('.').nth(1)?)
}

/// Where it went: over a socket the request itself has only the path.
fn target(proved: &Proved<'_>) -> Option<String> {
    let (scheme, authority) = match (proved.uri.scheme_str(), proved.uri.authority()) {
        (Some(scheme), Some(authority)) => (scheme, authority.as_str()),
        _ => ("http", proved.headers.get(HOST)?.to_str().ok()?),
    };
    Some(format!("{scheme}://{authority}{}", proved.uri.path()))
}

fn one(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("dpop").iter();
    values.next()?.to_str().ok().filter(|_| values.next().is_none())
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(text).ok()?).ok()
}

fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The claims of a proof, and the thumbprint of the key that signed it.
fn verified(proof: &str) -> Option<(Value, String)> {
    let (message, signature) = proof.rsplit_once('.')?;
    let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
    let (header, claims) = message.split_once('.')?;
    let header = part(header)?;
    if header["typ"] != "dpop+jwt" {
        return None;
    }
    let key = dpop::PublicJwk::read(&header["jwk"].to_string()).ok()?;
    let is_signed = key.verifies(header["alg"].as_str()?, message.as_bytes(), &signature);
    is_signed.then_some((part(claims)?, key.thumbprint()))
}
