//! Over sockets: HTTP/1.1, HTTP/2, reqwest and tonic.

use http_body_util::BodyExt;
use tower::Service;

use super::*;
use crate::http_support::{
    Body, full,
    server::{Protocol, Server, client},
    soon,
};

/// The API behind a socket, and a layer for it.
async fn served(protocol: Protocol, scene: &Scene) -> Server {
    let api = scene.api.clone();
    let server = Server::start(protocol, move |request, _recorder| {
        let api = api.clone();
        async move { api.answer(request).await.map(|body| full(body.into_bytes())) }
    })
    .await;
    scene.api.is_at(&server.origin);
    server
}

trait IntoBytes {
    fn into_bytes(self) -> Bytes;
}

impl IntoBytes for Full<Bytes> {
    fn into_bytes(self) -> Bytes {
        futures::FutureExt::now_or_never(self.collect()).unwrap().unwrap().to_bytes()
    }
}

#[tokio::test]
async fn nonces_and_dead_tokens_are_healed_over_http1_and_http2() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let scene = Scene::new();
        scene.api.asks_for_nonces(3);
        let server = served(protocol, &scene).await;
        let layer = ReauthLayer::new(scene.session.clone(), Origins::only(&server.origin).unwrap());
        let service = layer.layer(client::<Body>(protocol));
        for round in 0..12 {
            if round % 4 == 3 {
                scene.api.revoke_all();
            }
            let request = Request::post(server.uri("/orders?page=1")).body(full("order")).unwrap();
            let response = soon(service.clone().oneshot(request)).await.unwrap();
            assert_eq!(response.status(), 200, "{protocol:?}: {:?}", scene.api.refusals());
        }
        assert!(scene.api.seen().iter().all(|seen| seen.body == "order"));
        assert!(scene.api.refusals().keys().all(|why| ["nonce", "token"].contains(why)), "{:?}", scene.api.refusals());
        assert_eq!((scene.fetched(), server.connections()), (4, 1), "{protocol:?}");
    }
}

#[tokio::test]
async fn many_calls_over_one_http2_connection_pass_while_nonces_change() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(5);
    let server = served(Protocol::Http2, &scene).await;
    let layer = ReauthLayer::new(scene.session.clone(), Origins::only(&server.origin).unwrap());
    let service = layer.layer(client::<Body>(Protocol::Http2));
    let calls = (0..100).map(|_| {
        let request = Request::post(server.uri("/orders")).body(full("order")).unwrap();
        tokio::spawn(service.clone().oneshot(request))
    });
    for response in soon(futures::future::join_all(calls)).await {
        assert_eq!(response.unwrap().unwrap().status(), 200, "{:?}", scene.api.refusals());
    }
    scene.refused_nothing_but_nonces();
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn reqwest_sends_proofs_for_what_its_builder_makes() {
    use tower_reauth::SendThrough;

    let scene = Scene::new();
    scene.api.asks_for_nonces(3);
    let server = served(Protocol::Http1, &scene).await;
    let layer = ReauthLayer::new(scene.session.clone(), Origins::only(&server.origin).unwrap());
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for _ in 0..8 {
        let request = client.post(server.uri("/orders")).query(&[("page", "1")]).body("order");
        assert_eq!(request.send_through(&layer).await.unwrap().status(), 200, "{:?}", scene.api.refusals());
    }
    scene.refused_nothing_but_nonces();
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn a_tonic_channel_gets_proofs_for_the_origin_that_it_is_bound_to() {
    use tonic::{body::Body, transport::Endpoint};
    use tower_reauth::GrpcClassifier;

    let scene = Scene::new();
    scene.api.asks_for_nonces(3);
    let server = served(Protocol::Http2, &scene).await;
    let channel = Endpoint::new(server.origin.clone()).unwrap().connect_lazy();
    let layer = ReauthLayer::new(scene.session.clone(), Origins::bound_to(&server.origin).unwrap());
    let mut service = layer.classify(GrpcClassifier::new()).layer(channel);
    for round in 0..8 {
        if round == 5 {
            scene.api.revoke_all();
        }
        let message = Body::new(Full::<Bytes>::from("message"));
        let request =
            Request::post("/shop.Orders/Place").header("content-type", "application/grpc").body(message).unwrap();
        let response = soon(async { service.ready().await?.call(request).await }).await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", scene.api.refusals());
    }
    assert!(scene.api.seen().iter().all(|seen| seen.body == "message" && seen.path == "/shop.Orders/Place"));
    assert!(scene.api.refusals().keys().all(|why| ["nonce", "token"].contains(why)), "{:?}", scene.api.refusals());
    assert_eq!(scene.fetched(), 2);
}
