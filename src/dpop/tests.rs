//! Tests of keys and proofs; the vectors are those of RFC 9449 and RFC 7638.

mod memory;

use base64ct::{Base64UrlUnpadded, Encoding};
use futures::executor::block_on;
use http::{HeaderMap, HeaderValue, Method, header::DATE};
use p256::ecdsa::signature::Verifier as _;
use serde_json::{Value, json};

use super::{At, Binding, DpopKey, Server, Wanted, jwk::PublicJwk, proof};
use crate::{
    assertion::{JwtAlgorithm, Signer},
    error::{Error, ErrorKind, TokenVerdict},
    origin::Origin,
};

/// That of RFC 9449 §4.1, and its thumbprint in §6.1.
const RFC_KEY: &str = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256","kid":"one","use":"sig"}"#;
const RFC_THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

fn api(origin: &Origin) -> At<'_> {
    At { server: Server::Resource, origin }
}

fn wanted<'a>(at: At<'a>, method: &'a Method, path: &'a str) -> Wanted<'a> {
    Wanted { at, method, path, token: None }
}

fn claims_of(value: &HeaderValue) -> Value {
    let part = value.to_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

fn prove(binding: &Binding, at: At<'_>) -> Value {
    claims_of(&block_on(binding.proof(wanted(at, &Method::GET, "/"))).unwrap().value)
}

fn saying(nonce: &[u8]) -> HeaderMap {
    HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), HeaderValue::from_bytes(nonce).unwrap())])
}

#[test]
fn thumbprint_is_that_of_the_rfc_whatever_else_a_jwk_holds() {
    assert_eq!(PublicJwk::read(RFC_KEY).unwrap().thumbprint(), RFC_THUMBPRINT);
    // RFC 7638 §3.1.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    assert_eq!(PublicJwk::read(rsa).unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037 A.3, and its private key in A.1.
    let private = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = DpopKey::from_jwk(JwtAlgorithm::EdDSA, private).unwrap();
    assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn claims_are_those_of_the_rfc() {
    let (server, resource) = (origin("https://server.example.com"), origin("https://resource.example.org"));
    let at = At { server: Server::Issuer, origin: &server };
    let claims = proof::claims(&wanted(at, &Method::POST, "/token"), None, 1_562_262_616, "-BwC3ESc6acc2lTc".into());
    let of_4_1 = json!({"jti": "-BwC3ESc6acc2lTc", "htm": "POST", "htu": "https://server.example.com/token", "iat": 1_562_262_616});
    assert_eq!(claims, of_4_1);
    let token = Some(&b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"[..]);
    let wanted = Wanted { token, ..wanted(api(&resource), &Method::GET, "/protectedresource") };
    let claims = proof::claims(&wanted, None, 1_562_262_618, "e1j3V_bKic8-LAEB".into());
    let of_7_1 = json!({"jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": "https://resource.example.org/protectedresource",
        "iat": 1_562_262_618, "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"});
    assert_eq!(claims, of_7_1);
    // RFC 9449 §8.
    let nonce = HeaderValue::from_static("eyJ7S_zG.eyJH0-Z.HX4w-7v");
    assert_eq!(proof::claims(&wanted, Some(&nonce), 0, String::new())["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
}

#[test]
fn target_is_what_is_sent_without_a_default_port_and_in_lower_case() {
    for (at, path, target) in [
        ("https://API.Example:443", "/Orders/%7e", "https://api.example/Orders/%7e"),
        ("https://api.example:8443", "/", "https://api.example:8443/"),
        ("http://localhost:80", "", "http://localhost/"),
        ("https://[::1]:9", "*", "https://[::1]:9/"),
        ("https://api.example", "/a/../b//c", "https://api.example/a/../b//c"),
    ] {
        let claims = proof::claims(&wanted(api(&origin(at)), &Method::OPTIONS, path), None, 0, String::new());
        assert_eq!(claims["htu"], target);
    }
}

#[test]
fn key_signs_what_its_own_header_verifies_and_each_proof_is_another_one() {
    for algorithm in [JwtAlgorithm::ES256, JwtAlgorithm::EdDSA] {
        let binding = Binding::new(DpopKey::generate_with(algorithm).unwrap(), false);
        let origin = origin("https://api.example");
        let proof = || block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap().value;
        let (one, other) = (proof(), proof());
        assert_ne!(claims_of(&one)["jti"], claims_of(&other)["jti"]);
        assert!(one.is_sensitive());
        let (message, signature) = one.to_str().unwrap().rsplit_once('.').unwrap();
        let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
        let header = Base64UrlUnpadded::decode_vec(message.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["typ"], "dpop+jwt");
        assert!(header["jwk"].get("d").is_none());
        let bytes = |name: &str| Base64UrlUnpadded::decode_vec(header["jwk"][name].as_str().unwrap()).unwrap();
        if algorithm == JwtAlgorithm::ES256 {
            assert_eq!((&header["alg"], signature.len()), (&json!("ES256"), 64));
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
            key.verify(message.as_bytes(), &p256::ecdsa::Signature::from_slice(&signature).unwrap()).unwrap();
        } else {
            assert_eq!(header["alg"], "EdDSA");
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes("x").try_into().unwrap()).unwrap();
            key.verify(message.as_bytes(), &ed25519_dalek::Signature::from_slice(&signature).unwrap()).unwrap();
        }
    }
}

#[test]
fn key_that_cannot_prove_anything_is_refused_and_says_why() {
    let signer = |algorithm| Kms { algorithm };
    let private = RFC_KEY.replacen('{', r#"{"d":"AAAA","#, 1);
    for (made, why) in [
        (DpopKey::generate_with(JwtAlgorithm::HS256), "ES256 or EdDSA"),
        (DpopKey::generate_with(JwtAlgorithm::RS256), "ES256 or EdDSA"),
        (DpopKey::from_pem(JwtAlgorithm::PS256, "s3cret"), "ES256 or EdDSA"),
        (DpopKey::from_pem(JwtAlgorithm::ES256, "s3cret"), "no PEM"),
        (DpopKey::from_jwk(JwtAlgorithm::ES256, RFC_KEY), "public key"),
        (DpopKey::from_jwk(JwtAlgorithm::ES256, "s3cret"), "no JWK"),
        (DpopKey::from_signer(signer("HS256"), RFC_KEY), "public key verifies"),
        (DpopKey::from_signer(signer("none"), RFC_KEY), "public key verifies"),
        (DpopKey::from_signer(signer("ES384"), RFC_KEY), "not one for ES384"),
        (DpopKey::from_signer(signer("EdDSA"), RFC_KEY), "not one for EdDSA"),
        (DpopKey::from_signer(signer("PS256"), RFC_KEY), "not one for PS256"),
        (DpopKey::from_signer(signer("ES256"), r#"{"kty":"OKP","crv":"P-256","x":"AA"}"#), "not one for ES256"),
        (DpopKey::from_signer(signer("ES256"), &private), "private key"),
        (DpopKey::from_signer(signer("ES256"), r#"{"kty":"oct","k":"s3cret"}"#), "private key"),
        (DpopKey::from_signer(signer("ES256"), r#"{"kty":"EC","crv":"P-256","x":"AA"}"#), "`y` is missing"),
        (DpopKey::from_signer(signer("ES256"), r#"{"kty":"s3cret"}"#), "`kty`"),
        (DpopKey::from_signer(signer("ES256"), "s3cret"), "no JWK"),
    ] {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains(why) && !told.contains("s3cret"), "{why}: {told}");
    }
}

#[test]
fn same_key_is_read_from_pem_and_jwk_and_never_shown() {
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    let key = DpopKey::from_jwk(JwtAlgorithm::ES256, jwk).unwrap();
    // RFC 7517 A.1 has the key.
    let public = PublicJwk::read(
        r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#,
    );
    assert_eq!(key.thumbprint(), public.unwrap().thumbprint());
    let d = Base64UrlUnpadded::decode_vec("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE").unwrap();
    let pem = {
        use p256::pkcs8::EncodePrivateKey as _;
        let der = p256::SecretKey::from_slice(&d).unwrap().to_pkcs8_der().unwrap();
        let text = base64ct::Base64::encode_string(der.as_bytes());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    };
    assert_eq!(DpopKey::from_pem(JwtAlgorithm::ES256, pem).unwrap().thumbprint(), key.thumbprint());
    let told = format!("{key:?} {:?}", Binding::new(key.clone(), false));
    assert!(told.contains(key.thumbprint()) && !told.contains("870MB6"), "{told}");
    // As a list of bytes, as a derived `Debug` would show it.
    assert!(!told.contains("243, 189"), "{told}");
}

#[test]
fn key_elsewhere_signs_each_proof_and_its_failure_is_told() {
    let binding = Binding::new(DpopKey::from_signer(Kms { algorithm: "ES256" }, RFC_KEY).unwrap(), false);
    assert_eq!(binding.thumbprint(), RFC_THUMBPRINT);
    let origin = origin("https://api.example");
    let error = block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dpop);
    assert!(error.to_string().contains("the KMS is down"), "{error}");
}

#[test]
fn signature_in_der_is_told_and_not_sent() {
    let origin = origin("https://api.example");
    for (length, is_good) in [(64, true), (70, false), (72, false), (0, false)] {
        let key = DpopKey::from_signer(Signs { length }, RFC_KEY).unwrap();
        let proof = block_on(Binding::new(key, false).proof(wanted(api(&origin), &Method::GET, "/")));
        assert_eq!(proof.is_ok(), is_good, "{length}");
        if let Err(error) = proof {
            assert_eq!((error.kind(), error.known_verdict()), (ErrorKind::Dpop, Some(TokenVerdict::Unsent)));
            assert!(error.to_string().contains("DER"), "{error}");
        }
    }
}

struct Signs {
    length: usize,
}

impl Signer for Signs {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![7; self.length])
    }
}

#[test]
fn nonce_is_not_shown_by_what_was_made_with_it() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let origin = origin("https://api.example");
    binding.heard(api(&origin), &saying(b"n-4711"));
    let proof = block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap();
    assert!(!format!("{proof:?}").contains("n-4711"));
}

struct Kms {
    algorithm: &'static str,
}

impl Signer for Kms {
    fn algorithm(&self) -> &str {
        self.algorithm
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::new(ErrorKind::Secret, "the KMS is down"))
    }
}
