//! What the layer says of APIs that want tokens bound to a key (RFC 9449).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_reauth::{DpopKey, Error, Origins, ReauthLayer, ResponseBody, Session, TokenSet, grant_fn};

type Answered = Response<Full<Bytes>>;

/// A layer over an API that answers so, and then `200`. It takes each request before it answers one.
fn service(
    session: Session,
    answers: impl IntoIterator<Item = Answered>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Error> + Clone {
    let answers = Arc::new(Mutex::new(VecDeque::from_iter(answers)));
    let api = service_fn(move |_request: Request<Full<Bytes>>| {
        let answer = answers.lock().unwrap().pop_front().unwrap_or_default();
        async {
            tokio::task::yield_now().await;
            Ok::<_, Error>(answer)
        }
    });
    ReauthLayer::new(session, Origins::only(ORIGIN).unwrap()).layer(api)
}

fn refused(challenge: &str, header: &str, value: &str) -> Answered {
    let response = Response::builder().status(401).header("www-authenticate", challenge).header(header, value);
    response.body(Full::default()).unwrap()
}

async fn bound() -> Session {
    let grant = grant_fn(|_context| async { Ok(TokenSet::new("token-1")?.with_dpop()) });
    let session = Session::builder(grant).dpop(DpopKey::generate().unwrap()).build();
    session.token().await.unwrap();
    session
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_an_api_is_told_once_to_a_crowd_and_again_when_it_is_another_one() {
    let trace = Trace::start();
    for (ahead, seconds) in [(true, 300), (false, 600)] {
        let before = trace.events("API clock differs").len();
        let difference = Duration::from_secs(seconds);
        let date = if ahead { SystemTime::now() + difference } else { SystemTime::now() - difference };
        let date = httpdate::fmt_http_date(date);
        let refusals = (0..20).map(|_| refused(r#"DPoP error="invalid_dpop_proof""#, "date", &date));
        let service = service(bound().await, refusals);
        for response in join_all((0..20).map(|_| service.clone().oneshot(get("/orders")))).await {
            assert_eq!(response.unwrap().status(), 200);
        }
        service.clone().oneshot(get("/orders")).await.unwrap();
        let events = trace.events("API clock differs");
        assert_eq!(events.len(), before + 1, "{events:?}");
        let last = events.last().unwrap();
        assert!(last.starts_with("WARN") && last.contains(&format!("origin={ORIGIN}")), "{last}");
        // `Date` has whole seconds.
        let sign = if ahead { "" } else { "-" };
        let told = (seconds - 1..=seconds + 1).any(|seconds| last.contains(&format!("ahead_s={sign}{seconds} ")));
        assert!(told, "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_asked_for_is_told_each_time_to_those_who_look_closely() {
    let trace = Trace::start();
    let nonces = ["n-1", "n-2"].map(|nonce| refused(r#"DPoP error="use_dpop_nonce""#, "dpop-nonce", nonce));
    let service = service(bound().await, nonces);
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
    }
    let events = trace.events("DPoP nonce asked for");
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|event| event.starts_with("DEBUG") && event.contains(&format!("origin={ORIGIN}"))));
    assert!(trace.lines().iter().all(|line| !line.contains("n-1") && !line.contains("n-2")), "{:?}", trace.lines());
    assert!(trace.events("rejected").is_empty() && trace.events("renewal started").len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_where_only_bound_ones_are_taken_is_told() {
    let trace = Trace::start();
    let session = Session::new(grant_fn(|_context| async { TokenSet::new("token-1") }));
    let service = service(session, [refused("DPoP", "x-request", "1")]);
    assert_eq!(service.oneshot(get("/orders")).await.unwrap().status(), 401);
    let events = trace.events("token bound to a key asked for");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].starts_with("DEBUG") && events[0].contains("bearer token"), "{events:?}");
}
