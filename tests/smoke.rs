//! smoke
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_reauth::*;

#[tokio::test(start_paused = true)]
async fn storm() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let session = Session::new(grant_fn(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            TokenSet::new(format!("token{n}"))
        }
    }));
    let good = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(0));
    let (g, s) = (good.clone(), seen.clone());
    let api = ServiceBuilder::new()
        .layer(ReauthLayer::new(session.clone(), Origins::only("https://gw.example").unwrap()))
        .service(service_fn(move |r: Request<Full<Bytes>>| {
            let want = format!("Bearer token{}", g.load(Ordering::SeqCst));
            s.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                let status =
                    if r.headers().get("authorization").is_some_and(|v| v == want.as_str()) { 200 } else { 401 };
                Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::from("hello")).unwrap())
            }
        }));
    let call = || api.clone().oneshot(Request::post("https://gw.example/x").body(Full::from("body")).unwrap());
    for r in futures::future::join_all((0..1000).map(|_| call())).await {
        assert_eq!(r.unwrap().status(), 200);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    assert_eq!(seen.load(Ordering::SeqCst), 1000);
    good.store(1, Ordering::SeqCst);
    for r in futures::future::join_all((0..1000).map(|_| call())).await {
        assert_eq!(r.unwrap().status(), 200);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    assert_eq!(seen.load(Ordering::SeqCst), 3000);
    session.logout().await.unwrap();
    assert_eq!(call().await.unwrap_err().kind(), ErrorKind::LoggedOut);
}
