//! reqwest's client as the inner service of a stack that is built once.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{ErrorKind, Reauth, ReqwestService};

use super::World;

impl World {
    fn service(&self) -> Reauth<ReqwestService> {
        ServiceBuilder::new().layer(&self.api).service(ReqwestService::new(self.client.clone()))
    }

    async fn order(&self, api: &Reauth<ReqwestService>, body: impl Into<reqwest::Body>) -> (StatusCode, Bytes) {
        let request = Request::post(self.orders()).body(body.into()).unwrap();
        let (head, body) = api.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes())
    }
}

#[tokio::test]
async fn call_with_a_dead_token_is_replayed() {
    let world = World::new().await;
    let api = world.service();
    assert_eq!(world.order(&api, "2 pears").await, (StatusCode::CREATED, "2 pears".into()));
    world.gateway.gateway().revoke_all();
    assert_eq!(world.order(&api, "3 pears").await, (StatusCode::CREATED, "3 pears".into()));
    world.gateway.gateway().revoke_all();
    let stream = reqwest::Body::wrap("4 pears".to_owned());
    assert_eq!(world.order(&api, stream).await, (StatusCode::CREATED, "4 pears".into()));
    assert_eq!((world.gateway.counters().all_token_requests(), world.placed_and_rejected()), (5, (3, 2)));
}

#[tokio::test]
async fn error_of_reqwest_is_the_source() {
    let world = World::new().await;
    world.session.token().await.unwrap();
    let (api, url) = (world.service(), world.orders());
    world.gateway.stop().await.unwrap();
    let error = api.oneshot(Request::get(url).body(reqwest::Body::default()).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    assert!(source.is_some_and(reqwest::Error::is_connect), "{error:?}");
}

#[tokio::test]
async fn request_that_reqwest_cannot_send_is_an_error() {
    let world = World::new().await;
    let request = Request::get("/orders").body(reqwest::Body::default()).unwrap();
    assert_eq!(world.service().oneshot(request).await.unwrap_err().kind(), ErrorKind::Service);
    assert_eq!(world.gateway.counters().all_token_requests(), 0);
}

#[tokio::test]
async fn response_finds_its_url_again() {
    let world = World::with_a_dead_token().await;
    let request = Request::get(world.orders()).body(reqwest::Body::default()).unwrap();
    let response: reqwest::Response = world.service().oneshot(request).await.unwrap().map(reqwest::Body::wrap).into();
    assert_eq!(response.url().as_str(), world.orders());
}
