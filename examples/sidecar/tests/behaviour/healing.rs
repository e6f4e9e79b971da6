//! What the sidecar is for: the token dies, and the program sees a good answer.

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{process::Command, sync::mpsc};

use crate::{
    upstream::{Upstream, seen},
    world::World,
};

type Chunks = mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>;

#[tokio::test]
async fn curl_sees_no_401_when_the_token_has_died() {
    let world = World::new("curl").await;
    let sidecar = world.sidecar().await;
    for _ in 0..3 {
        world.gateway.gateway().revoke_all();
        let address = format!("{}/orders", sidecar.url);
        let curl = Command::new("curl").args(["-sS", "--fail", "-d", "2 pears", &address]).output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&curl.stdout), "2 pears", "{}", String::from_utf8_lossy(&curl.stderr));
    }
    let counters = world.gateway.counters();
    assert_eq!((counters.accepted, counters.rejected, counters.token_requests("client_credentials")), (3, 3, 4));
}

#[tokio::test]
async fn a_crowd_makes_one_token_request() {
    let world = World::new("crowd").await;
    let sidecar = world.sidecar().await;
    world.gateway.gateway().revoke_all();
    let answers = join_all((0..50).map(|_| sidecar.get("/orders"))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(world.gateway.counters().all_token_requests(), 2);
}

/// Of known length, and of unknown length.
#[tokio::test]
async fn a_body_is_sent_again_byte_for_byte() {
    let world = World::new("body").await;
    let upstream = Upstream::start_with(Some(world.gateway.gateway().clone())).await;
    let sidecar = world.sidecar_before(&upstream.origin, &[]).await;
    let body = Bytes::from_iter((0..20_000_u32).map(|at| (at % 251) as u8));

    world.gateway.gateway().revoke_all();
    let answer = sidecar.post("/strict", body.clone()).await;
    assert_eq!((answer.status(), answer.body()), (StatusCode::OK, &body));

    world.gateway.gateway().revoke_all();
    let (chunks, answer) = stream(&format!("{}/strict", sidecar.url));
    for chunk in body.chunks(1000) {
        push(&chunks, chunk);
    }
    drop(chunks);
    let answer = answer.await.unwrap();
    let status = answer.status();
    let echoed = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((status, &echoed), (StatusCode::OK, &body));
    assert_eq!(world.gateway.counters().all_token_requests(), 3);
}

/// An upload over the limit: a good token lets it through, a dead one shows, and is renewed for those who come later.
#[tokio::test]
async fn what_cannot_be_sent_again_gets_its_rejection() {
    let world = World::new("upload").await;
    let upstream = Upstream::start_with(Some(world.gateway.gateway().clone())).await;
    let sidecar = world.sidecar_before(&upstream.origin, &["--replay-bytes", "1000"]).await;
    let upload = Bytes::from(vec![7; 10_000]);
    assert_eq!(sidecar.post("/strict", upload.clone()).await.body(), &upload);

    world.gateway.gateway().revoke_all();
    let rejected = sidecar.post("/strict", upload.clone()).await;
    assert_eq!((rejected.status(), rejected.body()), (StatusCode::UNAUTHORIZED, &upload));
    // Whoever comes now may be early as well; what can be sent again waits for the new token.
    assert_eq!(sidecar.post("/strict", "2 pears").await.status(), StatusCode::OK);
    assert_eq!(sidecar.post("/strict", upload.clone()).await.status(), StatusCode::OK);
}

/// The upstream answers the first part before the second one is sent: neither side waits for a whole body.
#[tokio::test]
async fn bodies_stream_both_ways() {
    let (world, upstream) = (World::new("stream").await, Upstream::start().await);
    let sidecar = world.sidecar_before(&upstream.origin, &[]).await;
    let (chunks, answer) = stream(&format!("{}/echo", sidecar.url));
    push(&chunks, b"one");
    let mut body = answer.await.unwrap().into_body();
    for part in [&b"two"[..], b"three"] {
        assert!(body.frame().await.unwrap().unwrap().is_data());
        push(&chunks, part);
    }
    drop(chunks);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "three");
}

#[tokio::test]
async fn a_programs_own_authorization_goes_nowhere() {
    let (world, upstream) = (World::new("own").await, Upstream::start().await);
    for (more, name) in
        [(&[][..], "authorization"), (&["--header", "x-auth-token", "--scheme", "none"], "x-auth-token")]
    {
        let sidecar = world.sidecar_before(&upstream.origin, more).await;
        let request = Request::get(format!("{}/head", sidecar.url));
        let request = request.header("authorization", "Bearer mine").header("x-auth-token", "Bearer mine");
        let answer = crate::world::send(request.body(Default::default()).unwrap()).await;
        let [token] = &seen(&answer, name)[..] else { panic!("{answer:?}") };
        assert!(world.gateway.gateway().accepts(token.strip_prefix("Bearer ").unwrap_or(token)), "{answer:?}");
        assert_eq!(token.starts_with("Bearer "), name == "authorization", "{answer:?}");
        assert!(name == "authorization" || seen(&answer, "authorization").is_empty(), "{answer:?}");
    }
}

fn push(chunks: &Chunks, bytes: &[u8]) {
    chunks.send(Ok(Frame::data(Bytes::copy_from_slice(bytes)))).unwrap();
}

fn stream(
    address: &str,
) -> (Chunks, impl Future<Output = Result<Response<Incoming>, hyper_util::client::legacy::Error>> + use<>) {
    let (chunks, mut next) = mpsc::unbounded_channel();
    let body = StreamBody::new(futures::stream::poll_fn(move |cx| next.poll_recv(cx)));
    let client = Client::builder(TokioExecutor::new()).build_http();
    (chunks, client.request(Request::post(address).body(body).unwrap()))
}
