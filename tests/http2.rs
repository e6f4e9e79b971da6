//! The layer over HTTP/2: replays, early rejections, and gRPC's ways to refuse a call.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::GrpcClassifier;

use crate::http_support::{
    Body, LIVE, answer, bare_rejection,
    feed::{Feeder, fed, fed_sealed},
    full, is_live, layer,
    server::{Protocol::Http2, Recorder, Server, client},
    session, soon,
};

fn post<B>(uri: String, body: B) -> Request<B> {
    Request::post(uri).body(body).expect("a valid request")
}

#[tokio::test]
async fn replay_sends_the_same_bytes_and_trailers_by_the_same_connection() {
    let server = Server::strict(Http2, bare_rejection).await;
    let (feeder, body) = fed();
    feeder.data("one ");
    feeder.data("two");
    feeder.trailers("x-check", "17");
    drop(feeder);
    let (session, fetched) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &server.origin)).service(client(Http2));
    let response = soon(api.oneshot(post(server.uri("/orders"), body))).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].authorization.as_deref(), Some(LIVE));
    for attempt in seen {
        assert_eq!(attempt.body.as_deref(), Some(&b"one two"[..]));
        assert_eq!(attempt.trailers.expect("trailers")["x-check"], "17");
        assert_eq!((attempt.connection, attempt.path.as_str()), (1, "/orders"));
    }
}

/// Refuses a dead token at the head. `reads_on`: what it had of that request is read for the record nevertheless;
/// otherwise the stream is reset. What the feeder holds back is fed once the live token has come.
async fn early<E: Send + 'static>(reads_on: bool, feeder: Feeder<E>) -> Server {
    let feeder = Arc::new(Mutex::new(Some(feeder)));
    Server::start(Http2, move |mut request: Request<Incoming>, recorder: Recorder| {
        let feeder = feeder.clone();
        async move {
            if is_live(&request) {
                if let Some(feeder) = feeder.lock().expect("not poisoned").take() {
                    feeder.data("late");
                }
                recorder.read(request).await;
                return answer(StatusCode::OK, "orders");
            }
            let part = request.body_mut().frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
            assert_eq!(part.as_deref(), Some(&b"sent "[..]));
            if reads_on {
                tokio::spawn(recorder.read(request));
            }
            bare_rejection()
        }
    })
    .await
}

#[tokio::test]
async fn early_rejection_is_replayed_whole_and_its_request_is_never_a_shorter_one() {
    let (feeder, body) = fed();
    feeder.data("sent ");
    let server = early(true, feeder).await;
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &server.origin)).service(client(Http2));
    let response = soon(api.clone().oneshot(post(server.uri("/"), body))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    // Both are read at the same time, so either may be recorded first.
    let seen = soon(server.saw(2)).await;
    let (replay, first): (Vec<_>, Vec<_>) =
        seen.into_iter().partition(|attempt| attempt.authorization.as_deref() == Some(LIVE));
    assert_eq!(replay[0].body.as_deref(), Some(&b"sent late"[..]));
    assert_eq!(first[0].body, None, "cut off, not ended");
}

#[tokio::test]
async fn early_rejection_of_a_body_that_cannot_fail_is_replayed_once_the_server_reset_the_stream() {
    let (feeder, body) = fed_sealed();
    feeder.data("sent ");
    let server = early(false, feeder).await;
    let (session, _) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &server.origin)).service(client(Http2));
    let response = soon(api.oneshot(post(server.uri("/"), body))).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body.as_deref(), Some(&b"sent late"[..]));
}

fn grpc(status: Option<&'static str>, body: Body) -> Response<Body> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    if let Some(status) = status {
        response = response.header("grpc-status", status);
    }
    response.body(body).expect("a response")
}

/// Messages, then trailers with this status.
fn messages(messages: &[&'static str], status: &'static str) -> Body {
    let (feeder, body) = fed();
    for message in messages {
        feeder.data(*message);
    }
    feeder.trailers("grpc-status", status);
    body
}

/// Refuses dead tokens in this way. Gives what came back, how often the server was asked, and the count of tokens.
async fn call(
    classifier: GrpcClassifier,
    refusal: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) -> (HeaderMap, String, Option<HeaderMap>, usize, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::start(Http2, {
        let calls = calls.clone();
        move |request, recorder| {
            let refusal = refusal.clone();
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                let live = is_live(&request);
                recorder.read(request).await;
                if live { grpc(None, messages(&["answer"], "0")) } else { refusal() }
            }
        }
    })
    .await;
    let (session, fetched) = session();
    let api = ServiceBuilder::new().layer(layer(&session, &server.origin).classify(classifier)).service(client(Http2));
    let (head, body) = soon(api.oneshot(post(server.uri("/shop.Orders/List"), full("question"))))
        .await
        .expect("an answer")
        .into_parts();
    let body = soon(body.collect()).await.expect("whole");
    let trailers = body.trailers().cloned();
    let text = String::from_utf8(body.to_bytes().to_vec()).expect("ASCII");
    (head.headers, text, trailers, calls.load(Ordering::SeqCst), fetched.load(Ordering::SeqCst))
}

#[tokio::test]
async fn grpc_refusal_in_the_head_is_renewed_and_replayed() {
    let (_, text, trailers, calls, fetched) = call(GrpcClassifier::new(), || grpc(Some("16"), full(""))).await;
    assert_eq!((text.as_str(), calls, fetched), ("answer", 2, 2));
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn other_grpc_statuses_pass() {
    for status in ["0", "7", "14", "1"] {
        let (head, _, _, calls, fetched) = call(GrpcClassifier::new(), move || grpc(Some(status), full(""))).await;
        assert_eq!((head["grpc-status"].to_str().ok(), calls, fetched), (Some(status), 1, 1));
        let classifier = GrpcClassifier::new().with_trailers();
        let (_, _, trailers, calls, fetched) = call(classifier, move || grpc(None, messages(&[], status))).await;
        assert_eq!((trailers.expect("trailers")["grpc-status"].to_str().ok(), calls, fetched), (Some(status), 1, 1));
    }
}

#[tokio::test]
async fn grpc_refusal_in_trailers_passes_by_default() {
    let (_, _, trailers, calls, _) = call(GrpcClassifier::new(), || grpc(None, messages(&[], "16"))).await;
    assert_eq!((trailers.expect("trailers")["grpc-status"].to_str().ok(), calls), (Some("16"), 1));
}

#[tokio::test]
async fn grpc_refusal_in_trailers_is_renewed_and_replayed_where_opted_in() {
    let classifier = GrpcClassifier::new().with_trailers();
    let (_, text, trailers, calls, fetched) = call(classifier, || grpc(None, messages(&[], "16"))).await;
    assert_eq!((text.as_str(), calls, fetched), ("answer", 2, 2));
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn grpc_refusal_after_a_message_passes_whole() {
    let classifier = GrpcClassifier::new().with_trailers();
    let (_, text, trailers, calls, fetched) = call(classifier, || grpc(None, messages(&["part"], "16"))).await;
    assert_eq!((text.as_str(), calls, fetched), ("part", 1, 1));
    assert_eq!(trailers.expect("trailers")["grpc-status"], "16");
}

/// The server answers the head at once and says something only after it was asked something after that head.
#[tokio::test]
async fn bidirectional_call_that_talks_after_the_head_does_not_hang() {
    let server = Server::start(Http2, async |request: Request<Incoming>, _: Recorder| {
        let (feeder, body) = fed();
        tokio::spawn(async move {
            let mut asked = request.into_body();
            while let Some(Ok(frame)) = asked.frame().await {
                if let Ok(data) = frame.into_data() {
                    feeder.data(data);
                }
            }
            feeder.trailers("grpc-status", "0");
        });
        grpc(None, body)
    })
    .await;
    let (session, _) = session();
    let api = ServiceBuilder::new()
        .layer(layer(&session, &server.origin).classify(GrpcClassifier::new()))
        .service(client(Http2));
    let (feeder, body) = fed();
    let response = soon(api.oneshot(post(server.uri("/chat"), body))).await.expect("a head before any message");
    let mut body = response.into_body();
    for word in ["hello", "bye"] {
        feeder.data(word);
        let frame = soon(body.frame()).await.expect("not ended").expect("not broken");
        assert_eq!(frame.into_data().expect("a message"), word);
    }
    drop(feeder);
    let trailers = soon(body.frame()).await.expect("not ended").expect("not broken").into_trailers();
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
}
