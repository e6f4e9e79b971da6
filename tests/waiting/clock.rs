//! Case 77: all waits of a call end within one waiting time.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_reauth::{BoxGrant, ErrorKind, Grant, Origins, ReauthLayer, Session, SessionBuilder, TokenSet, grant_fn};

use super::*;

/// A session whose token requests take so long, one after the other; the last one takes for ever.
fn slow(seconds: &[u64], settings: fn(SessionBuilder<BoxGrant>) -> SessionBuilder<BoxGrant>) -> Session {
    let (seconds, sends) = (seconds.to_vec(), Arc::new(AtomicUsize::new(0)));
    let grant = grant_fn(move |_| {
        let number = sends.fetch_add(1, Ordering::SeqCst);
        let takes = seconds.get(number).copied();
        async move {
            match takes {
                Some(seconds) => sleep(Duration::from_secs(seconds)).await,
                None => pending().await,
            }
            TokenSet::new(format!("token-{}", number + 1))
        }
    });
    settings(Session::builder(grant.boxed())).build()
}

fn layer(session: Session) -> ReauthLayer {
    ReauthLayer::new(session, Origins::only(ORIGIN).unwrap())
}

/// Answers after so many seconds, and rejects every token but one with this challenge.
fn picky(
    seconds: u64,
    challenge: &'static str,
    good: u32,
) -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request: Request<Full<Bytes>>| async move {
        sleep(Duration::from_secs(seconds)).await;
        let is_good = request.headers()["authorization"] == format!("Bearer token-{good}");
        let answer = Response::builder().status(if is_good { 200 } else { 401 });
        Ok(answer.header("www-authenticate", challenge).body(Full::from("page")).unwrap())
    })
}

#[tokio::test(start_paused = true)]
async fn flight_for_claims_after_another_flight_ends_within_the_waiting_time() {
    let session = slow(&[0, 29], |builder| builder);
    session.token().await.unwrap();
    let plain = layer(session.clone()).layer(picky(0, "Bearer", 2));
    let claims = layer(session).layer(picky(0, r#"Bearer error="insufficient_claims", claims="eyJhIjoxfQ""#, 9));
    let start = Instant::now();
    let first = tokio::spawn(plain.oneshot(get("/orders")));
    tokio::task::yield_now().await;
    // Waits for a flight without its claims, and then for one of its own.
    let response = claims.oneshot(get("/orders")).await.unwrap();
    assert_eq!(failure(&response).kind(), ErrorKind::WaitedTooLong);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(text(response).await, "page");
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn first_token_and_the_renewal_after_a_rejection_are_waited_for_within_one_waiting_time() {
    let start = Instant::now();
    let response = layer(slow(&[20], |builder| builder)).layer(picky(0, "Bearer", 9)).oneshot(get("/orders")).await;
    assert_eq!(failure(&response.unwrap()).kind(), ErrorKind::WaitedTooLong);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn time_that_the_inner_service_takes_is_no_waiting() {
    let start = Instant::now();
    let api = layer(slow(&[20, 9], |builder| builder)).layer(picky(100, "Bearer", 2));
    assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(start.elapsed().as_secs(), 20 + 100 + 9 + 100);
}

#[tokio::test(start_paused = true)]
async fn turn_among_the_damped_and_the_renewal_are_waited_for_within_one_waiting_time() {
    let session = slow(&[0, 0], |builder| builder.renewals_per_minute(Some(1)));
    let token = session.token().await.unwrap();
    session.renew(token.generation()).await.unwrap();
    advance(56 * SECOND).await;
    let start = Instant::now();
    let response = layer(session).layer(picky(0, "Bearer", 9)).oneshot(get("/orders")).await.unwrap();
    assert_eq!(failure(&response).kind(), ErrorKind::WaitedTooLong);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn turn_that_comes_after_the_waiting_time_is_not_waited_for() {
    let session = slow(&[0, 0], |builder| builder.renewals_per_minute(Some(1)).waiting_time(3 * SECOND));
    let token = session.token().await.unwrap();
    session.renew(token.generation()).await.unwrap();
    advance(56 * SECOND).await;
    let start = Instant::now();
    let response = layer(session).layer(picky(0, "Bearer", 9)).oneshot(get("/orders")).await.unwrap();
    let error = failure(&response);
    assert_eq!((error.kind(), error.retry_after().unwrap().as_secs()), (ErrorKind::Damped, 4));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pauses_and_renewals_are_waited_for_within_one_waiting_time() {
    for_every_credential(async |world| {
        for renews in [false, true] {
            let session = Session::builder(world.grant()).wait_through_pauses(25 * SECOND).build();
            let token = session.token().await.unwrap();
            if !renews {
                session.login(world.grant());
            }
            world.issuer.next(Answer::status(503, "").header("retry-after", "20"));
            world.issuer.next(Answer::never());
            let start = Instant::now();
            let error = match renews {
                true => session.renew(token.generation()).await.unwrap_err(),
                false => session.token().await.unwrap_err(),
            };
            assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::WaitedTooLong, 30));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn patience_that_is_longer_is_the_waiting_time() {
    for_every_credential(async |world| {
        let session = Session::builder(world.grant()).wait_through_pauses(50 * SECOND).build();
        world.issuer.next(Answer::status(503, "").header("retry-after", "20"));
        world.issuer.next(Answer::never());
        let start = Instant::now();
        assert_eq!(world.with_session(session).get("/orders").await.unwrap_err().kind(), ErrorKind::WaitedTooLong);
        assert_eq!(start.elapsed().as_secs(), 50);
    })
    .await;
}

/// The rejection's body never ends: it is read for the rest of the time, and no longer.
#[tokio::test(start_paused = true)]
async fn rejection_is_drained_within_the_waiting_time() {
    let session = slow(&[0, 0], |builder| builder.waiting_time(Duration::from_millis(50)));
    let (token, other) = (session.token().await.unwrap(), session.clone());
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let (session, generation) = (other.clone(), token.generation());
        async move {
            let good = request.headers()["authorization"] == "Bearer token-2";
            if !good {
                session.renew(generation).await.unwrap();
            }
            let body: UnsyncBoxBody<Bytes, Infallible> = match good {
                true => Full::default().boxed_unsync(),
                false => StreamBody::new(futures::stream::pending()).boxed_unsync(),
            };
            Ok::<_, Infallible>(Response::builder().status(if good { 200 } else { 401 }).body(body).unwrap())
        }
    });
    let start = Instant::now();
    assert_eq!(layer(session).layer(service).oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(start.elapsed().as_millis(), 50);
}

#[tokio::test(start_paused = true)]
async fn waiting_time_without_an_end_does_no_harm() {
    let session = slow(&[3600, 3600], |builder| builder.waiting_time(Duration::MAX).wait_through_pauses(Duration::MAX));
    let api = layer(session).layer(picky(0, "Bearer", 2));
    // No longer than a renewal may take; a patient caller comes back.
    let call = tokio::time::timeout(100 * SECOND, api.oneshot(get("/orders")));
    assert!(call.await.is_err());
}
