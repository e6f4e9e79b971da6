//! Requests with bodies: what is sent again has a proof of its own, and what can't be is not.

use http_body_util::BodyExt;
use tower_reauth::Replay;

use super::*;
use crate::http_support::{
    Body,
    feed::{fed, fed_sealed},
};

/// A service that turns the layer's body into the API's.
fn service<B>(
    scene: &Scene,
    limit: usize,
) -> impl tower::Service<Request<B>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Error>
where
    B: Replay + http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    scene.layer().replay_limit(limit).layer(scene.api.clone())
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_sent_again_with_a_proof_of_its_own_for_a_nonce_and_for_a_dead_token() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    for expected in [vec![401, 200], vec![401, 200, 401, 200]] {
        let (feeder, body) = fed();
        feeder.data("one ");
        feeder.data("two");
        drop(feeder);
        let request = Request::post(format!("{ORIGIN}/orders")).body(body).unwrap();
        let response = service::<Body>(&scene, 1024).oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), scene.api.statuses()), (200, expected));
        scene.api.revoke_all();
    }
    let seen = scene.api.seen();
    assert!(seen.iter().all(|seen| seen.body == "one two"), "{seen:?}");
    assert_eq!(scene.fetched(), 2);
    assert_eq!(scene.api.refusals().into_iter().collect::<Vec<_>>(), [("nonce", 1), ("token", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_limit_is_sent_once_and_the_next_request_has_the_nonce() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    let (feeder, body) = fed();
    feeder.data("more than four");
    drop(feeder);
    let request = Request::post(format!("{ORIGIN}/orders")).body(body).unwrap();
    let response = service::<Body>(&scene, 4).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), why(&response).0), (401, ErrorKind::NotReplayable));
    assert_eq!(text(response).await, "refused", "the API's own answer");
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![401, 200], 1));
}

/// An upload that is refused before it has ended: the first body fails, and the second goes on where it was.
#[tokio::test(start_paused = true)]
async fn an_upload_under_way_goes_on_with_a_new_proof() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    let early = Early(scene.api.clone());
    let (feeder, body) = fed();
    feeder.data("one ");
    let request = Request::post(format!("{ORIGIN}/orders")).body(body).unwrap();
    let upload = tokio::spawn(scene.layer().layer(early).oneshot(request));
    while scene.api.statuses().is_empty() {
        tokio::task::yield_now().await;
    }
    feeder.data("two");
    drop(feeder);
    assert_eq!(upload.await.unwrap().unwrap().status(), 200);
    let seen = scene.api.seen();
    assert_eq!((seen[0].body.as_ref(), seen[1].body.as_ref()), (&b""[..], &b"one two"[..]));
    scene.refused_nothing_but_nonces();
}

/// Refuses without a nonce at the head.
#[derive(Clone)]
struct Early(Api);

impl tower::Service<Request<Body>> for Early {
    type Response = Response<Full<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let api = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if api::claims_of(&head.headers).get("nonce").is_some() {
                return Ok(api.answer(Request::from_parts(head, body)).await);
            }
            let answer = api.answer(Request::from_parts(head, Full::<Bytes>::default())).await;
            // The body is let go when the replay has superseded it.
            tokio::spawn(body.collect());
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_kept_is_no_reason_to_send_it_without_a_proof() {
    let scene = Scene::new();
    let (feeder, body) = fed_sealed();
    feeder.data("sealed");
    drop(feeder);
    let request = Request::post(format!("{ORIGIN}/orders")).body(body).unwrap();
    let service = scene.layer().layer(scene.api.clone());
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    scene.refused_nothing_but_nonces();
}
