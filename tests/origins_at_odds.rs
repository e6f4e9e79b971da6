//! Cases 79, 80 and 105: what one origin, or one route of it, does to the others of the same session.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{sync::Arc, time::Duration};

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_reauth::{ErrorKind, NoReplay, Origins, Reauth, ReauthLayer, RenewalFailed, ResponseBody, Session, Sessions};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const FLAKY: &str = "https://flaky.example";
const BAD: &str = "/bad";
const GOOD: &str = "/orders";

type Answered = Response<ResponseBody<Full<Bytes>>>;

fn failure(response: &Answered) -> ErrorKind {
    assert_eq!(response.status(), 401);
    response.extensions().get::<RenewalFailed>().expect("the layer says why").error().kind()
}

fn not_replayable(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(NoReplay);
    request
}

/// How a program holds its client: what passes is told to the session in each of these ways.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// One service, with a copy of the token of its own.
    Kept,
    /// A clone for each call.
    Cloned,
    /// One of many sessions.
    AmongMany,
}

impl Client {
    const ALL: [Self; 3] = [Self::Kept, Self::Cloned, Self::AmongMany];

    fn calls(self, world: &World) -> Calls {
        let sessions = Sessions::new();
        sessions.insert((), world.session.clone());
        let origins = || Origins::only(ORIGIN).unwrap();
        let layer = match self {
            Self::AmongMany => ReauthLayer::new(sessions, origins()),
            _ => ReauthLayer::new(world.session.clone(), origins()),
        };
        Calls { client: self, api: layer.layer(world.resource.clone()) }
    }
}

struct Calls {
    client: Client,
    api: Reauth<Resource>,
}

impl Calls {
    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answered {
        match self.client {
            Client::Cloned => return self.api.clone().oneshot(request).await.unwrap(),
            Client::AmongMany => drop(request.extensions_mut().insert(())),
            Client::Kept => {}
        }
        ServiceExt::<Request<Full<Bytes>>>::ready(&mut self.api).await.unwrap().call(request).await.unwrap()
    }
}

async fn for_every_client(claim: impl AsyncFn(&World, &mut Calls)) {
    for client in Client::ALL {
        println!("client: {client:?}");
        for_every_credential(async |world| claim(&world, &mut client.calls(&world)).await).await;
    }
}

// Case 79

#[tokio::test(start_paused = true)]
async fn token_that_first_sends_took_is_renewed_when_it_is_killed() {
    for_every_client(async |world, calls| {
        for passes in [1, 5] {
            assert_eq!(calls.send(get(GOOD)).await.status(), 200);
            world.issuer.revoke_all();
            assert_eq!(failure(&calls.send(not_replayable(GOOD)).await), ErrorKind::NotReplayable);
            for _ in 0..passes {
                assert_eq!(calls.send(get(GOOD)).await.status(), 200);
            }
            let requests = world.issuer.token_requests();
            world.issuer.revoke_all();
            assert_eq!(calls.send(get(GOOD)).await.status(), 200);
            assert_eq!(world.issuer.token_requests(), requests + 1);
            advance(MINUTE).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_an_origin_lets_through_ends_its_cool_down_and_not_the_memory_of_it() {
    for_every_client(async |world, calls| {
        assert_eq!(calls.send(get(GOOD)).await.status(), 200);
        for pause in [1, 2, 4] {
            world.resource.reject_at(ORIGIN);
            assert_eq!(failure(&calls.send(get(GOOD)).await), ErrorKind::RejectedAgain);
            let cooling = calls.send(get(GOOD)).await;
            let error = cooling.extensions().get::<RenewalFailed>().unwrap().error();
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::CoolingDown, Some(pause * SECOND)));
            world.resource.judge_at(ORIGIN);
            assert_eq!(calls.send(not_replayable(GOOD)).await.status(), 200);
            world.issuer.revoke_all();
            assert_eq!(calls.send(get(GOOD)).await.status(), 200);
        }
    })
    .await;
}

/// The token is the same one, and the copies that services had made of it before are not used unseen.
#[tokio::test(start_paused = true)]
async fn pass_with_a_copy_from_before_the_cool_down_ends_it_too() {
    for_every_client(async |world, calls| {
        for _ in 0..3 {
            assert_eq!(calls.send(get(GOOD)).await.status(), 200);
        }
        let token = world.issuer.last_access_token();
        world.issuer.next(Answer::tokens().access_token(&token));
        world.resource.reject_at(ORIGIN);
        // Through another service, so that the first one has its copy still.
        assert_eq!(failure(&world.send(get(GOOD)).await.unwrap()), ErrorKind::SameToken);
        assert_eq!(failure(&world.send(get(GOOD)).await.unwrap()), ErrorKind::CoolingDown);
        world.resource.judge_at(ORIGIN);
        assert_eq!(calls.send(get(GOOD)).await.status(), 200);
        world.issuer.revoke_all();
        assert_eq!(calls.send(get(GOOD)).await.status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn late_rejection_of_an_older_token_puts_none_on_trial() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.get(GOOD).await.unwrap();
        world.resource.hold("/slow", &gate);
        let slow = tokio::spawn({
            let world = world.clone();
            async move { world.send(not_replayable("/slow")).await.unwrap() }
        });
        gate.arrived(1).await;
        world.issuer.revoke_all();
        assert_eq!(world.get(GOOD).await.unwrap().status(), 200);
        // The slow one is rejected while a renewal is under way that has another cause.
        let renewal = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&renewal));
        let token = world.session.token().await.unwrap();
        let renewing = tokio::spawn({
            let session = world.session.clone();
            async move { session.renew(token.generation()).await.unwrap() }
        });
        renewal.arrived(1).await;
        gate.open();
        tokio::task::yield_now().await;
        renewal.open();
        renewing.await.unwrap();
        assert_eq!(failure(&slow.await.unwrap()), ErrorKind::NotReplayable);
        world.issuer.revoke_all();
        assert_eq!(world.get(GOOD).await.unwrap().status(), 200);
    })
    .await;
}

// Case 80

#[tokio::test(start_paused = true)]
async fn api_that_rejects_each_first_send_does_not_damp_another_origin() {
    for_every_credential(async |world| {
        let world = &world;
        let service = service_fn({
            let resource = world.resource.clone();
            let last = Arc::new(std::sync::Mutex::new(None));
            move |request: Request<Full<Bytes>>| {
                let token = request.headers()["authorization"].clone();
                let flaky = request.uri().host() == Some("flaky.example");
                // Its bad node has not heard of the tokens that its good node took.
                let rejects = flaky && last.lock().unwrap().replace(token.clone()) == Some(token);
                let resource = resource.clone();
                async move {
                    let mut response = resource.oneshot(request).await?;
                    if rejects {
                        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
                    }
                    Ok::<_, Broken>(response)
                }
            }
        });
        let origins = Origins::any_of([ORIGIN, FLAKY]).unwrap();
        let api = ReauthLayer::new(world.session.clone(), origins).layer(service);
        let call = async |uri: &str| api.clone().oneshot(get(uri)).await.unwrap();
        call(GOOD).await;
        let (start, mut damped) = (Instant::now(), 0);
        let began = world.issuer.token_requests();
        for round in 0..1_200 {
            let flaky = call(&format!("{FLAKY}/x")).await;
            if flaky.status() != 200 {
                assert_eq!(failure(&flaky), ErrorKind::Damped);
                damped += 1;
            }
            // Five times a minute, which is its half.
            if round % 24 == 0 {
                world.issuer.revoke_all();
                assert_eq!(call(GOOD).await.status(), 200, "{round}");
            }
            advance(SECOND / 2).await;
        }
        assert!(damped > 100, "{damped}");
        let renewals = &world.issuer.requests()[began..];
        assert!(renewals.len() as f64 > start.elapsed().as_secs_f64() / 7.0);
        // Ten of the one while it was alone, and five of the other.
        assert!(renewals.windows(16).all(|some| some[15].at - some[0].at >= MINUTE));
    })
    .await;
}

// Case 105

#[tokio::test(start_paused = true)]
async fn one_route_that_rejects_everything_costs_two_renewals_a_minute_and_the_others_heal() {
    for_every_client(async |world, calls| {
        for request in [get, not_replayable] {
            world.resource.reject_at(BAD);
            assert_eq!(calls.send(get(GOOD)).await.status(), 200);
            let requests = world.issuer.token_requests();
            let mut revocations = 0;
            for second in 0..600 {
                assert_eq!(calls.send(request(BAD)).await.status(), 401);
                if second % 97 == 13 {
                    world.issuer.revoke_all();
                    revocations += 1;
                }
                let good = calls.send(get(GOOD)).await;
                assert_eq!(good.status(), 200, "{second}: {:?}", good.extensions().get::<RenewalFailed>());
                advance(SECOND).await;
            }
            let renewals = &world.issuer.requests()[requests..];
            assert!(renewals.len() <= 10 + 2 + revocations, "{} renewals", renewals.len());
            let of_route = renewals.windows(3).filter(|some| some[2].at - some[0].at < MINUTE).count();
            assert!(of_route <= revocations, "{of_route}");
            advance(2 * MINUTE).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn broken_origin_among_two_costs_what_its_pauses_allow_and_is_heard_again() {
    for_every_credential(async |world| {
        let origins = Origins::any_of([ORIGIN, FLAKY]).unwrap();
        let api = ReauthLayer::new(world.session.clone(), origins).layer(world.resource.clone());
        let call = async |uri: &str| api.clone().oneshot(get(uri)).await.unwrap();
        world.resource.reject_at(FLAKY);
        call(GOOD).await;
        let requests = world.issuer.token_requests();
        for second in 0..600 {
            // As many routes as there are calls.
            assert_eq!(call(&format!("{FLAKY}/{second}")).await.status(), 401);
            assert_eq!(call(GOOD).await.status(), 200);
            advance(SECOND).await;
        }
        // 1 s doubling to a minute.
        assert!(world.issuer.token_requests() - requests <= 15, "{}", world.issuer.token_requests() - requests);
        world.resource.judge_at(FLAKY);
        world.issuer.revoke_all();
        advance(MINUTE).await;
        assert_eq!(call(&format!("{FLAKY}/x")).await.status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_layers_of_one_session_keep_their_origins_apart() {
    for_every_credential(async |world| {
        let layer = |origin| ReauthLayer::new(world.session.clone(), Origins::only(origin).unwrap());
        let session: &Session = &world.session;
        session.token().await.unwrap();
        let (good, bad) = (layer(ORIGIN).layer(world.resource.clone()), layer(FLAKY).layer(world.resource.clone()));
        world.resource.reject_at(FLAKY);
        for kind in [ErrorKind::RejectedAgain, ErrorKind::CoolingDown] {
            assert_eq!(failure(&bad.clone().oneshot(get(&format!("{FLAKY}/x"))).await.unwrap()), kind);
        }
        world.issuer.revoke_all();
        assert_eq!(good.clone().oneshot(get(GOOD)).await.unwrap().status(), 200);
    })
    .await;
}
