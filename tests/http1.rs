//! The layer over HTTP/1.1: what is on the wire, and which connection it goes by.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt, Empty, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::yield_now,
};
use tokio_test::task;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_reauth::{ErrorKind, Origins, Reauth, ReauthLayer, Session, TokenSet, grant_fn};

use crate::http_support::{
    Body, LIVE, answer, bare_rejection,
    feed::{fed, fed_sealed},
    full, is_live, layer,
    server::{Protocol::Http1, Server, client},
    session, soon, why,
};

const KIB: usize = 1024;

fn post<B>(uri: String, body: B) -> Request<B> {
    Request::post(uri).body(body).expect("a valid request")
}

/// Sends one request whose first attempt is rejected, and checks that server saw both attempts alike.
async fn replayed<B>(server: &Server, body: B, content: &[u8])
where
    B: tower_reauth::Replay
        + http_body::Body<Data: Send, Error: Into<crate::http_support::BoxError>>
        + Send
        + Unpin
        + 'static,
{
    let (session, _) = session();
    let api = layer_over(&session, server);
    let response = soon(api.oneshot(post(server.uri("/orders"), body))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for attempt in &seen {
        assert_eq!(attempt.body.as_deref(), Some(content));
    }
    assert_eq!(seen[0].content_length, seen[1].content_length);
    assert_eq!(seen[0].trailers, seen[1].trailers);
    assert_eq!(seen[1].authorization.as_deref(), Some(LIVE));
}

type HyperClient<B> = hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, B>;

fn layer_over<B>(session: &tower_reauth::Session, server: &Server) -> Reauth<HyperClient<B>>
where
    B: http_body::Body<Data: Send> + Send + 'static,
{
    ServiceBuilder::new().layer(layer(session, &server.origin)).service(client(Http1))
}

#[tokio::test]
async fn replay_sends_the_same_bytes() {
    let content = Bytes::from_iter((0..100_000).map(|number| (number % 251) as u8));
    let server = Server::strict(Http1, bare_rejection).await;
    replayed(&server, Full::new(content.clone()), &content).await;
    assert_eq!(server.seen()[1].content_length.as_deref(), Some("100000"));
}

#[tokio::test]
async fn replay_of_an_empty_body_is_empty() {
    let server = Server::strict(Http1, bare_rejection).await;
    replayed(&server, Empty::<Bytes>::new(), b"").await;
    let server = Server::strict(Http1, bare_rejection).await;
    replayed(&server, full(""), b"").await;
}

#[tokio::test]
async fn replay_sends_chunks_and_trailers_again() {
    let server = Server::strict(Http1, bare_rejection).await;
    let (feeder, body) = fed();
    feeder.data("one ");
    feeder.data("two");
    feeder.trailers("x-check", "17");
    drop(feeder);
    let (session, _) = session();
    let mut request = post(server.uri("/orders"), body);
    request.headers_mut().insert("trailer", "x-check".parse().expect("a value"));
    let response = soon(layer_over(&session, &server).oneshot(request)).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for attempt in seen {
        assert_eq!(attempt.body.as_deref(), Some(&b"one two"[..]));
        assert_eq!(attempt.content_length, None);
        assert_eq!(attempt.trailers.expect("trailers")["x-check"], "17");
    }
}

/// A 401 that holds so many bytes, with its length in the head or in chunks.
fn rejection(length: usize, chunked: bool) -> Response<Body> {
    let body = full(vec![b'x'; length]);
    let body = if chunked { body.map_frame(|frame| frame).boxed() } else { body };
    Response::builder().status(401).body(if chunked { unsized_body(body) } else { body }).expect("a response")
}

/// The same body without its size.
fn unsized_body(body: Body) -> Body {
    let (feeder, fed) = fed();
    tokio::spawn(async move {
        let content = body.collect().await.expect("in memory").to_bytes();
        // In pieces, as a server writes them.
        for piece in content.chunks(10 * KIB) {
            feeder.data(piece.to_vec());
        }
    });
    fed
}

/// The connections that a rejected attempt and its replay went by, and how many were opened in all.
async fn connections_of(rejection: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) -> (Vec<usize>, usize) {
    let server = Server::strict(Http1, rejection).await;
    let (session, _) = session();
    let api = layer_over(&session, &server);
    let response = soon(api.oneshot(post(server.uri("/"), Full::<Bytes>::from("body")))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    (server.seen().iter().map(|seen| seen.connection).collect(), server.connections())
}

#[tokio::test]
async fn replay_goes_by_the_connection_of_the_rejection() {
    for chunked in [false, true] {
        for length in [0, KIB, 64 * KIB] {
            let used = connections_of(move || rejection(length, chunked)).await;
            assert_eq!(used, (vec![1, 1], 1), "{length} bytes, chunked: {chunked}");
        }
    }
}

/// With threads the system has its say, so one in fifty may fail. Without any wait it is up to half of them in tasks, and
/// nearly all where `block_on` polls the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_goes_by_the_connection_of_the_rejection_beside_worker_threads() {
    const CALLS: usize = 150;
    for (spawned, length) in [false, true].into_iter().flat_map(|spawned| [0, 30, 64].map(|length| (spawned, length))) {
        let mut more = 0;
        for _ in 0..CALLS {
            let call = connections_of(move || rejection(length * KIB, false));
            let (used, connections) = if spawned { tokio::spawn(call).await.expect("no panic") } else { call.await };
            assert_eq!(used.len(), 2);
            more += connections - 1;
        }
        assert!(more * 50 <= CALLS, "{more} more connections for {CALLS} calls, {length} KiB, spawned: {spawned}");
    }
}

/// Each turn wakes another thread, which holds the replay up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_that_waited_for_its_renewal_takes_no_turn_before_its_replay_beside_workers() {
    let renew = Arc::new(Notify::new());
    let grant = grant_fn({
        let (renew, asked) = (renew.clone(), Arc::new(AtomicUsize::new(0)));
        move |_context| {
            let (renew, number) = (renew.clone(), asked.fetch_add(1, Ordering::SeqCst));
            async move {
                if number > 0 {
                    renew.notified().await;
                }
                TokenSet::new(if number > 0 { "token-2" } else { "dead" })
            }
        }
    });
    let api = service_fn(|request: Request<Full<Bytes>>| async move {
        Ok::<_, Infallible>(if is_live(&request) { answer(StatusCode::OK, "") } else { bare_rejection() })
    });
    let session = Session::new(grant);
    session.token().await.expect("the first one");
    let layer = ReauthLayer::new(session, Origins::only("https://api.example").expect("an origin"));
    let mut call = task::spawn(layer.layer(api).oneshot(post("https://api.example/".to_owned(), Full::default())));
    assert!(call.poll().is_pending(), "the renewal is held");
    renew.notify_one();
    soon(async {
        while !call.is_woken() {
            yield_now().await;
        }
    })
    .await;
    let Poll::Ready(response) = call.poll() else { panic!("there was a turn") };
    assert_eq!(response.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn rejection_body_that_comes_after_its_head_keeps_the_connection() {
    let head_came = Arc::new(Notify::new());
    let server = Server::strict(Http1, {
        let head_came = head_came.clone();
        move || {
            let (feeder, body) = fed();
            let head_came = head_came.clone();
            tokio::spawn(async move {
                head_came.notified().await;
                feeder.data("this token is dead");
            });
            Response::builder().status(401).body(body).expect("a response")
        }
    })
    .await;
    let (session, _) = session();
    let api = ServiceBuilder::new()
        .layer(layer(&session, &server.origin))
        .map_response(move |response: Response<_>| {
            head_came.notify_one();
            response
        })
        .service(client(Http1));
    let response = soon(api.oneshot(post(server.uri("/"), full("body")))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn rejection_over_the_drain_limit_costs_its_connection_and_is_replayed() {
    for chunked in [false, true] {
        assert_eq!(connections_of(move || rejection(1024 * KIB, chunked)).await, (vec![1, 2], 2), "chunked: {chunked}");
    }
}

#[tokio::test]
async fn rejection_that_closes_its_connection_is_replayed_by_another() {
    let used = connections_of(|| {
        let mut response = rejection(KIB, false);
        response.headers_mut().insert(CONNECTION, "close".parse().expect("a value"));
        response
    });
    assert_eq!(used.await, (vec![1, 2], 2));
}

#[tokio::test]
async fn redirect_around_the_layer_takes_no_token_to_another_host() {
    let elsewhere = Server::start(Http1, async |request, recorder: crate::http_support::server::Recorder| {
        recorder.read(request).await;
        answer(StatusCode::OK, "elsewhere")
    })
    .await;
    let home = Server::start(Http1, {
        let location = elsewhere.uri("/landing");
        move |request: Request<_>, recorder| {
            let location = location.clone();
            async move {
                let live = is_live(&request);
                recorder.read(request).await;
                if !live {
                    return bare_rejection();
                }
                let mut response = answer(StatusCode::TEMPORARY_REDIRECT, "");
                response.headers_mut().insert("location", location.parse().expect("a value"));
                response
            }
        }
    })
    .await;
    let (session, _) = session();
    let api = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(layer(&session, &home.origin))
        .service(client::<Full<Bytes>>(Http1));
    let request = Request::get(home.uri("/")).body(Full::default()).expect("a valid request");
    let response = soon(api.oneshot(request)).await.expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "elsewhere");
    assert_eq!(home.seen().len(), 2, "the rejected and the redirected");
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].authorization, None);
}

/// Reads until the text ends so, or the connection does.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.ends_with(end.as_bytes()) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => text.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8(text).expect("ASCII")
}

const EARLY: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\ndead";
const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

#[tokio::test]
async fn early_rejection_is_replayed_whole_and_its_chunked_request_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let (feeder, body) = fed();
    feeder.data("sent ");
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        let mut raw = read_until(&mut first, "sent \r\n").await;
        first.write_all(EARLY).await.expect("still open");
        let (mut second, _) = listener.accept().await.expect("another connection");
        // What comes now goes to the replay alone.
        feeder.data("late");
        drop(feeder);
        raw += &read_until(&mut first, LAST_CHUNK).await;
        let replayed = read_until(&mut second, LAST_CHUNK).await;
        second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("still open");
        (raw, replayed)
    });
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &origin)).service(client(Http1));
    let response = soon(api.oneshot(post(origin + "/", body))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let (raw, replayed) = soon(server).await.expect("no panic");
    assert!(raw.contains("transfer-encoding: chunked") && raw.contains("Bearer token-1"), "{raw}");
    assert!(raw.ends_with("\r\n\r\n5\r\nsent \r\n"), "no last chunk, nothing after the part: {raw}");
    assert!(replayed.ends_with("\r\n\r\n5\r\nsent \r\n4\r\nlate\r\n0\r\n\r\n"), "{replayed}");
    assert!(replayed.contains(LIVE), "{replayed}");
}

/// A server that refuses at the head and reads on, as hyper's does not, goes by the same connection; one that hangs up
/// costs a connection. In both cases the body can't be made to fail.
#[tokio::test]
async fn early_rejection_of_a_body_that_cannot_fail_is_replayed_once_it_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let (feeder, body) = fed_sealed();
    feeder.data("sent ");
    let refused = Arc::new(Notify::new());
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        let mut raw = read_until(&mut first, "sent \r\n").await;
        first.write_all(EARLY).await.expect("still open");
        raw += &read_until(&mut first, LAST_CHUNK).await;
        let replayed = read_until(&mut first, LAST_CHUNK).await;
        first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("still open");
        (raw, replayed)
    });
    let (session, fetched) = session();
    let head_came = refused.clone();
    let api = ServiceBuilder::new()
        .layer(layer(&session, &origin))
        .map_response(move |response: Response<_>| {
            head_came.notify_one();
            response
        })
        .service(client(Http1));
    let feeding = async move {
        refused.notified().await;
        feeder.data("late");
    };
    let (response, ()) = soon(async { tokio::join!(api.oneshot(post(origin + "/", body)), feeding) }).await;
    assert_eq!(response.expect("an answer").status(), StatusCode::OK);
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    let (raw, replayed) = soon(server).await.expect("no panic");
    for attempt in [raw, replayed] {
        assert!(attempt.ends_with("\r\n\r\n5\r\nsent \r\n4\r\nlate\r\n0\r\n\r\n"), "{attempt}");
    }
}

#[tokio::test]
async fn early_rejection_of_a_body_that_cannot_fail_is_replayed_once_the_server_hung_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let (feeder, body) = fed_sealed();
    feeder.data("sent ");
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.expect("a connection");
        let raw = read_until(&mut first, "sent \r\n").await;
        first.write_all(EARLY).await.expect("still open");
        drop(first);
        let (mut second, _) = listener.accept().await.expect("another connection");
        feeder.data("late");
        drop(feeder);
        let replayed = read_until(&mut second, LAST_CHUNK).await;
        second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("still open");
        (raw, replayed)
    });
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &origin)).service(client(Http1));
    let response = soon(api.oneshot(post(origin + "/", body))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let (raw, replayed) = soon(server).await.expect("no panic");
    assert!(!raw.contains(LAST_CHUNK), "{raw}");
    assert!(replayed.ends_with("\r\n\r\n5\r\nsent \r\n4\r\nlate\r\n0\r\n\r\n"), "{replayed}");
}

/// The stream is cut off in the middle: the server sees no whole request, neither first nor again.
#[tokio::test]
async fn body_whose_stream_failed_is_not_replayed_over_the_wire() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let server = Server::start(Http1, {
        let refusals = refusals.clone();
        move |request, recorder| {
            refusals.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::spawn(recorder.read(request));
                bare_rejection()
            }
        }
    })
    .await;
    let (feeder, body) = fed();
    feeder.data("sent");
    let head_came = Arc::new(Notify::new());
    tokio::spawn({
        let head_came = head_came.clone();
        async move {
            head_came.notified().await;
            feeder.error("the disk broke".into());
        }
    });
    let (session, _) = session();
    let api = ServiceBuilder::new()
        .layer(layer(&session, &server.origin))
        .map_response(move |response: Response<_>| {
            head_came.notify_one();
            response
        })
        .service(client(Http1));
    let outcome = soon(api.oneshot(post(server.uri("/"), body))).await;
    if let Ok(response) = &outcome {
        assert_eq!((response.status(), why(response)), (StatusCode::UNAUTHORIZED, Some(ErrorKind::NotReplayable)));
    }
    assert_eq!(refusals.load(Ordering::SeqCst), 1, "{outcome:?}");
}
