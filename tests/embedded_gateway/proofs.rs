//! Tokens that are bound to a key (RFC 9449), with proofs that are made by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, header::WWW_AUTHENTICATE};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use super::{Arc, Gateway, LOGIN, Regime, Request, call, form, options, pair, send, text};

const HOST: &str = "gw.example";

/// A key, and what signs with it.
enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Key {
    fn new() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("there is randomness");
        Self::Es256(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).expect("it was just made"))
    }

    fn ed() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("there is randomness");
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("it was just made"))
    }

    fn head(&self) -> Value {
        let (alg, jwk) = match self {
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                ("ES256", json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) }))
            }
            Self::EdDsa(key) => {
                ("EdDSA", json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key().as_ref()) }))
            }
        };
        json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk })
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(key) => key.sign(&SystemRandom::new(), message).expect("the key is good").as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A proof for this request, with other claims or another head where these say so.
    fn proof(&self, method: &str, path: &str, token: Option<&str>, claims: Value, head: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        let mut all = json!({
            "jti": fastrand::u64(..).to_string(), "htm": method, "htu": format!("http://{HOST}{path}"), "iat": now,
        });
        if let Some(token) = token {
            all["ath"] = base64(digest(&SHA256, token.as_bytes()).as_ref()).into();
        }
        let [head, all] = [(self.head(), head), (all, claims)].map(|(mut value, changes)| {
            for (name, change) in changes.as_object().into_iter().flatten() {
                value[name] = match change.as_i64().filter(|_| name == "iat") {
                    Some(seconds) => json!(now as i64 + seconds),
                    None => change.clone(),
                };
            }
            base64(value.to_string().as_bytes())
        });
        let message = format!("{head}.{all}");
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", base64(&signature))
    }

    fn for_token_request(&self) -> String {
        self.proof("POST", "/oauth2/token", None, Value::Null, Value::Null)
    }

    fn for_call(&self, token: &str) -> String {
        self.proof("GET", "/orders", Some(token), Value::Null, Value::Null)
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn gateway() -> Arc<Gateway> {
    Gateway::new(options(Regime::Beside).public_client("public"))
}

async fn ask(gateway: &Arc<Gateway>, client: &str, body: &str, proof: Option<&str>) -> (StatusCode, Value) {
    let mut request = form("/oauth2/token").header("host", HOST);
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    let response = send(gateway, request, &format!("{body}&{client}")).await;
    (response.status(), serde_json::from_str(&text(response).await).expect("token answers are JSON"))
}

const PUBLIC: &str = "client_id=public";
const SECRET: &str = "client_id=app&client_secret=s%2B+cret";

/// The status and the challenge of a call.
async fn prove(gateway: &Arc<Gateway>, scheme: &str, token: &str, proof: Option<&str>) -> (u16, String) {
    let mut request = Request::get("/orders").header("host", HOST).header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    let response = send(gateway, request, "").await;
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("ASCII").to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default())
}

fn refused(code: &str) -> (u16, String) {
    (401, format!("DPoP algs=\"ES256 EdDSA\", error=\"{code}\""))
}

#[tokio::test]
async fn bound_token_is_good_with_a_proof_of_its_key_alone() {
    for key in [Key::new(), Key::ed()] {
        let gateway = gateway();
        let (status, answer) = ask(&gateway, SECRET, LOGIN, Some(&key.for_token_request())).await;
        assert_eq!((status, &answer["token_type"]), (StatusCode::OK, &"DPoP".into()));
        let (token, _) = pair((status, answer));

        assert_eq!(prove(&gateway, "DPoP", &token, Some(&key.for_call(&token))).await.0, 200);
        assert_eq!(prove(&gateway, "Bearer", &token, None).await, refused("invalid_token"));
        assert_eq!(prove(&gateway, "Bearer", &token, Some(&key.for_call(&token))).await, refused("invalid_token"));
        assert_eq!(prove(&gateway, "DPoP", &token, None).await, refused("invalid_token"));
        assert_eq!(prove(&gateway, "DPoP", &token, Some(&Key::new().for_call(&token))).await, refused("invalid_token"));
        assert!(!gateway.accepts(&token));
    }
}

#[tokio::test]
async fn token_that_was_asked_for_without_a_proof_is_bound_to_nothing() {
    let gateway = gateway();
    let (token, _) = pair(ask(&gateway, SECRET, LOGIN, None).await);
    assert_eq!(call(&gateway, &token).await, 0);
    let proof = Key::new().for_call(&token);
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&proof)).await, refused("invalid_token"));
}

#[tokio::test]
async fn proof_is_good_once() {
    let (gateway, key) = (gateway(), Key::new());
    let proof = key.for_token_request();
    let (token, _) = pair(ask(&gateway, SECRET, LOGIN, Some(&proof)).await);
    assert_eq!(ask(&gateway, SECRET, LOGIN, Some(&proof)).await.1["error"], "invalid_dpop_proof");

    let proof = key.for_call(&token);
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&proof)).await.0, 200);
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&proof)).await, refused("invalid_dpop_proof"));
}

#[tokio::test]
async fn proof_of_anything_else_is_refused() {
    let (gateway, key) = (gateway(), Key::new());
    let (token, _) = pair(ask(&gateway, SECRET, LOGIN, Some(&key.for_token_request())).await);
    let claims = [
        json!({ "htm": "POST" }),
        json!({ "htu": format!("http://{HOST}/other") }),
        json!({ "htu": "http://other.example/orders" }),
        json!({ "htu": format!("http://{HOST}/orders?page=1") }),
        json!({ "ath": base64(b"another token") }),
        json!({ "ath": null }),
        json!({ "iat": -120 }),
        json!({ "iat": 120 }),
        json!({ "jti": null }),
    ];
    for claims in claims {
        let proof = key.proof("GET", "/orders", Some(&token), claims.clone(), Value::Null);
        let seen = prove(&gateway, "DPoP", &token, Some(&proof)).await;
        assert_eq!(seen, refused("invalid_dpop_proof"), "{claims}");
    }
    let mut jwk = key.head()["jwk"].clone();
    jwk["d"] = "private".into();
    let heads = [
        json!({ "typ": "JWT" }),
        json!({ "alg": "none" }),
        json!({ "jwk": jwk }),
        json!({ "jwk": Key::new().head()["jwk"] }),
    ];
    for head in heads {
        let proof = key.proof("GET", "/orders", Some(&token), Value::Null, head.clone());
        let seen = prove(&gateway, "DPoP", &token, Some(&proof)).await;
        assert_eq!(seen, refused("invalid_dpop_proof"), "{head}");
    }
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&key.for_call(&token))).await.0, 200);
}

#[tokio::test]
async fn refresh_token_of_a_client_without_a_secret_needs_the_key() {
    let (gateway, key) = (gateway(), Key::new());
    let (_, refresh_token) = pair(ask(&gateway, PUBLIC, LOGIN, Some(&key.for_token_request())).await);
    let body = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    for proof in [None, Some(Key::new().for_token_request())] {
        assert_eq!(ask(&gateway, PUBLIC, &body, proof.as_deref()).await.1["error"], "invalid_grant");
    }
    pair(ask(&gateway, PUBLIC, &body, Some(&key.for_token_request())).await);

    let (_, refresh_token) = pair(ask(&gateway, SECRET, LOGIN, Some(&key.for_token_request())).await);
    let body = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    let other = Key::new();
    let (token, _) = pair(ask(&gateway, SECRET, &body, Some(&other.for_token_request())).await);
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&other.for_call(&token))).await.0, 200);
}

#[tokio::test]
async fn nonce_is_asked_for_and_on_every_answer() {
    let gateway = Gateway::new(options(Regime::Beside).dpop_nonces());
    let key = Key::new();
    let request = || form("/oauth2/token").header("host", HOST);
    let body = format!("{LOGIN}&{SECRET}");
    let response = send(&gateway, request().header("dpop", key.for_token_request()), &body).await;
    let nonce = response.headers()["dpop-nonce"].to_str().expect("ASCII").to_owned();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(response).await.contains("use_dpop_nonce"));

    let proof = key.proof("POST", "/oauth2/token", None, json!({ "nonce": nonce }), Value::Null);
    let response = send(&gateway, request().header("dpop", proof), &body).await;
    assert_eq!(response.headers()["dpop-nonce"], *nonce);
    let answer = (response.status(), serde_json::from_str(&text(response).await).expect("JSON"));
    let (token, _) = pair(answer);

    assert_eq!(prove(&gateway, "DPoP", &token, Some(&key.for_call(&token))).await, refused("use_dpop_nonce"));
    let proof = key.proof("GET", "/orders", Some(&token), json!({ "nonce": nonce }), Value::Null);
    assert_eq!(prove(&gateway, "DPoP", &token, Some(&proof)).await.0, 200);
}
