//! The gateway of the examples, with the clients and the keys that the real servers have.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::{
    authority::{PASSWORD, TRUSTED, USER},
    running::key_file,
    support::{self, Options, Regime},
};

pub(super) type Gateway = support::Running;

/// What it calls itself.
pub(super) const ISSUER: &str = "https://gateway.example";

pub(super) async fn start() -> Gateway {
    let options = Options::new(Regime::Beside).user(USER, PASSWORD).client("app", "appsecret");
    let clients = ["es256", "rs256", "ps256", "eddsa", "hs256"];
    support::start(options.trust(ISSUER, &clients, &[TRUSTED], verify)).await.unwrap()
}

/// The claims of a JWT that is signed by whom it says, with the algorithm that this one is registered for.
fn verify(jwt: &str) -> Option<Value> {
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(jwt).ok()?;
    let (algorithm, key) = match claims["iss"].as_str()? {
        "es256" | TRUSTED => (Algorithm::ES256, DecodingKey::from_ec_der(&end_of("ec.pub", 65))),
        "eddsa" => (Algorithm::EdDSA, DecodingKey::from_ed_der(&end_of("ed.pub", 32))),
        "rs256" => (Algorithm::RS256, DecodingKey::from_rsa_der(&end_of("rsa.pub", 270))),
        "ps256" => (Algorithm::PS256, DecodingKey::from_rsa_der(&end_of("rsa.pub", 270))),
        "hs256" => (Algorithm::HS256, DecodingKey::from_secret(key_file("secret").as_bytes()).ok()?),
        _ => return None,
    };
    // The gateway itself looks at the claims.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    decode_header(jwt).ok().filter(|header| header.alg == algorithm)?;
    Some(decode(jwt, &key, &validation).ok()?.claims)
}

/// The key itself stands at the end of a public key's PEM: a point of P-256, one of Ed25519, or an RSA key of 2048 bits.
fn end_of(name: &str, bytes: usize) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let base64: String = key_file(name).lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(base64).unwrap();
    der[der.len() - bytes..].to_vec()
}
