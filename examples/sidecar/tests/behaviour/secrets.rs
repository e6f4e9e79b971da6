//! No secret is printed, counted or told, whatever is logged and whatever fails.

use crate::{
    support::{Options, Regime},
    upstream::{Upstream, seen},
    world::{CLIENT, SECRET, World, text},
};

#[tokio::test]
async fn nothing_that_comes_out_holds_a_secret() {
    let options = Options::new(Regime::Jwt).client(CLIENT, SECRET).user("alice", "wonderland-of-alice");
    let world = World::with("secrets", options).await;
    let upstream = Upstream::start().await;
    let password = world.file("password", "wonderland-of-alice");
    let revocation = world.gateway.url("/oauth2/revoke");
    let more = [
        &["--grant", "password", "--username", "alice", "--password-file", &password][..],
        &["--log", "trace", "--revocation-endpoint", &revocation, "--revoke-at-end"],
    ]
    .concat();
    let mut told = String::new();

    // Of an upstream that shows the token, only for this test to know it.
    let sidecar = world.sidecar_before(&upstream.origin, &more).await;
    let token = seen(&sidecar.get("/head").await, "authorization").remove(0);
    let token = token.strip_prefix("Bearer ").unwrap();
    told.push_str(text(&sidecar.admin("/metrics").await));
    sidecar.terminate();
    told.push_str(&sidecar.ended().await.1);

    // And where things fail.
    let sidecar = world.sidecar_before(&world.gateway.url(""), &more).await;
    world.gateway.gateway().revoke_all();
    world.gateway.gateway().set_password("alice", "another one");
    let answer = sidecar.get("/orders").await;
    assert_eq!(answer.status(), http::StatusCode::UNAUTHORIZED);
    told.push_str(text(&sidecar.admin("/readyz").await));
    sidecar.terminate();
    told.push_str(&sidecar.ended().await.1);

    assert!(told.contains("token acquired") && told.contains("credentials refused"), "{told}");
    for secret in [SECRET, "wonderland-of-alice", token] {
        assert!(!told.contains(secret), "{secret} is told");
    }
}
