//! Where tokens come from: each grant, and discovery.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::{
    support::{Options, Regime},
    upstream::Upstream,
    world::{CLIENT, SECRET, Sidecar, World, send, text},
};

fn options() -> Options {
    Options::new(Regime::Beside).client(CLIENT, SECRET).user("alice", "wonderland")
}

async fn works(world: &World, more: &[&str]) {
    let sidecar = world.sidecar_before(&world.gateway.url(""), more).await;
    let answer = sidecar.get("/orders").await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", sidecar.printed());
    sidecar.terminate();
    assert!(sidecar.ended().await.0.success());
}

#[tokio::test]
async fn a_password_does_and_its_tokens_outlive_the_process() {
    let world = World::new("password").await;
    let password = world.file("password", "wonderland\n");
    let store = world.folder.join("store");
    let store = store.to_str().unwrap();
    let more = ["--grant", "password", "--username", "alice", "--password-file", &password, "--store", store];
    for _ in 0..2 {
        works(&world, &more).await;
    }
    // The second one has gone on with the token of the first.
    assert_eq!(world.gateway.counters().all_token_requests(), 1);
}

/// A spent one would end the login: after a restart the store has the one in force, whatever stands in the file.
#[tokio::test]
async fn a_refresh_token_that_changes_outlives_the_process() {
    let world = World::with("refresh", options().reuse_detection()).await;
    let form =
        format!("grant_type=password&username=alice&password=wonderland&client_id={CLIENT}&client_secret={SECRET}");
    let request = Request::post(world.gateway.url("/oauth2/token"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.into()).unwrap();
    let tokens: Value = serde_json::from_str(text(&send(request).await)).unwrap();
    let file = world.file("refresh-token", tokens["refresh_token"].as_str().unwrap());
    let store = world.folder.join("store");
    let more = ["--grant", "refresh-token", "--refresh-token-file", &file, "--store", store.to_str().unwrap()];
    works(&world, &more).await;
    // The second one finds what the first one got.
    works(&world, &more).await;
    assert_eq!(world.gateway.counters().token_requests("refresh_token"), 1);
}

#[tokio::test]
async fn a_jwt_from_a_file_does() {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let claims =
        json!({ "iss": "company", "sub": "alice", "aud": "the gateway", "exp": end, "iat": end - 600, "jti": "1" });
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let jwt = format!("eyJhbGciOiJub25lIn0.{payload}.c2lnbmVk");
    let expected = jwt.clone();
    let options =
        options().trust("the gateway", &[], &["company"], move |shown| (shown == expected).then(|| claims.clone()));
    let world = World::with("jwt", options).await;
    let file = world.file("identity", &jwt);
    works(&world, &["--grant", "jwt-bearer", "--assertion-file", &file]).await;
}

#[tokio::test]
async fn an_issuer_is_enough() {
    let world = World::new("issuer").await;
    let issuer = Upstream::start().await;
    issuer.gate.token_endpoint.set(world.gateway.url("/oauth2/token")).unwrap();
    let secret = world.file("client-secret", SECRET);
    let upstream = world.gateway.url("");
    let toml = format!(
        "upstream = \"{upstream}\"\nissuer = \"{}\"\nclient-id = \"{CLIENT}\"\nclient-secret-file = \"{secret}\"\n\
         client-auth = \"post\"\nscope = \"orders\"\n",
        issuer.origin
    );
    let sidecar = Sidecar::start(&["--config", &world.file("sidecar.toml", &toml)]).await;
    assert_eq!(sidecar.get("/orders").await.status(), StatusCode::OK, "{}", sidecar.printed());
}
