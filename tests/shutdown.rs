//! The end of a program: an axum server that shuts down gracefully loses no answer and no revocation.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::time::Duration;

use crate::support::*;
use axum::{Router, extract::State, routing::get as route};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

const LONG: Duration = Duration::from_secs(30);

/// A front end that calls an API with the session's token, and logs the user out.
fn front_end(world: &World) -> Router {
    Router::new()
        .route("/orders", route(async |State(world): State<World>| world.get("/orders").await.unwrap().status()))
        .route(
            "/logout",
            route(async |State(world): State<World>| {
                // Nobody waits for the revocation.
                drop(world.session.logout());
            }),
        )
        .with_state(world.clone())
}

async fn request(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn with_server(world: &World, visit: impl AsyncFnOnce(std::net::SocketAddr)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, front_end(world)).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    visit(address).await;
    stop.send(()).unwrap();
    tokio::time::timeout(LONG, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn revocation_that_nobody_waits_for_reaches_the_server_before_the_program_ends() {
    let world = World::new(Kind::Password);
    world.issuer.always(Answer::tokens().with_refresh_token());
    let gate = Gate::closed();
    world.issuer.next_revocation(Answer::status(200, "").behind(&gate));
    with_server(&world, async |address| {
        assert!(request(address, "/orders").await.starts_with("HTTP/1.1 200"));
        assert!(request(address, "/logout").await.starts_with("HTTP/1.1 200"));
    })
    .await;
    assert!(!world.session.shutdown(Duration::ZERO).await, "the revocation is still under way");
    gate.open();
    assert!(world.session.shutdown(LONG).await);
    assert_eq!(world.issuer.revocations().len(), 2);
}

#[tokio::test]
async fn answer_of_a_renewal_whose_caller_has_gone_is_kept_before_the_program_ends() {
    let world = World::new(Kind::RefreshToken);
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().with_refresh_token().delivered_behind(&gate));
    with_server(&world, async |address| {
        // The visitor goes as soon as the token request is on the wire.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /orders HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        gate.arrived(1).await;
        drop(stream);
        gate.open();
    })
    .await;
    assert!(world.session.shutdown(LONG).await);
    assert!(world.issuer.is_alive(&world.issuer.last_access_token()));
    let token = world.session.token().await.unwrap();
    use secrecy::ExposeSecret;
    assert_eq!(token.token_set().access_token().expose_secret(), world.issuer.last_access_token());
    assert_eq!(world.issuer.token_requests(), 1);
}
