//! Case 78: the layer's budget for calls that wait.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{StreamExt, stream::FuturesUnordered};
use http_body::{Body, Frame};
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{ErrorKind, Replay};

use super::*;

/// What a call for `/orders` keeps whose header is so long.
const fn share(padding: usize) -> usize {
    // Eight for each of the two parts of the request line and for each header.
    8 + "GET".len() + "/orders".len() + 8 + "https".len() + "api.example".len() + 8 + "x-padding".len() + padding
}

/// So many calls with a dead token, and how many of them waited for the renewal.
async fn parked(world: &World, limit: usize, calls: usize, padding: usize) -> usize {
    with_dead_token(world).await;
    world.resource.reject_with(|| Response::builder().status(401).body(Full::default()).unwrap());
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().behind(&gate));
    let api = world.layer().parked_limit(limit).layer(world.resource.clone());
    let mut open: FuturesUnordered<_> = (0..calls)
        .map(|_| {
            let mut request = get("/orders");
            request.headers_mut().insert("x-padding", "x".repeat(padding).parse().unwrap());
            api.clone().oneshot(request)
        })
        .collect();
    let mut passed = 0;
    while let Ok(Some(response)) = tokio::time::timeout(SECOND, open.next()).await {
        assert_eq!(failure(&response.unwrap()).kind(), ErrorKind::NotReplayable);
        passed += 1;
    }
    gate.open();
    while let Some(response) = open.next().await {
        assert_eq!(response.unwrap().status(), 200);
    }
    calls - passed
}

#[tokio::test(start_paused = true)]
async fn as_many_calls_are_parked_as_the_documentation_says() {
    const PADDING: usize = 704 - share(0);
    assert_eq!(64 * 1024 * 1024 / share(PADDING), 95_325);
    for told in [include_str!("../../src/middleware/layer.rs"), include_str!("../../src/manual/defaults.rs")] {
        assert!(told.contains("95,325") && told.contains("704 bytes"));
    }
    for (limit, expected) in [(0, 0), (703, 0), (7_040, 10), (7_743, 10), (usize::MAX, 20)] {
        assert_eq!(parked(&World::new(Kind::ClientCredentials), limit, 20, PADDING).await, expected, "{limit}");
    }
}

/// Says that it keeps so many bytes.
struct Boastful(usize);

impl Body for Boastful {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl Replay for Boastful {
    type Kept = usize;

    fn keep(&mut self, _: usize) -> Option<usize> {
        Some(self.0)
    }

    fn again(kept: &mut usize) -> Option<Self> {
        Some(Self(*kept))
    }

    fn size(kept: &usize) -> usize {
        *kept
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_does_not_fit_gets_its_rejection_at_once_and_takes_no_room_from_others() {
    let world = World::new(Kind::ClientCredentials);
    with_dead_token(&world).await;
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().behind(&gate));
    let resource = world.resource.clone();
    let api = world.layer().layer(service_fn(move |request: Request<Boastful>| {
        resource.clone().oneshot(request.map(|_| Full::<Bytes>::default()))
    }));
    let call = |size| {
        let (parts, ()) = get("/orders").map(|_| ()).into_parts();
        tokio::spawn(api.clone().oneshot(Request::from_parts(parts, Boastful(size))))
    };
    let small: Vec<_> = (0..50).map(|_| call(1024 * 1024)).collect();
    for size in [usize::MAX, usize::MAX - 100, usize::MAX / 2, 20 * 1024 * 1024] {
        let response = call(size).await.unwrap().unwrap();
        assert_eq!(failure(&response).kind(), ErrorKind::NotReplayable);
        assert_eq!(text(response).await, "rejected");
    }
    let late: Vec<_> = (0..10).map(|_| call(1024 * 1024)).collect();
    gate.arrived(1).await;
    gate.open();
    for call in small.into_iter().chain(late) {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn origin_that_rejects_everything_is_left_alone_though_nothing_fits_into_the_budget() {
    for_every_credential(async |world| {
        let session = tower_reauth::Session::builder(world.grant()).renewals_per_minute(None).build();
        let world = world.with_session(session);
        world.resource.reject_at("/");
        let api = world.layer().parked_limit(0).layer(world.resource.clone());
        for _ in 0..60 {
            assert_eq!(api.clone().oneshot(get("/orders")).await.unwrap().status(), 401);
            tokio::time::sleep(SECOND).await;
        }
        // After pauses of 1, 2, 4, 8, 16 and 32 s.
        let requests = world.issuer.token_requests();
        assert!(requests < 10, "{requests} token requests");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejection_that_is_known_to_be_too_long_comes_at_once_and_whole() {
    let world = World::new(Kind::ClientCredentials);
    with_dead_token(&world).await;
    world.issuer.next(Answer::tokens().after(SECOND));
    let page = |length| move || Response::builder().status(401).body(vec![b'x'; length].into()).unwrap();
    let start = tokio::time::Instant::now();
    world.resource.reject_with(page((16 << 20) + 1));
    let response = world.get("/orders").await.unwrap();
    assert_eq!((failure(&response).kind(), start.elapsed()), (ErrorKind::NotReplayable, Duration::ZERO));
    assert_eq!(text(response).await.len(), (16 << 20) + 1);
    // One that takes a quarter of the budget with its frame waits.
    world.resource.reject_with(page((16 << 20) - 1024));
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(start.elapsed(), SECOND);
}

/// So many pieces of a page, of 16 KiB each.
struct Page(usize);

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; 16 * 1024])))))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_of_rejections_stays_within_the_budget_and_comes_to_their_callers_whole() {
    const PIECES: usize = 8;
    let world = World::new(Kind::ClientCredentials);
    with_dead_token(&world).await;
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().behind(&gate));
    let resource = world.resource.clone();
    let api = world.layer().parked_limit(1024 * 1024).layer(service_fn(move |request| {
        let call = resource.clone().oneshot(request);
        async {
            let response: Response<Full<Bytes>> = call.await?;
            let page = Page(if response.status() == 401 { PIECES } else { 0 });
            Ok::<_, Broken>(response.map(|_| page))
        }
    }));
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(api.clone().oneshot(get("/orders")))).collect();
    tokio::time::sleep(SECOND).await;
    let waits = calls.iter().filter(|call| !call.is_finished()).count();
    // A page and the request are a little more than an eighth of it.
    assert_eq!(waits, 7);
    gate.open();
    let mut healed = 0;
    for call in calls {
        let response = call.await.unwrap().unwrap();
        if response.status() == 200 {
            healed += 1;
        } else {
            assert_eq!(failure(&response).kind(), ErrorKind::NotReplayable);
            assert_eq!(text(response).await.len(), PIECES * 16 * 1024);
        }
    }
    assert_eq!(healed, waits);
}
