//! Proofs at the token endpoint (RFC 9449 §5 and §8), of every kind of credential: what is sent, which answers are taken, and what
//! outlives the process. The issuer of `testing` checks each proof.

mod bearer;
mod clocks;
mod grants;
mod nonces;
mod stored;

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::Value;
use tower_reauth::{DpopKey, JwtAlgorithm, Session, SessionBuilder};

use crate::support::*;

/// Those of RFC 7517 A.2 and RFC 8037 A.1.
const KEYS: [(JwtAlgorithm, &str); 2] = [
    (
        JwtAlgorithm::ES256,
        r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#,
    ),
    (
        JwtAlgorithm::EdDSA,
        r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ),
];

/// The same one each time.
fn kept_key() -> DpopKey {
    let (algorithm, jwk) = KEYS[1];
    DpopKey::from_jwk(algorithm, jwk).unwrap()
}

/// Another one each time.
fn new_key() -> DpopKey {
    DpopKey::generate_with(JwtAlgorithm::EdDSA).unwrap()
}

/// A session with a key, of this world's kind.
fn builder(world: &World) -> SessionBuilder<tower_reauth::BoxGrant> {
    Session::builder(world.grant()).dpop(new_key())
}

/// Runs a claim for every kind of credential, with an issuer that asks for proofs.
async fn for_every_bound(claim: impl AsyncFn(World)) {
    for_every_credential(async |world| {
        world.issuer.require_dpop();
        let session = builder(&world).build();
        claim(world.with_session(session)).await;
    })
    .await;
}

/// The claims of all proofs that the issuer has seen.
fn proofs(issuer: &Issuer) -> Vec<Value> {
    issuer.requests().iter().map(|request| request.proof().expect("each request has a proof")).collect()
}

fn nonces(issuer: &Issuer) -> Vec<Option<String>> {
    proofs(issuer).iter().map(|claims| claims["nonce"].as_str().map(str::to_owned)).collect()
}

/// The public keys that the proofs name.
fn keys(issuer: &Issuer) -> BTreeSet<String> {
    let key = |request: &TokenRequest| {
        let proof = request.headers["dpop"].to_str().unwrap().to_owned();
        let header: Value = serde_json::from_slice(&BASE64.decode(proof.split('.').next().unwrap()).unwrap()).unwrap();
        header["jwk"].to_string()
    };
    issuer.requests().iter().map(key).collect()
}

fn ask(nonce: &str) -> Answer {
    Answer::error(400, "use_dpop_nonce").header("dpop-nonce", nonce)
}
