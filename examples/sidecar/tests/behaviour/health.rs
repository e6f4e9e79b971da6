//! Health and metrics, and what a program is told when there is no answer.

use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    upstream::Upstream,
    world::{World, text},
};

#[tokio::test]
async fn readiness_follows_the_session() {
    let world = World::new("ready").await;
    let sidecar = world.sidecar().await;
    assert_eq!(sidecar.admin("/healthz").await.status(), StatusCode::OK);
    let ready = sidecar.admin("/readyz").await;
    assert_eq!((ready.status(), text(&ready)), (StatusCode::OK, r#"{"status":"active"}"#));

    world.file("client-secret", "a secret that is not the right one");
    let wrong = ["--client-secret-file", world.folder.join("client-secret").to_str().unwrap()].map(str::to_owned);
    let token = world.gateway.url("/oauth2/token");
    let upstream = world.gateway.url("");
    let usual = ["--upstream", &upstream, "--token-endpoint", &token, "--client-id", "orchard", &wrong[0], &wrong[1]];
    let sidecar = crate::world::Sidecar::start(&usual).await;
    assert_eq!(sidecar.admin("/healthz").await.status(), StatusCode::OK);
    let ready = sidecar.admin("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(&ready).contains("invalid_client"), "{}", text(&ready));
    let answer = sidecar.get("/orders").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(text(&answer).contains("invalid_client"), "{}", text(&answer));
}

#[tokio::test]
async fn metrics_count_what_was_healed() {
    let world = World::new("metrics").await;
    let sidecar = world.sidecar().await;
    sidecar.get("/orders").await;
    world.gateway.gateway().revoke_all();
    sidecar.get("/orders").await;
    let metrics = sidecar.admin("/metrics").await;
    for line in [
        r#"tower_reauth_requests_total{outcome="passed"} 1"#,
        r#"tower_reauth_requests_total{outcome="healed"} 1"#,
        r#"tower_reauth_renewals_total{reason="rejected",outcome="renewed"} 1"#,
        r#"sidecar_requests_total{status="2xx"} 2"#,
    ] {
        assert!(text(&metrics).lines().any(|shown| shown == line), "{line}: {}", text(&metrics));
    }
}

/// Status, title, and a detail that says more.
#[tokio::test]
async fn a_problem_says_what_failed() {
    let world = World::new("problems").await;
    let upstream = Upstream::start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);

    let sidecar = world.sidecar_before(&nowhere, &[]).await;
    told(&sidecar.get("/orders").await, 502, "the upstream cannot be reached, or broke off", "refused");

    let sidecar = world.sidecar_before(&upstream.origin, &["--response-timeout", "1"]).await;
    told(&sidecar.get("/gate").await, 504, "the upstream is too slow", "within 1 s");

    world.gateway.gateway().set_outage(true);
    let sidecar = world.sidecar_before(&upstream.origin, &[]).await;
    let answer = sidecar.get("/head").await;
    told(&answer, 503, "there is no token at the moment", "500");
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
}

fn told(answer: &http::Response<bytes::Bytes>, status: u16, title: &str, detail: &str) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((answer.status().as_u16(), problem["status"].as_u64()), (status, Some(status.into())), "{problem}");
    assert_eq!(problem["title"], title, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
}
