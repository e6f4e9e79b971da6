//! What becomes of bodies and rejections, over services in this process, with a clock that stands still.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::poll_immediate;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody, combinators::BoxBody};
use tokio::{sync::oneshot, time::Instant};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_reauth::{ErrorKind, NoReplay, Replay};

use crate::http_support::{
    Body, BoxError, answer, bare_rejection,
    feed::{Sealed, fed, fed_sealed},
    full, is_live, layer, session, session_that_fails_to_renew, why,
};

const ORIGIN: &str = "https://gw.example";

fn post<B>(body: B) -> Request<B> {
    Request::post(ORIGIN).body(body).expect("a valid request")
}

/// What a service was sent: bodies, or how many bytes came before a failure.
type Log = Arc<Mutex<Vec<Result<Collected<Bytes>, String>>>>;

/// Reads what it is sent, and then takes the live token only.
fn strict<B>(log: &Log) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Send + 'static,
{
    let log = log.clone();
    service_fn(move |request: Request<B>| {
        let log = log.clone();
        async move {
            let live = is_live(&request);
            let read = request.into_body().collect().await.map_err(|error| error.to_string());
            log.lock().expect("not poisoned").push(read);
            Ok(if live { answer(StatusCode::OK, "orders") } else { rich_rejection(full("dead")) })
        }
    })
}

/// Something of the inner service's own, for the caller to find.
#[derive(Clone, Debug, PartialEq)]
struct Stamp(u32);

/// Names twice, in an order that no map would choose.
const HEADERS: [(&str, &str); 6] = [
    ("x-z", "1"),
    ("www-authenticate", "Bearer error=\"invalid_token\""),
    ("x-a", "2"),
    ("x-z", "3"),
    ("set-cookie", "a=b"),
    ("www-authenticate", "Negotiate"),
];

fn rich_rejection(body: Body) -> Response<Body> {
    let response = Response::builder().status(401).version(Version::HTTP_2).extension(Stamp(17));
    HEADERS.iter().fold(response, |response, (name, value)| response.header(*name, *value)).body(body).expect("valid")
}

/// The rejection is what the inner service gave, and holds this body; why it was not healed is told.
async fn is_rich_rejection<B>(response: Response<B>, content: &[u8], kind: ErrorKind)
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.extensions().get(), Some(&Stamp(17)));
    assert_eq!(why(&response), Some(kind));
    let original = rich_rejection(full(""));
    assert!(response.headers().iter().eq(original.headers().iter()), "{:?}", response.headers());
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), content);
}

async fn is_replayed<B>(body: B, content: &[u8], trailers: Option<&HeaderMap>)
where
    B: Replay + http_body::Body<Data = Bytes, Error: std::fmt::Display> + Send + 'static,
{
    let (log, (session, fetched)) = (Log::default(), session());
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(strict(&log));
    let response = api.oneshot(post(body)).await.expect("an answer");
    assert_eq!((response.status(), fetched.load(Ordering::SeqCst)), (StatusCode::OK, 2));
    let attempts = std::mem::take(&mut *log.lock().expect("not poisoned"));
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        let attempt = attempt.expect("whole");
        assert_eq!(attempt.trailers(), trailers);
        assert_eq!(attempt.to_bytes(), content);
    }
}

#[tokio::test(start_paused = true)]
async fn replay_sends_the_same_bytes_and_trailers() {
    is_replayed(Full::from("content"), b"content", None).await;
    is_replayed(Full::<Bytes>::default(), b"", None).await;
    is_replayed(Empty::new(), b"", None).await;
    is_replayed(full("content"), b"content", None).await;
    is_replayed(full(""), b"", None).await;
    for pieces in [&[][..], &["one"], &["one", "two"], &["", "one", "", "two", "three"]] {
        let (feeder, body) = fed();
        pieces.iter().for_each(|piece| feeder.data(*piece));
        drop(feeder);
        is_replayed(body, pieces.concat().as_bytes(), None).await;
        let (feeder, body) = fed();
        pieces.iter().for_each(|piece| feeder.data(*piece));
        feeder.trailers("x-check", "17");
        drop(feeder);
        let trailers = [("x-check".parse().expect("a name"), "17".parse().expect("a value"))].into_iter().collect();
        is_replayed(body, pieces.concat().as_bytes(), Some(&trailers)).await;
    }
}

/// Not replayed: the caller gets the rejection, and the next call goes out with the new token.
async fn is_passed_on(request: Request<Body>, limit: usize, first: Result<usize, &str>) {
    let (log, (session, fetched)) = (Log::default(), session());
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN).replay_limit(limit)).service(strict(&log));
    let response = api.clone().oneshot(request).await.expect("an answer");
    is_rich_rejection(response, b"dead", ErrorKind::NotReplayable).await;
    // The renewal goes on behind it.
    assert!(session.shutdown(Duration::from_secs(1)).await);
    assert_eq!(fetched.load(Ordering::SeqCst), 2, "renewed for those who come later");
    assert_eq!(api.oneshot(post(full("next"))).await.expect("an answer").status(), StatusCode::OK);
    let mut log = std::mem::take(&mut *log.lock().expect("not poisoned"));
    assert_eq!((log.len(), fetched.load(Ordering::SeqCst)), (2, 2));
    let sent = log.remove(0).map(|read| read.to_bytes().len());
    assert_eq!(sent.as_ref().map_err(String::as_str), first.as_ref().map_err(|error| *error));
}

#[tokio::test(start_paused = true)]
async fn body_over_the_limit_is_not_replayed_and_the_next_call_has_the_new_token() {
    // `String`, whose copies cost memory, and streams of unknown and of known length.
    let (feeder, stream) = fed();
    (0..3).for_each(|_| feeder.data("12345678"));
    drop(feeder);
    is_passed_on(post(stream), 16, Ok(24)).await;
    is_passed_on(post(full("x".repeat(17))), 16, Ok(17)).await;
    is_passed_on(post(full("x")), 0, Ok(1)).await;
    let mut request = post(full("small"));
    request.extensions_mut().insert(NoReplay);
    is_passed_on(request, 1024, Ok(5)).await;
}

#[tokio::test(start_paused = true)]
async fn body_at_the_limit_is_replayed() {
    let (log, (session, _)) = (Log::default(), session());
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN).replay_limit(16)).service(strict(&log));
    let response = api.oneshot(post(full("x".repeat(16)))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn body_whose_stream_failed_is_not_replayed_and_the_next_call_has_the_new_token() {
    let (feeder, body) = fed();
    feeder.data("part");
    feeder.error("the disk broke".into());
    drop(feeder);
    is_passed_on(post(body), 1024, Err("the disk broke")).await;
    let (feeder, body) = fed();
    feeder.error("the disk broke".into());
    drop(feeder);
    is_passed_on(post(body), 1024, Err("the disk broke")).await;
}

/// A body, and what is in it.
type Rejection = (fn() -> Body, &'static [u8]);

#[tokio::test(start_paused = true)]
async fn failed_renewal_gives_the_original_rejection_whole() {
    let session = session_that_fails_to_renew();
    let rejections: [Rejection; 4] = [
        (|| full(""), b""),
        (|| full("dead"), b"dead"),
        (|| full(vec![7; 200_000]), &[7; 200_000]),
        (
            || {
                let (feeder, body) = fed();
                tokio::spawn(async move {
                    feeder.data("late ");
                    tokio::task::yield_now().await;
                    feeder.data("body");
                });
                body
            },
            b"late body",
        ),
    ];
    for (body, content) in rejections {
        let inner =
            service_fn(move |_: Request<Full<Bytes>>| async move { Ok::<_, Infallible>(rich_rejection(body())) });
        let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
        let response = api.oneshot(post(Full::from("question"))).await.expect("an answer");
        is_rich_rejection(response, content, ErrorKind::Unavailable).await;
    }
}

/// The replay itself is rejected: that answer is the caller's, and it is as whole as the first.
#[tokio::test(start_paused = true)]
async fn second_rejection_reaches_the_caller_whole() {
    let (session, _) = session();
    let inner = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(rich_rejection(full("dead"))) });
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
    let response = api.oneshot(post(Full::from("question"))).await.expect("an answer");
    is_rich_rejection(response, b"dead", ErrorKind::RejectedAgain).await;
}

type SealedBody = BoxBody<Bytes, Sealed>;

/// Refuses the first body at once and gives it to the test, unread; answers the replay when it has read it.
fn early(
    refused: oneshot::Sender<SealedBody>,
    content: &'static [u8],
) -> impl Service<Request<SealedBody>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send {
    let refused = Arc::new(Mutex::new(Some(refused)));
    service_fn(move |request: Request<SealedBody>| {
        let refused = refused.clone();
        async move {
            let live = is_live(&request);
            let mut body = request.into_body();
            if live {
                let replayed = body.collect().await.expect("whole").to_bytes();
                return Ok(answer(StatusCode::OK, replayed));
            }
            let part = body.frame().await.expect("a part").expect("not broken").into_data().expect("data");
            assert_eq!(part, "part ");
            if let Some(refused) = refused.lock().expect("not poisoned").take() {
                assert!(refused.send(body).is_ok());
            }
            Ok(rich_rejection(full(content)))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn replay_waits_until_the_first_body_is_let_go() {
    for read_to_its_end in [false, true] {
        let (feeder, body) = fed_sealed();
        feeder.data("part ");
        let (refused, was_refused) = oneshot::channel();
        let (session, _) = session();
        let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(early(refused, b"dead"));
        let begun = Instant::now();
        // In a task of its own, so that it goes on only when it is woken.
        let call = tokio::spawn(api.oneshot(post(body)));
        let first = was_refused.await.expect("sent");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!call.is_finished(), "half a second later the first body is still waited for");
        feeder.data("rest");
        drop(feeder);
        if read_to_its_end {
            assert_eq!(first.collect().await.expect("unharmed").to_bytes(), "rest");
        } else {
            drop(first);
        }
        let response = call.await.expect("no panic").expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "part rest");
        assert!(begun.elapsed() < Duration::from_secs(1), "told, and not timed out");
    }
}

#[tokio::test(start_paused = true)]
async fn first_body_that_is_never_let_go_ends_the_wait_with_the_whole_rejection() {
    const LONG: &[u8] = &[7; 100_000];
    for content in [&b"dead"[..], b"", LONG] {
        let (feeder, body) = fed_sealed();
        feeder.data("part ");
        let (refused, was_refused) = oneshot::channel();
        let (session, fetched) = session();
        let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(early(refused, content));
        let begun = Instant::now();
        let response = api.oneshot(post(body)).await.expect("an answer");
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        is_rich_rejection(response, content, ErrorKind::NotReplayable).await;
        assert_eq!(fetched.load(Ordering::SeqCst), 2);
        // And the body that is under way goes on unharmed.
        feeder.data("rest");
        drop(feeder);
        let first = was_refused.await.expect("sent");
        assert_eq!(first.collect().await.expect("unharmed").to_bytes(), "rest");
    }
}

#[tokio::test(start_paused = true)]
async fn first_body_that_can_fail_is_not_waited_for() {
    let (feeder, body) = fed();
    feeder.data("part ");
    let held: Arc<Mutex<Option<Body>>> = Arc::default();
    let inner = service_fn({
        let held = held.clone();
        move |request: Request<Body>| {
            let held = held.clone();
            async move {
                let live = is_live(&request);
                let mut body = request.into_body();
                if live {
                    return Ok::<_, Infallible>(answer(
                        StatusCode::OK,
                        body.collect().await.expect("whole").to_bytes(),
                    ));
                }
                body.frame().await.expect("a part").expect("not broken");
                *held.lock().expect("not poisoned") = Some(body);
                Ok(bare_rejection())
            }
        }
    });
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
    let begun = Instant::now();
    let mut call = pin!(api.oneshot(post(body)));
    assert!(poll_immediate(&mut call).await.is_none());
    feeder.data("rest");
    drop(feeder);
    let response = call.await.expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "part rest");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let first = held.lock().expect("not poisoned").take().expect("held");
    assert!(first.collect().await.is_err(), "cut off, not ended");
}

/// An HTTP/1.1 connection is free only when the end of the body was seen, not its last byte. Others have renewed the token
/// already: while a renewal is waited for, more is read.
#[tokio::test(start_paused = true)]
async fn rejection_as_long_as_the_drain_limit_is_read_to_its_end() {
    for (length, is_read) in [(0, true), (99, true), (100, true), (101, false)] {
        let ended = Arc::new(AtomicBool::new(false));
        let (session, _) = session();
        let inner = service_fn({
            let (ended, session) = (ended.clone(), session.clone());
            move |request: Request<Full<Bytes>>| {
                let (ended, session) = (ended.clone(), session.clone());
                async move {
                    if is_live(&request) {
                        assert_eq!(ended.load(Ordering::SeqCst), is_read, "{length} bytes");
                        return Ok::<_, Infallible>(answer(StatusCode::OK, "orders"));
                    }
                    let token = session.token().await.expect("a token");
                    session.renew(token.generation()).await.expect("a newer one");
                    let frames = (0..length).map(|_| Ok(http_body::Frame::data(Bytes::from_static(b"x"))));
                    let end = std::iter::once_with(move || ended.store(true, Ordering::SeqCst));
                    let frames = frames.chain(end.flat_map(|()| None::<Result<_, BoxError>>));
                    let body = StreamBody::new(futures::stream::iter(frames));
                    let mut response = Response::new(BodyExt::boxed(body));
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                    Ok(response)
                }
            }
        });
        let api = ServiceBuilder::new().layer(layer(&session, ORIGIN).drain_limit(100)).service(inner);
        let response = api.oneshot(post(Full::from("question"))).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
    }
}

/// A rejection whose body never ends costs a tenth of a second, and no more.
#[tokio::test(start_paused = true)]
async fn rejection_that_never_ends_is_replayed_after_the_drain_time() {
    let feeders = Arc::new(Mutex::new(Vec::new()));
    let inner = service_fn({
        let feeders = feeders.clone();
        move |request: Request<Full<Bytes>>| {
            let (feeder, body) = fed();
            feeder.data("a beginning");
            feeders.lock().expect("not poisoned").push(feeder);
            let live = is_live(&request);
            async move { Ok::<_, Infallible>(if live { bare_ok() } else { rich_rejection(body) }) }
        }
    });
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
    let begun = Instant::now();
    let response = api.oneshot(post(Full::from("question"))).await.expect("an answer");
    assert_eq!((response.status(), begun.elapsed()), (StatusCode::OK, Duration::from_millis(100)));
}

fn bare_ok() -> Response<Body> {
    answer(StatusCode::OK, "")
}

/// What the URI or the `Host` line says, whatever the token's fate: the request goes out as it came, once.
#[tokio::test(start_paused = true)]
async fn requests_that_may_leave_home_carry_no_token() {
    let sent = Arc::new(AtomicUsize::new(0));
    let inner = service_fn({
        let sent = sent.clone();
        move |request: Request<Empty<Bytes>>| {
            sent.fetch_add(1, Ordering::SeqCst);
            assert!(!request.headers().contains_key("authorization"), "{:?}", request.uri());
            async { Ok::<_, Infallible>(bare_rejection()) }
        }
    });
    let (session, fetched) = session();
    let api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
    let stray = [
        ("GET", "https://other.example/", None),
        ("GET", "https://gw.example:8443/", None),
        ("GET", "http://gw.example/", None),
        ("GET", "https://gw.example/", Some("other.example")),
        ("GET", "https://alice@gw.example/", None),
        ("CONNECT", "gw.example:443", None),
        ("GET", "/orders", None),
        ("GET", "/orders", Some("gw.example")),
    ];
    for (method, uri, host) in stray {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let response = api.clone().oneshot(request.body(Empty::new()).expect("a valid request")).await;
        let response = response.expect("an answer");
        assert_eq!((response.status(), why(&response)), (StatusCode::UNAUTHORIZED, None), "{method} {uri} {host:?}");
    }
    assert_eq!((sent.load(Ordering::SeqCst), fetched.load(Ordering::SeqCst)), (stray.len(), 0));
}
