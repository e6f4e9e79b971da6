//! A private key as a JWK (RFC 7518 §6, RFC 8037 §2).

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::EncodingKey;
use pkcs1::RsaPrivateKey;
use pkcs8::{SecretDocument, der::asn1::UintRef};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{JwtAlgorithm, invalid, pem};
use crate::error::Error;

/// The text members of a JWK. What else there is does not matter here.
struct Members<'a>(BTreeMap<&'a str, &'a RawValue>);

pub(super) fn read(algorithm: JwtAlgorithm, jwk: &str) -> Result<(EncodingKey, Option<Box<str>>), Error> {
    let members = Members(serde_json::from_str(jwk).map_err(|_| invalid("it is no JWK: a JSON object is needed"))?);
    let id = members.text("kid").map(|id| id.as_str().into());
    let key = match members.text("kty").as_ref().map(|kind| kind.as_str()) {
        Some("EC") => ec(algorithm, &members),
        Some("OKP") => okp(algorithm, &members),
        Some("RSA") => rsa(algorithm, &members),
        Some("oct") if algorithm == JwtAlgorithm::HS256 => {
            EncodingKey::from_secret(&members.bytes("k")?).map_err(|_| invalid("its member `k` is empty"))
        }
        Some("oct") => Err(invalid("it is a shared secret, which needs HS256")),
        Some(_) => Err(invalid("its `kty` is not known here")),
        None => Err(invalid("its member `kty` is missing: perhaps it is a set of keys, or something else")),
    };
    Ok((key?, id))
}

fn ec(algorithm: JwtAlgorithm, members: &Members<'_>) -> Result<EncodingKey, Error> {
    if members.text("crv").as_ref().map(|curve| curve.as_str()) != Some("P-256") {
        return Err(invalid("its curve is another one than P-256"));
    }
    let secret = members.bytes("d")?;
    let (x, y) = (members.bytes("x")?, members.bytes("y")?);
    // SEC 1 §2.3.3: an uncompressed point.
    let mut point = vec![0x04];
    point.extend_from_slice(&x);
    point.extend_from_slice(&y);
    let key = sec1::EcPrivateKey { private_key: &secret, parameters: None, public_key: Some(&point) };
    let document = SecretDocument::encode_msg(&key).map_err(|_| damaged())?;
    pem::p256(algorithm, document.as_bytes())
}

fn okp(algorithm: JwtAlgorithm, members: &Members<'_>) -> Result<EncodingKey, Error> {
    if members.text("crv").as_ref().map(|curve| curve.as_str()) != Some("Ed25519") {
        return Err(invalid("its curve is another one than Ed25519"));
    }
    pem::ed25519(algorithm, &members.bytes("d")?)
}

fn rsa(algorithm: JwtAlgorithm, members: &Members<'_>) -> Result<EncodingKey, Error> {
    let [n, e, d, p, q, dp, dq, qi] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(|name| members.bytes(name));
    let (n, e, d, p, q, dp, dq, qi) = (n?, e?, d?, p?, q?, dp?, dq?, qi?);
    let number = |bytes| UintRef::new(bytes).map_err(|_| damaged());
    let key = RsaPrivateKey {
        modulus: number(&n)?,
        public_exponent: number(&e)?,
        private_exponent: number(&d)?,
        prime1: number(&p)?,
        prime2: number(&q)?,
        exponent1: number(&dp)?,
        exponent2: number(&dq)?,
        coefficient: number(&qi)?,
        other_prime_infos: None,
    };
    let document = SecretDocument::encode_msg(&key).map_err(|_| damaged())?;
    pem::rsa(algorithm, document.as_bytes())
}

impl Members<'_> {
    fn text(&self, name: &str) -> Option<Zeroizing<String>> {
        serde_json::from_str(self.0.get(name)?.get()).ok().map(Zeroizing::new)
    }

    fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let missing = || {
            let what = if name == "d" { "its member `d` is missing: it is a public key" } else { "" };
            if what.is_empty() { invalid(&format!("its member `{name}` is missing")) } else { invalid(what) }
        };
        let text = self.text(name).ok_or_else(missing)?;
        let mut bytes = Zeroizing::new(vec![0; text.len()]);
        let length = Base64UrlUnpadded::decode(text.trim_end_matches('='), &mut bytes)
            .map_err(|_| invalid(&format!("its member `{name}` is no base64url")))?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn damaged() -> Error {
    invalid("its numbers make no key")
}
