//! Keys that are no keys, and keys that change.

use std::sync::{Arc, Mutex};

use super::*;

#[test]
fn a_key_of_the_wrong_kind_is_refused_with_what_is_wrong_and_nothing_of_it_is_shown() {
    let cut = |name: &str| key_text(name).chars().take(120).collect::<String>();
    for (algorithm, text, why) in [
        (JwtAlgorithm::ES256, key_text("rsa.pem"), "it is an RSA key, and ES256 needs a P-256 key"),
        (JwtAlgorithm::ES256, key_text("rsa.pkcs1.pem"), "it is an RSA key"),
        (JwtAlgorithm::ES256, key_text("p384.pem"), "it is a key of another curve"),
        (JwtAlgorithm::RS256, key_text("ec.pem"), "it is a P-256 key, and RS256 needs an RSA key"),
        (JwtAlgorithm::PS256, key_text("ec.sec1.pem"), "it is a P-256 key"),
        (JwtAlgorithm::EdDSA, key_text("ec.pem"), "EdDSA needs an Ed25519 key"),
        (JwtAlgorithm::RS256, key_text("ed.pem"), "it is an Ed25519 key"),
        (JwtAlgorithm::HS256, key_text("ec.pem"), "HS256 needs a shared secret"),
        (JwtAlgorithm::RS256, key_text("rsa1024.pem"), "shorter than 2,048 bits"),
        (JwtAlgorithm::ES256, key_text("ec.public.pem"), "the private key is needed"),
        (JwtAlgorithm::ES256, key_text("ec.encrypted.pem"), "it is encrypted"),
        (JwtAlgorithm::ES256, cut("ec.pem"), "damaged or cut off"),
        (JwtAlgorithm::ES256, "hunter2".to_owned(), "no PEM text"),
        (JwtAlgorithm::ES256, String::new(), "no PEM text"),
        (JwtAlgorithm::ES256, key_text("ec.jwk"), "no PEM text"),
        (
            JwtAlgorithm::ES256,
            "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n".to_owned(),
            "damaged",
        ),
    ] {
        let error = JwtKey::from_pem(algorithm, text.clone()).expect_err(&text);
        let told = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(told.contains(why), "{told}");
        for line in text.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
            assert!(!told.contains(line), "{told}");
        }
    }
}

#[test]
fn a_jwk_that_cannot_sign_is_refused_with_what_is_wrong() {
    let without = |name: &str, member: &str| {
        let mut jwk: Value = serde_json::from_str(&key_text(name)).unwrap();
        jwk.as_object_mut().unwrap().remove(member);
        jwk.to_string()
    };
    let with = |name: &str, member: &str, value: &str| {
        let mut jwk: Value = serde_json::from_str(&key_text(name)).unwrap();
        jwk[member] = value.into();
        jwk.to_string()
    };
    for (algorithm, text, why) in [
        (JwtAlgorithm::ES256, without("ec.jwk", "d"), "it is a public key"),
        (JwtAlgorithm::RS256, without("rsa.jwk", "qi"), "its member `qi` is missing"),
        (JwtAlgorithm::ES256, without("ec.jwk", "kty"), "its member `kty` is missing"),
        (JwtAlgorithm::ES256, with("ec.jwk", "crv", "P-384"), "another one than P-256"),
        (JwtAlgorithm::EdDSA, with("ed.jwk", "crv", "X25519"), "another one than Ed25519"),
        (JwtAlgorithm::EdDSA, with("ed.jwk", "d", "!"), "no base64url"),
        (JwtAlgorithm::EdDSA, with("ed.jwk", "d", "AAAA"), "damaged"),
        (JwtAlgorithm::RS256, key_text("ec.jwk"), "RS256 needs an RSA key"),
        (JwtAlgorithm::ES256, key_text("ed.jwk"), "ES256 needs a P-256 key"),
        (JwtAlgorithm::ES256, r#"{"kty":"oct","k":"aHVudGVyMg"}"#.to_owned(), "it is a shared secret"),
        (JwtAlgorithm::HS256, r#"{"kty":"oct","k":""}"#.to_owned(), "`k` is empty"),
        (JwtAlgorithm::ES256, r#"{"keys":[]}"#.to_owned(), "a set of keys"),
        (JwtAlgorithm::ES256, "[]".to_owned(), "no JWK"),
        (JwtAlgorithm::ES256, key_text("ec.pem"), "no JWK"),
    ] {
        let error = JwtKey::from_jwk(algorithm, text.clone()).expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(JwtKey::from_jwk(JwtAlgorithm::HS256, r#"{"kty":"oct","k":"aHVudGVyMg"}"#).is_ok());
    assert_eq!(JwtKey::from_secret("").unwrap_err().kind(), ErrorKind::Invalid);
    let shown = format!("{:?}", JwtKey::from_jwk(JwtAlgorithm::ES256, key_text("ec.jwk")).unwrap());
    assert!(shown.contains("ec-1") && !shown.contains("key: ["), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_is_read_for_each_request() {
    let issuer = Issuer::new();
    let text = Arc::new(Mutex::new(key_text("ec.jwk")));
    let read = text.clone();
    let source = SecretSource::from_fn(move || std::future::ready(Ok(read.lock().unwrap().as_str().into())));
    let key = JwtKeySource::new(JwtAlgorithm::ES256, source);
    let session = session(&issuer, ClientAuth::private_key_jwt(CLIENT, key));
    let first = session.token().await.unwrap();
    assert_eq!(decode_header(sent(&issuer)).unwrap().kid.as_deref(), Some("ec-1"));
    // The new one comes as PEM, by its writer's choice.
    *text.lock().unwrap() = key_text("ec.sec1.pem");
    let second = session.renew(first.generation()).await.unwrap();
    assert_eq!(decode_header(sent(&issuer)).unwrap().kid, None);
    verified(&sent(&issuer), Algorithm::ES256, "ec.jwk");

    // What is no key is not sent, and read again after the pause.
    *text.lock().unwrap() = key_text("ec.pem").chars().take(100).collect();
    let error = session.renew(second.generation()).await.unwrap_err();
    assert_eq!((error.kind(), issuer.token_requests()), (ErrorKind::Secret, 2));
    assert!(error.to_string().contains("cut off"), "{error}");
    *text.lock().unwrap() = key_text("ec.pem");
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    session.renew(second.generation()).await.unwrap();
    assert_eq!(issuer.token_requests(), 3);
}

/// As editors on Windows write it.
#[tokio::test(start_paused = true)]
async fn a_key_behind_a_byte_order_mark_signs() {
    let issuer = Issuer::new();
    for name in ["ec.jwk", "ec.pem"] {
        let text = format!("\u{feff}{}", key_text(name));
        let key = JwtKeySource::new(JwtAlgorithm::ES256, text.clone());
        session(&issuer, ClientAuth::private_key_jwt(CLIENT, key)).token().await.unwrap();
        verified(&sent(&issuer), Algorithm::ES256, "ec.jwk");
        let key = match name {
            "ec.jwk" => JwtKey::from_jwk(JwtAlgorithm::ES256, text),
            _ => JwtKey::from_pem(JwtAlgorithm::ES256, text),
        };
        assert!(key.is_ok(), "{name}");
    }
}
