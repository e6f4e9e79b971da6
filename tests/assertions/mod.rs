//! Clients that sign: what they send is verified as a server does it (RFC 7523), with keys of every kind, and with clocks that
//! differ. The keys are in `tests/keys`.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod clocks;
mod keys;

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::*;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::Jwk};
use serde_json::Value;
use tower_reauth::{
    Assertion, ClientAuth, ClientCredentialsGrant, Error, ErrorKind, JwtAlgorithm, JwtBearerGrant, JwtKey,
    JwtKeySource, PasswordGrant, RefreshTokenGrant, SecretSource, Session, Signer, TokenEndpoint,
};

const ISSUER: &str = "https://issuer.example/";
const CLIENT: &str = "billing";

fn key_text(name: &str) -> String {
    fs::read_to_string(Path::new("tests/keys").join(name)).unwrap()
}

/// Verifies as the server would, with the public half of a JWK.
fn verified(jwt: &str, algorithm: Algorithm, jwk: &str) -> Value {
    let jwk: Jwk = serde_json::from_str(&key_text(jwk)).unwrap();
    claims(jwt, algorithm, &DecodingKey::from_jwk(&jwk).unwrap())
}

fn claims(jwt: &str, algorithm: Algorithm, key: &DecodingKey) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
    decode::<Value>(jwt, key, &validation).unwrap().claims
}

fn endpoint(issuer: &Issuer, client: ClientAuth) -> TokenEndpoint {
    issuer.endpoint().issuer(ISSUER).client_auth(client)
}

fn session(issuer: &Issuer, client: ClientAuth) -> Session {
    Session::new(ClientCredentialsGrant::new(endpoint(issuer, client)))
}

fn sent(issuer: &Issuer) -> String {
    issuer.last_request().parameter("client_assertion").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_signs_what_a_server_can_verify() {
    for (algorithm, key, kid, known) in [
        (JwtAlgorithm::ES256, "ec", "ec-1", Algorithm::ES256),
        (JwtAlgorithm::RS256, "rsa", "rsa-1", Algorithm::RS256),
        (JwtAlgorithm::PS256, "rsa", "rsa-1", Algorithm::PS256),
        (JwtAlgorithm::EdDSA, "ed", "ed-1", Algorithm::EdDSA),
    ] {
        let from_pem = JwtKey::from_pem(algorithm, key_text(&format!("{key}.pem"))).unwrap();
        let from_jwk = JwtKey::from_jwk(algorithm, key_text(&format!("{key}.jwk"))).unwrap();
        for (key_used, id) in [(from_pem.clone(), None), (from_pem.key_id("mine"), Some("mine")), (from_jwk, Some(kid))]
        {
            let issuer = Issuer::new();
            session(&issuer, ClientAuth::private_key_jwt(CLIENT, key_used)).token().await.unwrap();
            let request = issuer.last_request();
            assert_eq!(request.parameter("client_id"), Some(CLIENT));
            assert_eq!(
                request.parameter("client_assertion_type"),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            );
            assert!(request.authorization().is_none() && request.parameter("client_secret").is_none());
            let jwt = sent(&issuer);
            let told = verified(&jwt, known, &format!("{key}.jwk"));
            assert_eq!((&told["iss"], &told["sub"]), (&CLIENT.into(), &CLIENT.into()));
            assert_eq!(told["aud"], ISSUER, "one string, and no list");
            let header = decode_header(&jwt).unwrap();
            assert_eq!((header.alg, header.kid.as_deref(), header.typ.as_deref()), (known, id, Some("JWT")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn older_forms_of_pem_are_the_same_keys() {
    for (algorithm, old, jwk, known) in [
        (JwtAlgorithm::ES256, "ec.sec1.pem", "ec.jwk", Algorithm::ES256),
        (JwtAlgorithm::RS256, "rsa.pkcs1.pem", "rsa.jwk", Algorithm::RS256),
    ] {
        // openssl writes parameters, and people write comments, before the key.
        let text = format!("# of billing\n{}", key_text(old));
        let issuer = Issuer::new();
        let key = JwtKey::from_pem(algorithm, text).unwrap();
        session(&issuer, ClientAuth::private_key_jwt(CLIENT, key)).token().await.unwrap();
        verified(&sent(&issuer), known, jwk);
    }
}

#[test]
fn a_key_is_found_however_its_text_is_wrapped_and_whatever_stands_around_it() {
    let key = key_text("ec.pem");
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in [
        key.replace('\n', "\r\n"),
        key.replace('\n', "\\n"),
        key.trim_end().to_owned(),
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"),
        format!("{certificate}{key}{certificate}"),
        format!("\n  \n{key}\nsome text"),
    ] {
        JwtKey::from_pem(JwtAlgorithm::ES256, text.clone()).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_the_client_signs_too() {
    let issuer = Issuer::new();
    session(&issuer, ClientAuth::client_secret_jwt(CLIENT, CLIENT_SECRET)).token().await.unwrap();
    let jwt = sent(&issuer);
    let told = claims(&jwt, Algorithm::HS256, &DecodingKey::from_secret(CLIENT_SECRET.as_bytes()).unwrap());
    assert_eq!(told["sub"], CLIENT);
    assert!(!jwt.contains(CLIENT_SECRET) && issuer.last_request().parameter("client_secret").is_none());
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_an_assertion_of_its_own_the_revocation_too() {
    let issuer = Issuer::new();
    let key = JwtKey::from_pem(JwtAlgorithm::EdDSA, key_text("ed.pem")).unwrap();
    let endpoint = endpoint(&issuer, ClientAuth::private_key_jwt(CLIENT, key));
    let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
    let mut token = session.token().await.unwrap();
    // A refresh that is refused, and the password after it, in one flight.
    issuer.next(Answer::error(400, "invalid_grant"));
    for _ in 0..2 {
        token = session.renew(token.generation()).await.unwrap();
    }
    session.logout().await.unwrap();
    let requests = [issuer.requests(), issuer.revocations()].concat();
    assert_eq!((issuer.token_requests(), issuer.revocations().len()), (4, 2));
    let ids: BTreeSet<_> = requests
        .iter()
        .map(|request| verified(request.parameter("client_assertion").unwrap(), Algorithm::EdDSA, "ed.jwk"))
        .map(|claims| claims["jti"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), requests.len());
}

/// As glewlwyd wants it, at each of its endpoints.
#[tokio::test(start_paused = true)]
async fn an_audience_that_is_the_endpoint_is_that_of_the_very_request() {
    let issuer = Issuer::new();
    let key = JwtKey::from_pem(JwtAlgorithm::ES256, key_text("ec.pem")).unwrap();
    let assertion = Assertion::new(key).audience_is_endpoint();
    let session = session(&issuer, ClientAuth::private_key_jwt(CLIENT, assertion));
    session.token().await.unwrap();
    session.logout().await.unwrap();
    for (request, audience) in [(&issuer.last_request(), TOKEN_URI), (&issuer.revocations()[0], REVOCATION_URI)] {
        let jwk: Jwk = serde_json::from_str(&key_text("ec.jwk")).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[audience]);
        let jwt = request.parameter("client_assertion").unwrap();
        decode::<Value>(jwt, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_issuer_nothing_is_sent_and_the_error_says_what_to_do() {
    let issuer = Issuer::new();
    let key = JwtKey::from_pem(JwtAlgorithm::ES256, key_text("ec.pem")).unwrap();
    let endpoint = issuer.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key));
    let error = Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap_err();
    assert_eq!((error.kind(), issuer.token_requests()), (ErrorKind::Invalid, 0));
    assert!(error.to_string().contains("TokenEndpoint::issuer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_account_signs_for_itself_by_the_jwt_bearer_grant() {
    let issuer = Issuer::new();
    let key = JwtKey::from_pem(JwtAlgorithm::RS256, key_text("rsa.pem")).unwrap();
    let assertion = Assertion::new(key).issuer("account").subject("alice");
    let session = Session::new(JwtBearerGrant::signed(issuer.endpoint().issuer(ISSUER), assertion).scope("orders"));
    let first = session.token().await.unwrap();
    let jwt = |request: &TokenRequest| request.parameter("assertion").unwrap().to_owned();
    let request = issuer.last_request();
    assert_eq!(request.parameter("scope"), Some("orders"));
    let told = verified(&jwt(&request), Algorithm::RS256, "rsa.jwk");
    assert_eq!((&told["iss"], &told["sub"]), (&"account".into(), &"alice".into()));
    // The client authenticates as it always does.
    assert!(request.authorization().unwrap().starts_with("Basic "));
    session.renew(first.generation()).await.unwrap();
    let again = verified(&jwt(&issuer.last_request()), Algorithm::RS256, "rsa.jwk");
    assert_ne!(told["jti"], again["jti"]);
}

/// A key that lives elsewhere.
struct Kms;

impl Signer for Kms {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    fn key_id(&self) -> Option<&str> {
        Some("kms-1")
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        tokio::task::yield_now().await;
        JwtKey::from_pem(JwtAlgorithm::ES256, key_text("ec.pem"))?.sign(message).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_lives_elsewhere_signs_as_well() {
    let issuer = Issuer::new();
    session(&issuer, ClientAuth::private_key_jwt(CLIENT, Kms)).token().await.unwrap();
    let jwt = sent(&issuer);
    verified(&jwt, Algorithm::ES256, "ec.jwk");
    assert_eq!(decode_header(&jwt).unwrap().kid.as_deref(), Some("kms-1"));
}
