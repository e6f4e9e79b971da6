//! Answers that do not come, break off, or are too long.

use super::*;

#[tokio::test(start_paused = true)]
async fn hanging_server_is_given_up_after_the_time_limit() {
    let service = tower::service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let endpoint = TokenEndpoint::new(service, "http://localhost/token").unwrap();
    for (endpoint, limit) in [(endpoint.clone(), 120), (endpoint.timeout(Duration::from_secs(3)), 3)] {
        let start = Instant::now();
        assert_eq!(ask(&endpoint).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn answer_that_stops_in_the_middle_is_given_up_and_its_status_kept() {
    let service = tower::service_fn(|_: Request<Full<Bytes>>| async {
        let body = StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>());
        Ok::<_, Infallible>(Response::builder().status(400).body(body).unwrap())
    });
    let error = ask(&TokenEndpoint::new(service, "http://localhost/token").unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::TimedOut, Some(StatusCode::BAD_REQUEST)));
}

#[tokio::test(start_paused = true)]
async fn time_limit_without_end_does_not_overflow() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    ask(&script.endpoint().timeout(Duration::MAX)).await.unwrap();
}

#[tokio::test]
async fn broken_connection_is_the_source_of_the_error() {
    let service = tower::service_fn(async |_: Request<Full<Bytes>>| {
        Err::<Response<Full<Bytes>>, _>(io::Error::other("connection reset"))
    });
    let error = ask(&TokenEndpoint::new(service, "http://localhost/token").unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Transport, None));
    assert_eq!(error.source().unwrap().to_string(), "connection reset");
}

#[tokio::test]
async fn answer_that_breaks_off_keeps_its_status_and_an_outage_stays_one() {
    for (status, kind) in [(200, ErrorKind::Transport), (400, ErrorKind::Transport), (503, ErrorKind::Unavailable)] {
        let service = tower::service_fn(move |_: Request<Full<Bytes>>| async move {
            let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"{"))), Err(io::Error::other("reset"))];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        });
        let error = ask(&TokenEndpoint::new(service, "http://localhost/token").unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (kind, status));
    }
}

#[tokio::test]
async fn limit_counts_every_byte_of_the_answer() {
    let exact = answer(200, &[], TOKEN);
    let script = Script::new([exact.clone(), exact]);
    let endpoint = script.endpoint();
    ask(&endpoint.clone().response_limit(TOKEN.len())).await.unwrap();
    let error = ask(&endpoint.response_limit(TOKEN.len() - 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::AnswerTooLarge, Some(StatusCode::OK)));

    // An answer without end, too.
    let service = tower::service_fn(async |_: Request<Full<Bytes>>| {
        let frame = || Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(&[b' '; 1000])));
        let trailers = Ok(http_body::Frame::trailers(HeaderMap::new()));
        let frames = std::iter::once(trailers).chain(std::iter::repeat_with(frame));
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
    });
    let error = ask(&TokenEndpoint::new(service, "http://localhost/token").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerTooLarge);
}

#[tokio::test]
async fn oversized_error_page_leaves_the_status_to_decide() {
    let script = Script::new([answer(401, &[], &"x".repeat(2 << 20)), answer(404, &[], &"x".repeat(2 << 20))]);
    assert_eq!(ask(&script.endpoint()).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(ask(&script.endpoint()).await.unwrap_err().kind(), ErrorKind::UnexpectedStatus);
}
