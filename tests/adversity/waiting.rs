//! Waiting has an end, and costs what it may cost.

use std::{
    convert::Infallible,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{ErrorKind, Origins, ReauthLayer, RenewalFailed, Session, TokenSet, grant_fn};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn waiter_with_claims_is_released_after_the_waiting_time() {
    let fetched = AtomicUsize::new(0);
    let session = Session::new(grant_fn(move |_| {
        let first = fetched.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { TokenSet::new("token") } else { pending().await } }
    }));
    let layer = ReauthLayer::new(session, Origins::only(ORIGIN).unwrap());
    let api = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        let challenge = match request.uri().path() {
            "/claims" => r#"Bearer error="insufficient_claims", claims="eyJhIjoxfQ""#,
            _ => "Bearer",
        };
        let rejection = Response::builder().status(401).header("www-authenticate", challenge);
        Ok::<_, Infallible>(rejection.body(Full::<Bytes>::default()).unwrap())
    }));
    let start = Instant::now();
    let plain = api.clone().oneshot(get("/orders"));
    let claims = api.clone().oneshot(get("/claims"));
    let (plain, claims) = never_hangs(futures::future::join(plain, claims)).await;
    for response in [plain.unwrap(), claims.unwrap()] {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let failed = response.extensions().get::<RenewalFailed>().unwrap();
        assert_eq!(failed.error().kind(), ErrorKind::WaitedTooLong);
    }
    assert!(start.elapsed() < Duration::from_secs(31), "{:?}", start.elapsed());
}
