//! Waiting has an end, and costs what it may cost.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, service_fn};
use tower_reauth::{ErrorKind, Origins, ReauthLayer, RenewalFailed, Session, TokenSet, grant_fn};

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(10);

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

#[tokio::test(start_paused = true)]
#[allow(clippy::significant_drop_tightening, reason = "the service that failed is to live on")]
async fn call_that_fails_before_it_is_sent_gives_its_place_back() {
    let limited = ServiceBuilder::new()
        .layer(ReauthLayer::new(Session::logged_out(), Origins::only(ORIGIN).unwrap()))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service(service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    let (mut one, mut other) = (limited.clone(), limited);
    let error = one.ready().await.unwrap().call(get("/orders")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoggedOut);
    tokio::time::timeout(PATIENCE, other.ready()).await.expect("the place is free").unwrap();
    drop(one);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_pause_to_end_are_counted() {
    /// Says how many copies of a body are alive.
    struct Tracked(Vec<u8>, #[allow(dead_code, reason = "counted")] Arc<()>);
    impl AsRef<[u8]> for Tracked {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    let issuer = Issuer::new();
    let session = Session::builder(Kind::ClientCredentials.grant(&issuer, USERNAME))
        .wait_through_pauses(Duration::from_secs(600))
        .build();
    let world = World { kind: Kind::ClientCredentials, resource: Resource::new(&issuer), issuer, session };
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.next(Answer::status(503, "").header("retry-after", "60"));
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.get("/orders").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;

    let resource = world.resource.clone();
    // The resource records bodies; here it never sees them.
    let api = world.layer().layer(service_fn(move |request: Request<Full<Bytes>>| {
        resource.clone().oneshot(request.map(|_| Full::<Bytes>::default()))
    }));
    let alive = Arc::new(());
    let calls = [(); 3].map(|()| {
        let body = Bytes::from_owner(Tracked(vec![0; 40 << 20], alive.clone()));
        tokio::spawn(api.clone().oneshot(post("/orders", body)))
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&alive) - 1, 1, "64 MiB hold one body of 40 MiB");

    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap().unwrap().status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn patient_call_repeats_a_renewal_that_panics_after_longer_and_longer_pauses() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let grant = grant_fn(move |_| {
        let count = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if count > 100 {
                return pending().await;
            }
            panic!("a bug in a grant")
        }
    });
    let session = Session::builder(grant).wait_through_pauses(Duration::from_secs(60)).build();
    let api = ReauthLayer::new(session.clone(), Origins::only(ORIGIN).unwrap()).layer(service_fn(
        async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())),
    ));
    assert_eq!(api.oneshot(get("/orders")).await.unwrap_err().kind(), ErrorKind::RenewalLost);
    // At once, and after 1, 2, 4, 8 and 16 s more; the next pause would be longer than the patience.
    assert_eq!(fetched.load(Ordering::SeqCst), 6);
}
