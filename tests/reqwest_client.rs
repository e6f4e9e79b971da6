//! reqwest's client as the inner service, and as the way to the token endpoint, over real sockets.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_reauth::{
    ClientAuth, Error, ErrorKind, Origins, PasswordGrant, ReauthLayer, ResponseBody, Session, TokenEndpoint,
};

use crate::gateway::{Options, Regime, Running};

type Api = BoxCloneSyncService<Request<reqwest::Body>, Response<ResponseBody<reqwest::Body>>, Error>;

async fn gateway() -> Running {
    let options = Options::new(Regime::Jwt).user("alice", "password").client("app", "secret");
    crate::gateway::start(options).await.unwrap()
}

/// reqwest's client for requests and responses of `http`, and around it the layer.
fn api(gateway: &Running, client: reqwest::Client) -> (Session, Api) {
    let http = ServiceBuilder::new()
        .map_response(Response::<reqwest::Body>::from)
        .filter(<reqwest::Request as TryFrom<Request<reqwest::Body>>>::try_from)
        .service(client);
    let endpoint = TokenEndpoint::with_body::<reqwest::Body>(http.clone(), &gateway.url("/oauth2/token")).unwrap();
    let session =
        Session::new(PasswordGrant::new(endpoint.client_auth(ClientAuth::basic("app", "secret")), "alice", "password"));
    let layer = ReauthLayer::new(session.clone(), Origins::only(gateway.url("")).unwrap());
    (session, BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(http)))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn order(gateway: &Running, api: &Api, body: impl Into<reqwest::Body>) -> (StatusCode, Bytes) {
    let request = Request::post(gateway.url("/orders")).body(body.into()).unwrap();
    let (head, body) = api.clone().oneshot(request).await.unwrap().into_parts();
    (head.status, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn call_with_a_dead_token_is_replayed() {
    let gateway = gateway().await;
    let (_session, api) = api(&gateway, client());
    assert_eq!(order(&gateway, &api, "2 pears").await, (StatusCode::CREATED, "2 pears".into()));
    gateway.gateway().revoke_all();
    assert_eq!(order(&gateway, &api, "3 pears").await, (StatusCode::CREATED, "3 pears".into()));
    gateway.gateway().revoke_all();
    let stream = || reqwest::Body::wrap("4 pears".to_owned());
    assert_eq!(order(&gateway, &api, stream()).await, (StatusCode::CREATED, "4 pears".into()));
    let counters = gateway.counters();
    assert_eq!((counters.all_token_requests(), counters.rejected, gateway.gateway().orders()), (5, 2, 3));
}

#[tokio::test]
async fn error_of_reqwest_is_the_source() {
    let gateway = gateway().await;
    let (session, api) = api(&gateway, client());
    session.token().await.unwrap();
    let request = Request::get(gateway.url("/orders")).body(reqwest::Body::default()).unwrap();
    gateway.stop().await.unwrap();
    let error = api.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    assert!(source.is_some_and(reqwest::Error::is_connect), "{error:?}");
}

#[tokio::test]
async fn request_that_reqwest_cannot_send_is_an_error() {
    let gateway = gateway().await;
    let (_session, api) = api(&gateway, client());
    let request = Request::get("/orders").body(reqwest::Body::default()).unwrap();
    assert_eq!(api.oneshot(request).await.unwrap_err().kind(), ErrorKind::Service);
    assert_eq!(gateway.counters().all_token_requests(), 0);
}
