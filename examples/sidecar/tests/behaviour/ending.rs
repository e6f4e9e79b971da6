//! A graceful end.

use http::StatusCode;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{
    upstream::Upstream,
    world::{Sidecar, World, text},
};

async fn request_under_way(sidecar: &Sidecar, upstream: &Upstream) -> JoinHandle<http::Response<bytes::Bytes>> {
    let address = format!("{}/gate", sidecar.url);
    let request = http::Request::get(address).body(Default::default()).unwrap();
    let answer = tokio::spawn(crate::world::send(request));
    upstream.gate.entered.acquire().await.unwrap().forget();
    answer
}

#[tokio::test]
async fn a_running_request_is_finished_and_nobody_else_comes_in() {
    let (world, upstream) = (World::new("end").await, Upstream::start().await);
    let revocation = world.gateway.url("/oauth2/revoke");
    let mut sidecar = world.sidecar_before(&upstream.origin, &["--revocation-endpoint", &revocation]).await;
    let answer = request_under_way(&sidecar, &upstream).await;
    sidecar.terminate();
    sidecar.until("no new connections").await;
    assert!(TcpStream::connect(sidecar.url.strip_prefix("http://").unwrap()).await.is_err());
    let ready = sidecar.admin("/readyz").await;
    assert_eq!((ready.status(), text(&ready)), (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"ending"}"#));
    assert!(!answer.is_finished());

    upstream.gate.open.add_permits(1);
    assert_eq!(text(&answer.await.unwrap()), "through");
    let (status, printed) = sidecar.ended().await;
    assert!(status.success() && printed.contains(" ended\n"), "{printed}");
    assert_eq!(world.gateway.counters().revocations, 0);
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_and_told() {
    let (world, upstream) = (World::new("cut").await, Upstream::start().await);
    let sidecar = world.sidecar_before(&upstream.origin, &["--shutdown-timeout", "1"]).await;
    let answer = request_under_way(&sidecar, &upstream).await;
    sidecar.terminate();
    let (status, printed) = sidecar.ended().await;
    assert!(status.success() && printed.contains("cut off what took longer"), "{printed}");
    assert!(answer.await.is_err());
}

#[tokio::test]
async fn tokens_are_revoked_at_the_end_if_asked_for() {
    let world = World::new("revoke").await;
    let revocation = world.gateway.url("/oauth2/revoke");
    let more = ["--revocation-endpoint", &revocation, "--revoke-at-end"];
    let sidecar = world.sidecar_before(&world.gateway.url(""), &more).await;
    sidecar.terminate();
    let (status, printed) = sidecar.ended().await;
    assert!(status.success(), "{printed}");
    assert_eq!(world.gateway.counters().revocations, 1);
}
