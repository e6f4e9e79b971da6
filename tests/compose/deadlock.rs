//! Case 20: calls that wait for a token never hold what its renewal needs.

// Places that are held until the end are what these tests are about.
#![allow(clippy::significant_drop_tightening)]

use std::{
    io,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, join_all};
use tokio::{spawn, time::Instant};
use tower::{
    buffer::Buffer,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
};
use tower_reauth::{ClientAuth, ForceRenewal, TokenEndpoint};

use super::*;

const CROWD: usize = 100;

/// One client for both servers.
#[derive(Clone)]
struct Network {
    issuer: Issuer,
    resource: Resource,
}

impl Service<Request<Full<Bytes>>> for Network {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Response<Full<Bytes>>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        match request.uri().host() {
            Some("issuer.example") => self.issuer.call(request),
            _ => self.resource.call(request),
        }
    }
}

fn network(world: &World) -> Network {
    Network { issuer: world.issuer.clone(), resource: world.resource.clone() }
}

/// The same world, whose token requests go through this client.
fn world_over<S>(world: &World, client: S) -> World
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
{
    let endpoint = TokenEndpoint::new(client, TOKEN_URI).expect("a valid address");
    let endpoint = endpoint.client_auth(ClientAuth::basic(CLIENT_ID, CLIENT_SECRET));
    world.with_session(Session::new(world.kind.grant_at(endpoint, &world.issuer, USERNAME)))
}

/// Token requests and calls go through one client. Everybody is served: without a token, with a good one, after it died,
/// and when a renewal is asked for.
async fn all_are_served<S>(world: World, client: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
{
    let world = world_over(&world, client.clone());
    let api = world.layer().layer(client);
    for forced in [false, false, true] {
        let calls = (0..CROWD).map(|_| {
            let mut request = get("/orders");
            if forced {
                request.extensions_mut().insert(ForceRenewal);
            }
            spawn(api.clone().oneshot(request))
        });
        // Where calls hold what the renewal needs, everybody gives up after the waiting time, if ever.
        let start = Instant::now();
        for answer in join_all(calls).await {
            assert_eq!(answer.expect("no call panics").expect("an answer").status(), 200);
        }
        assert!(start.elapsed() < Duration::from_secs(1));
        world.issuer.revoke_all();
    }
}

#[tokio::test(start_paused = true)]
async fn one_place_for_calls_and_token_requests_is_enough() {
    for_every_credential(async |world| {
        let client = ServiceBuilder::new().layer(GlobalConcurrencyLimitLayer::new(1)).service(network(&world));
        all_are_served(world, client).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn places_that_are_all_taken_by_ready_services_are_given_back_when_they_wait() {
    for_every_credential(async |world| {
        let client = ServiceBuilder::new().layer(GlobalConcurrencyLimitLayer::new(5)).service(network(&world));
        let world = world_over(&world, client.clone());
        let api = world.layer().layer(client);
        for round in 1..=2 {
            let mut ready = Vec::new();
            for _ in 0..5 {
                let mut one = api.clone();
                ServiceExt::<Request<Full<Bytes>>>::ready(&mut one).await.unwrap();
                ready.push(one);
            }
            let start = Instant::now();
            let answers = join_all(ready.iter_mut().map(|one| {
                let mut request = get("/orders");
                request.extensions_mut().insert(ForceRenewal);
                one.call(request)
            }));
            for answer in answers.await {
                assert_eq!(answer.unwrap().status(), 200);
            }
            assert!(start.elapsed() < Duration::from_secs(1));
            assert_eq!(world.issuer.token_requests(), round);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_buffer_with_one_place_is_enough() {
    for_every_credential(async |world| {
        let client = Buffer::new(network(&world), 1);
        all_are_served(world, client).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_buffer_before_a_limit_with_one_place_each_is_enough() {
    for_every_credential(async |world| {
        let client = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(1)).service(network(&world));
        all_are_served(world, Buffer::new(client, 1)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_to_authorize_its_own_token_request_says_so() {
    for_every_credential(async |world| {
        let session = Session::logged_out();
        let world = world.with_session(session.clone());
        for origins in [vec![ORIGIN], vec![ORIGIN, "https://issuer.example"]] {
            let layer = ReauthLayer::new(session.clone(), Origins::any_of(origins).unwrap());
            let api = layer.layer(network(&world));
            let endpoint = TokenEndpoint::new(api.clone(), TOKEN_URI).unwrap();
            session.login(world.kind.grant_at(endpoint, &world.issuer, USERNAME));
            let error = api.oneshot(get("/orders")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SelfAuthorization);
            assert!(error.to_string().contains("obtain tokens through a client without this layer"));
            assert_eq!((world.issuer.token_requests(), world.resource.count()), (0, 0));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_can_authorize_the_token_request_of_another_one() {
    for_every_credential(async |world| {
        let gateway = ReauthLayer::new(world.session.clone(), Origins::only("https://issuer.example").unwrap());
        let inner = Session::new(world.kind.grant_at(
            TokenEndpoint::new(gateway.layer(network(&world)), TOKEN_URI).unwrap(),
            &world.issuer,
            "bob",
        ));
        assert_eq!(world.with_session(inner).get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        let authorization = world.issuer.last_request().authorization().unwrap().to_owned();
        assert!(authorization.starts_with("Bearer access-alice-"));
    })
    .await;
}
