//! The layer in front of a server of the user's own.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::HeaderName;
use tower::{Layer, service_fn};
use tower_reauth::{GrpcClassifier, Scheme};

use super::*;

#[tokio::test(start_paused = true)]
async fn dead_token_does_not_reach_the_server_and_gets_a_challenge() {
    let issuer = Issuer::new();
    issuer.accept("good");
    let reached = Arc::new(AtomicUsize::new(0));
    let count = reached.clone();
    let server = issuer.guard().layer(service_fn(move |_: Request<Full<Bytes>>| {
        count.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello"))) }
    }));
    assert_eq!(text(server.clone().oneshot(with_token("/", "good")).await.unwrap()).await, "hello");
    for request in [get("/"), with_token("/", "other"), {
        let mut twice = with_token("/", "good");
        twice.headers_mut().append("authorization", "Bearer good".parse().unwrap());
        twice
    }] {
        let answer = server.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
    assert_eq!(reached.load(SeqCst), 1);
    assert_eq!(
        lines(&issuer),
        ["GET /, token 1: 200", "GET /, no token: 401", "GET /, an unknown token: 401", "GET /, no token: 401"]
    );
}

#[tokio::test(start_paused = true)]
async fn grpc_request_with_a_dead_token_gets_the_status_that_the_layer_heals() {
    let world = World::new(Kind::Password);
    let server = world.issuer.guard().layer(service_fn(async |_: Request<Full<Bytes>>| {
        let mut answer = Response::new(Full::<Bytes>::default());
        answer.headers_mut().insert("grpc-status", "0".parse().unwrap());
        Ok::<_, Infallible>(answer)
    }));
    let api = world.layer().classify(GrpcClassifier::new()).layer(server);
    let call = async || {
        let mut request = post("/orders.v1.Orders/Place", "");
        request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        api.clone().oneshot(request).await.unwrap().headers()["grpc-status"].clone()
    };
    assert_eq!(call().await, "0");
    world.issuer.revoke_all();
    assert_eq!(call().await, "0");
    assert_eq!(
        lines(&world.issuer)[2..],
        [
            "revoked: all tokens",
            "POST /orders.v1.Orders/Place, token 1: UNAUTHENTICATED",
            "refresh token 1 redeemed: token 2",
            "POST /orders.v1.Orders/Place, token 2: 200",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn token_is_read_where_the_program_sends_it() {
    let world = World::new(Kind::Password);
    let name = HeaderName::from_static("x-auth-token");
    let guard = world.issuer.guard().header(name.clone()).scheme(Scheme::bare());
    let server = guard.layer(service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let api = world.layer().header(&name).unwrap().scheme(Scheme::bare()).layer(server.clone());
    assert_eq!(api.clone().oneshot(get("/")).await.unwrap().status(), 200);
    world.issuer.revoke_all();
    assert_eq!(api.oneshot(get("/")).await.unwrap().status(), 200);
    world.issuer.accept("good");
    assert_eq!(server.oneshot(with_token("/", "good")).await.unwrap().status(), 401, "the token is in another header");
}
