//! Case 66: what never left this machine is no send, through the clients that people use.

use std::{
    future::ready,
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::advance};
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{ErrorKind, PasswordGrant, Session, Status, TokenEndpoint};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// How long a new password is held back after one attempt: 10 s where it may have been sent, no longer than a second else.
async fn held_back(endpoint: TokenEndpoint) -> Duration {
    let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
    let error = session.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    session.token().await.unwrap_err().retry_after().unwrap()
}

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://127.0.0.1:{}/token", listener.local_addr().unwrap().port())
}

fn hyper_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

#[tokio::test]
async fn ports_that_nobody_listens_on_are_no_send_of_hyper_util() {
    let endpoint = TokenEndpoint::new(hyper_client(), &nobody()).unwrap();
    assert!(held_back(endpoint).await <= SECOND);
}

#[tokio::test]
async fn connections_that_do_not_come_about_are_no_send_of_hyper_util() {
    for kind in [io::ErrorKind::TimedOut, io::ErrorKind::Other, io::ErrorKind::HostUnreachable] {
        let connector = tower::service_fn(move |_: Uri| ready(Err::<TokioIo<TcpStream>, _>(io::Error::from(kind))));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        assert!(held_back(TokenEndpoint::new(client, TOKEN_URI).unwrap()).await <= SECOND, "{kind}");
    }
}

#[tokio::test]
async fn tls_handshake_that_fails_is_no_send_of_hyper_util() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://127.0.0.1:{}/token", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 this is no TLS\r\n\r\n").await;
        }
    });
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_only().enable_http1().build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(tls);
    assert!(held_back(TokenEndpoint::new(client, &address).unwrap()).await <= SECOND);
}

#[tokio::test]
async fn connection_that_broke_after_it_came_about_is_a_send_of_hyper_util() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://127.0.0.1:{}/token", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let endpoint = TokenEndpoint::new(hyper_client(), &address).unwrap();
    assert!(held_back(endpoint).await > 5 * SECOND);
}

struct NoSuchName;

impl reqwest::dns::Resolve for NoSuchName {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("there is no such name".into()) })
    }
}

#[tokio::test]
async fn connections_that_do_not_come_about_are_no_send_of_reqwest() {
    let nameless = reqwest::Client::builder().dns_resolver(Arc::new(NoSuchName)).build().unwrap();
    for (client, address) in [(reqwest::Client::new(), nobody()), (nameless, "http://localhost:9/token".to_owned())] {
        let http = ServiceBuilder::new()
            .map_response(Response::<reqwest::Body>::from)
            .filter(<reqwest::Request as TryFrom<Request<reqwest::Body>>>::try_from)
            .service(client);
        let endpoint = TokenEndpoint::with_body::<reqwest::Body>(http, &address).unwrap();
        assert!(held_back(endpoint).await <= SECOND, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_failed_look_ups_in_a_second_do_not_hold_the_password_back() {
    let online = Arc::new(AtomicBool::new(false));
    let issuer = Issuer::new();
    let service = tower::service_fn({
        let (online, issuer) = (online.clone(), issuer.clone());
        move |request: Request<Full<Bytes>>| {
            let (issuer, online) = (issuer.clone(), online.load(Ordering::SeqCst));
            async move {
                if online {
                    issuer.oneshot(request).await.map_err(io::Error::other)
                } else {
                    Err(io::ErrorKind::NetworkUnreachable.into())
                }
            }
        }
    });
    let session = Session::new(PasswordGrant::new(TokenEndpoint::new(service, TOKEN_URI).unwrap(), USERNAME, PASSWORD));
    for _ in 0..3 {
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Transport);
        advance(SECOND / 3).await;
    }
    // Out of the tunnel.
    online.store(true, Ordering::SeqCst);
    advance(5 * SECOND).await;
    session.token().await.unwrap();
    assert_eq!(issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn service_of_unknown_type_can_be_explained_by_a_function() {
    for explained in [false, true] {
        let service = tower::service_fn(async |_: Request<Full<Bytes>>| Err::<Response<Full<Bytes>>, _>(Broken));
        let endpoint = TokenEndpoint::new(service, TOKEN_URI).unwrap();
        let endpoint = if explained { endpoint.not_sent_when(|error| error.is::<Broken>()) } else { endpoint };
        let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
        for _ in 0..24 * 60 {
            session.token().await.unwrap_err();
            advance(60 * SECOND).await;
        }
        assert_eq!(session.status() == Status::Refused, !explained);
    }
}
