//! A private key in PEM, and what kind of key it is.

use base64ct::{Base64, Encoding};
use jsonwebtoken::EncodingKey;
use pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument,
    der::{Decode, asn1::OctetStringRef},
};

use zeroize::Zeroizing;

use super::{JwtAlgorithm, invalid};
use crate::error::Error;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Keys that are shorter sign nothing that a server may take (RFC 7518 §3.3).
const RSA_BYTES: usize = 2048 / 8;

pub(super) fn read(algorithm: JwtAlgorithm, text: &str) -> Result<EncodingKey, Error> {
    // Variables of the environment hold `\n` instead of line breaks.
    let text = Zeroizing::new(text.replace("\\n", "\n"));
    let blocks = || text.split("-----BEGIN ").skip(1).filter_map(|rest| rest.split_once("-----"));
    // Certificates and parameters may stand before and after the key.
    let (label, rest) = blocks()
        .find(|(label, _)| label.ends_with("PRIVATE KEY"))
        .or_else(|| blocks().next())
        .ok_or_else(|| invalid("it is no PEM text: nothing begins with `-----BEGIN`"))?;
    let body = rest.split_once("-----END ").ok_or_else(cut_off)?.0;
    match label {
        "ENCRYPTED PRIVATE KEY" => return Err(encrypted()),
        _ if body.contains("Proc-Type:") => return Err(encrypted()),
        "CERTIFICATE" | "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            return Err(invalid("it is a certificate or a public key; the private key is needed"));
        }
        _ => {}
    }
    let mut der = Zeroizing::new(Vec::with_capacity(body.len()));
    der.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let length = Base64::decode_in_place(&mut der).map_err(|_| cut_off())?.len();
    der.truncate(length);
    match label {
        "PRIVATE KEY" => pkcs8(algorithm, &der),
        "RSA PRIVATE KEY" => rsa(algorithm, &der),
        "EC PRIVATE KEY" => sec1(algorithm, &der),
        _ => Err(invalid("its PEM text holds something else than a private key")),
    }
}

fn cut_off() -> Error {
    invalid("its PEM text is damaged or cut off")
}

fn encrypted() -> Error {
    invalid("it is encrypted: decrypt it first, for example with `openssl pkcs8`")
}

fn damaged() -> Error {
    invalid("it is damaged, or of a kind that is not known here")
}

fn other_kind(algorithm: JwtAlgorithm, is: &str) -> Error {
    let needs = match algorithm {
        JwtAlgorithm::ES256 => "a P-256 key",
        JwtAlgorithm::RS256 | JwtAlgorithm::PS256 => "an RSA key",
        JwtAlgorithm::EdDSA => "an Ed25519 key",
        JwtAlgorithm::HS256 => "a shared secret (`JwtKey::from_secret`)",
    };
    invalid(&format!("it is {is}, and {algorithm:?} needs {needs}"))
}

fn pkcs8(algorithm: JwtAlgorithm, der: &[u8]) -> Result<EncodingKey, Error> {
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| damaged())?;
    let curve = info.algorithm.parameters_oid().ok();
    match info.algorithm.oid {
        RSA => rsa(algorithm, info.private_key.as_bytes()),
        EC if curve == Some(P256) => match algorithm {
            JwtAlgorithm::ES256 => Ok(EncodingKey::from_ec_der(der)),
            _ => Err(other_kind(algorithm, "a P-256 key")),
        },
        EC => Err(other_kind(algorithm, "a key of another curve")),
        ED25519 => match algorithm {
            JwtAlgorithm::EdDSA => Ok(EncodingKey::from_ed_der(der)),
            _ => Err(other_kind(algorithm, "an Ed25519 key")),
        },
        _ => Err(other_kind(algorithm, "a key of another kind")),
    }
}

/// PKCS #1.
pub(super) fn rsa(algorithm: JwtAlgorithm, der: &[u8]) -> Result<EncodingKey, Error> {
    if !matches!(algorithm, JwtAlgorithm::RS256 | JwtAlgorithm::PS256) {
        return Err(other_kind(algorithm, "an RSA key"));
    }
    let key = pkcs1::RsaPrivateKey::<pkcs8::der::asn1::UintRef<'_>>::from_der(der).map_err(|_| damaged())?;
    if key.modulus.as_bytes().len() < RSA_BYTES {
        return Err(invalid("its RSA modulus is shorter than 2,048 bits"));
    }
    Ok(EncodingKey::from_rsa_der(der))
}

/// SEC 1, as older versions of openssl write it.
fn sec1(algorithm: JwtAlgorithm, der: &[u8]) -> Result<EncodingKey, Error> {
    let key = sec1::EcPrivateKey::try_from(der).map_err(|_| damaged())?;
    let curve = key.parameters.and_then(|parameters| parameters.named_curve());
    if curve.is_some_and(|curve| curve != P256) {
        return Err(other_kind(algorithm, "a key of another curve"));
    }
    p256(algorithm, der)
}

/// The same in PKCS #8.
pub(super) fn p256(algorithm: JwtAlgorithm, sec1: &[u8]) -> Result<EncodingKey, Error> {
    if algorithm != JwtAlgorithm::ES256 {
        return Err(other_kind(algorithm, "a P-256 key"));
    }
    let identifier = AlgorithmIdentifierRef { oid: EC, parameters: Some((&P256).into()) };
    wrapped(identifier, sec1).map(|document| EncodingKey::from_ec_der(document.as_bytes()))
}

/// The seed of an Ed25519 key (RFC 8032 §5.1.5).
pub(super) fn ed25519(algorithm: JwtAlgorithm, seed: &[u8]) -> Result<EncodingKey, Error> {
    if algorithm != JwtAlgorithm::EdDSA {
        return Err(other_kind(algorithm, "an Ed25519 key"));
    }
    let seed: &[u8; 32] = seed.try_into().map_err(|_| damaged())?;
    // RFC 8410 §7: an octet string within the octet string.
    let mut inner = Zeroizing::new(vec![0x04, 0x20]);
    inner.reserve_exact(seed.len());
    inner.extend_from_slice(seed);
    let identifier = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
    wrapped(identifier, &inner).map(|document| EncodingKey::from_ed_der(document.as_bytes()))
}

fn wrapped(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<SecretDocument, Error> {
    let key = OctetStringRef::new(key).map_err(|_| damaged())?;
    SecretDocument::try_from(PrivateKeyInfoRef::new(algorithm, key)).map_err(|_| damaged())
}
