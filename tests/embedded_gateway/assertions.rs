//! Signed JWTs: of clients, and of an issuer that speaks for users; and tokens that are exchanged.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Value, json};

use super::{Arc, Gateway, Options, Regime, Request, ask, call, form, log_in, options, pair, send, text};

const CLIENT: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const BEARER: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const EXCHANGE: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
const SUBJECT: &str = "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
const ACTOR: &str = "actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

/// A gateway that takes a JWT for signed if it is JSON: the cryptography is the closure's.
fn trusting(regime: Regime) -> Arc<Gateway> {
    let options: Options = options(regime).public_client("public");
    Gateway::new(options.trust("gateway", &["signer"], &["idp"], |jwt| serde_json::from_str(jwt).ok()))
}

fn jwt(changes: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let mut claims =
        json!({ "iss": "idp", "sub": "bob", "aud": "gateway", "exp": now + 60, "jti": fastrand::u64(..).to_string() });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    form_urlencoded::byte_serialize(claims.to_string().as_bytes()).collect()
}

async fn by_client(gateway: &Arc<Gateway>, body: &str) -> (StatusCode, Value) {
    let response = send(gateway, form("/oauth2/token"), &format!("grant_type=client_credentials&{body}")).await;
    (response.status(), serde_json::from_str(&text(response).await).expect("token answers are JSON"))
}

async fn user_info(gateway: &Arc<Gateway>, token: &str) -> Value {
    let request = Request::get("/oauth2/userinfo").header("authorization", format!("Bearer {token}"));
    serde_json::from_str(&text(send(gateway, request, "").await).await).expect("the token is good")
}

fn access_token((status, answer): (StatusCode, Value)) -> String {
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer.get("refresh_token").is_none());
    answer["access_token"].as_str().expect("a string").to_owned()
}

#[tokio::test]
async fn client_that_signs_is_known_by_each_assertion_once() {
    let gateway = trusting(Regime::Beside);
    let good = jwt(json!({ "iss": "signer", "sub": "signer" }));
    let body = format!("{CLIENT}&client_assertion={good}");
    assert_eq!(by_client(&gateway, &body).await.0, StatusCode::OK);
    assert_eq!(by_client(&gateway, &body).await.1["error"], "invalid_client");
}

#[tokio::test]
async fn client_assertion_that_does_not_fit_is_refused() {
    let gateway = trusting(Regime::Beside);
    let signer = json!({ "iss": "signer", "sub": "signer" });
    let with = |name: &str, value: Value| {
        let mut changes = signer.clone();
        changes[name] = value;
        format!("{CLIENT}&client_assertion={}", jwt(changes))
    };
    for body in [
        with("aud", "another".into()),
        with("aud", json!(["gateway"])),
        with("exp", 1.into()),
        with("sub", "app".into()),
        with("iss", "idp".into()),
        // A client with a secret can't do without it by signing, nor a public one by taking its name.
        format!("{CLIENT}&client_assertion={}", jwt(json!({ "iss": "app", "sub": "app" }))),
        format!("{CLIENT}&client_assertion={}&client_id=public", jwt(signer.clone())),
        "client_id=signer".to_owned(),
        format!("{CLIENT}&client_assertion=unsigned"),
    ] {
        assert_eq!(by_client(&gateway, &body).await.1["error"], "invalid_client", "{body}");
    }
    let twice = format!("{CLIENT}&client_assertion={}&client_secret=x", jwt(signer));
    assert_eq!(by_client(&gateway, &twice).await.1["error"], "invalid_request");
}

#[tokio::test]
async fn trusted_issuer_speaks_for_a_user_once() {
    let gateway = trusting(Regime::Beside);
    let body = format!("{BEARER}&assertion={}", jwt(json!({})));
    let token = access_token(ask(&gateway, &body).await);
    assert_eq!(user_info(&gateway, &token).await, json!({ "sub": "bob" }));
    assert_eq!(ask(&gateway, &body).await.1["error"], "invalid_grant");
    for changes in [json!({ "iss": "signer" }), json!({ "sub": "nobody" })] {
        let body = format!("{BEARER}&assertion={}", jwt(changes));
        assert_eq!(ask(&gateway, &body).await.1["error"], "invalid_grant", "{body}");
    }
}

#[tokio::test]
async fn exchanged_token_names_user_actor_and_audience_and_lives_beside_the_subjects() {
    let gateway = trusting(Regime::Jwt);
    let (subject, _) = log_in(&gateway, "orders").await;
    let actor = access_token(ask(&gateway, "grant_type=client_credentials").await);
    let body =
        format!("{EXCHANGE}&subject_token={subject}&{SUBJECT}&actor_token={actor}&{ACTOR}&audience=stock&scope=orders");
    let answer = ask(&gateway, &body).await;
    assert_eq!(answer.1["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let token = access_token(answer);
    assert_eq!(user_info(&gateway, &token).await, json!({ "sub": "bob", "act": { "sub": "app" }, "aud": "stock" }));
    assert_eq!((call(&gateway, &token).await, call(&gateway, &subject).await), (0, 0));
}

#[tokio::test]
async fn exchange_needs_good_tokens_of_a_user() {
    let gateway = trusting(Regime::Beside);
    let (subject, refresh_token) = pair(ask(&gateway, super::LOGIN).await);
    let client = access_token(ask(&gateway, "grant_type=client_credentials").await);
    for tokens in [
        format!("subject_token={client}&{SUBJECT}"),
        format!("subject_token={refresh_token}&{SUBJECT}"),
        format!("subject_token={subject}"),
        format!("subject_token={subject}&{SUBJECT}&actor_token=unknown&{ACTOR}"),
        String::new(),
    ] {
        let answer = ask(&gateway, &format!("{EXCHANGE}&{tokens}")).await;
        assert_eq!(answer.1["error"], "invalid_request", "{tokens}");
    }
}
