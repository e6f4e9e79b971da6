//! The time-out of a builder limits the whole call, however often its request is sent.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use futures::FutureExt;
use http::{Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, advance, error::Elapsed},
};
use tower::{Layer, ServiceExt, layer::layer_fn, service_fn};
use tower_reauth::{ErrorKind, Origins, ReauthLayer, ReqwestService, SendThrough, Session, TokenSet, grant_fn};

use super::{Seen, client, server, status};

const LIMIT: Duration = Duration::from_secs(10);
/// What the first attempt takes.
const FIRST: Duration = Duration::from_secs(7);

/// Rejects the first attempt, after a while. Later ones go on to the client.
fn slow_rejection() -> impl Layer<
    ReqwestService,
    Service: tower::Service<
        Request<reqwest::Body>,
        Response = Response<reqwest::Body>,
        Error = reqwest::Error,
        Future: Send,
    > + Clone
                 + Send,
> + Clone {
    let attempts = Arc::new(AtomicUsize::new(0));
    layer_fn(move |client: ReqwestService| {
        let attempts = attempts.clone();
        service_fn(move |request: Request<reqwest::Body>| {
            let (first, client) = (attempts.fetch_add(1, Ordering::Relaxed) == 0, client.clone());
            async move {
                if first {
                    advance(FIRST).await;
                    return Ok(Response::builder().status(401).body(reqwest::Body::default()).unwrap());
                }
                client.oneshot(request).await
            }
        })
    })
}

fn api(origin: &str) -> ReauthLayer {
    let count = Arc::new(AtomicUsize::new(0));
    let grant = grant_fn(move |_| ready(TokenSet::new(format!("token-{}", count.fetch_add(1, Ordering::Relaxed)))));
    ReauthLayer::new(Session::new(grant), Origins::only(origin).unwrap())
}

/// As long as it is there, paused time stands still: sockets get all the time that they need.
fn stand_still() -> mpsc::Sender<()> {
    let (hold, held) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    hold
}

#[tokio::test(start_paused = true)]
async fn time_out_is_that_of_all_attempts_together() {
    // Connections are made, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let started = Instant::now();
    let request = client().get(&origin).timeout(LIMIT);
    let error = request.send_through(&(api(&origin), slow_rejection())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    assert!(source.is_some_and(reqwest::Error::is_timeout), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn time_out_holds_for_the_body_of_the_answer() {
    let hold = stand_still();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 1024]).await.unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n2 pe").await.unwrap();
        pending::<()>().await
    });
    let started = Instant::now();
    let request = client().get(&origin).timeout(LIMIT);
    let response = request.send_through(&(api(&origin), slow_rejection())).await.unwrap();
    assert_eq!((response.status().as_u16(), started.elapsed().as_secs()), (200, FIRST.as_secs()));
    drop(hold);
    let error = response.text().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn time_out_ends_a_wait_for_a_token_and_not_the_renewal() {
    let session = Session::new(grant_fn(async |_| {
        tokio::time::sleep(LIMIT * 2).await;
        TokenSet::new("token")
    }));
    let api = ReauthLayer::new(&session, Origins::only("https://orders.example").unwrap());
    let layers = (api, server(&Seen::default(), |_| status(200)));
    let started = Instant::now();
    let request = || client().get("https://orders.example/");
    let error = request().timeout(LIMIT).send_through(&layers).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_secs()), (ErrorKind::Service, LIMIT.as_secs()));
    assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<Elapsed>()), "{error:?}");
    assert!(request().send_through(&layers).await.is_ok());
    assert_eq!(started.elapsed().as_secs(), 2 * LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn time_out_without_end_is_none() {
    let layers = (api("https://orders.example"), server(&Seen::default(), |_| status(200)));
    let request = client().get("https://orders.example/").timeout(Duration::MAX);
    assert!(request.send_through(&layers).now_or_never().is_none_or(|result| result.is_ok()));
}
