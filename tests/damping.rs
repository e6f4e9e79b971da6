//! Cases 40 (two devices at work), 55 and 57: what keeps renewals, and what waits for them, within bounds.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error, ErrorKind, NoReplay, Origins, PasswordGrant, Reauth, ReauthLayer, RenewalFailed, ResponseBody, Session,
};

const SECOND: Duration = Duration::from_secs(1);
const BROKEN: &str = "https://broken.example";

fn failure(response: &Response<ResponseBody<Full<Bytes>>>) -> &Error {
    assert_eq!(response.status(), 401);
    response.extensions().get::<RenewalFailed>().expect("the layer says why").error()
}

// Case 40

struct Device {
    world: World,
    name: &'static str,
}

impl Device {
    fn new(world: &World, name: &'static str, own_scope: bool) -> Self {
        // An endpoint that tells the test which device asks.
        let endpoint = world.issuer.endpoint().parameter("device", name);
        let mut grant = PasswordGrant::new(endpoint, USERNAME, PASSWORD).scope("orders");
        if own_scope {
            grant = grant.device_scope(name);
        }
        Self { world: world.with_session(Session::new(grant)), name }
    }

    fn token_requests(&self) -> Vec<Instant> {
        let requests = self.world.issuer.requests();
        requests.iter().filter(|one| one.parameter("device") == Some(self.name)).map(|one| one.at).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn two_devices_at_work_without_scopes_of_their_own_are_damped() {
    let world = World::new(Kind::Password);
    let devices = [Device::new(&world, "tablet", false), Device::new(&world, "desktop", false)];
    let mut damped = 0;
    let start = Instant::now();
    while start.elapsed() < 600 * SECOND {
        for device in &devices {
            let asked = Instant::now();
            let response = device.world.get("/orders").await.unwrap();
            assert!(asked.elapsed() <= 5 * SECOND);
            if response.status() != 200 {
                let error = failure(&response);
                assert_eq!(error.kind(), ErrorKind::Damped);
                assert!(error.to_string().contains("device_"), "{error}");
                damped += 1;
            }
        }
        advance(SECOND / 5).await;
    }
    assert!(damped > 100, "{damped}");
    for device in &devices {
        // The first one was no re-issue.
        let reissues = &device.token_requests()[1..];
        assert!(reissues.len() >= 90, "{}", reissues.len());
        assert!(reissues.windows(11).all(|eleven| eleven[10] - eleven[0] >= 60 * SECOND));
    }
    assert_eq!(world.issuer.dead_refresh_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_devices_at_work_with_a_scope_each_do_not_disturb_each_other() {
    let world = World::new(Kind::Password);
    let devices = [Device::new(&world, "tablet", true), Device::new(&world, "desktop", true)];
    for _ in 0..1_000 {
        for device in &devices {
            assert_eq!(device.world.get("/orders").await.unwrap().status(), 200);
        }
        advance(SECOND / 5).await;
    }
    assert!(devices.iter().all(|device| device.token_requests().len() == 1));
    assert_eq!(world.resource.count_of(401), 0);
}

/// WSO2's newest default: whatever the one asks for, the other's tokens live.
#[tokio::test(start_paused = true)]
async fn two_devices_where_nothing_is_revoked_do_not_disturb_each_other() {
    let world = World::new(Kind::Password);
    world.issuer.regime(Regime::Unpersisted);
    let devices = [Device::new(&world, "tablet", false), Device::new(&world, "desktop", false)];
    for number in 0..1_000 {
        for device in &devices {
            assert_eq!(device.world.get("/orders").await.unwrap().status(), 200);
        }
        if number % 100 == 99 {
            let session = &devices[0].world.session;
            session.renew(session.token().await.unwrap().generation()).await.unwrap();
        }
        advance(SECOND / 5).await;
    }
    assert_eq!(devices[1].token_requests().len(), 1);
    assert_eq!((world.resource.count_of(401), world.issuer.dead_refresh_tokens()), (0, 0));
}

/// Renews `count` times, because somebody revoked the token each time.
async fn revoked(world: &World, count: usize) {
    for _ in 0..count {
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn eleventh_rejection_in_a_minute_waits_for_its_turn_or_passes() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        revoked(&world, 10).await;
        let start = Instant::now();
        world.issuer.revoke_all();
        advance(54 * SECOND).await;
        let response = world.get("/orders").await.unwrap();
        let error = failure(&response);
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Damped, Some(6 * SECOND)));
        assert_eq!(text(response).await, "rejected");
        assert_eq!((start.elapsed(), world.issuer.token_requests()), (54 * SECOND, 11));
        advance(2 * SECOND).await;
        // A crowd waits for one turn.
        let calls = join_all((0..1_000).map(|_| world.get("/orders"))).await;
        assert!(calls.into_iter().all(|response| response.unwrap().status() == 200));
        assert!((60 * SECOND..61 * SECOND).contains(&start.elapsed()));
        assert_eq!(world.issuer.token_requests(), 12);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn limit_of_reissues_can_be_lifted_and_can_be_zero() {
    for_every_credential(async |world| {
        let with = |limit| world.with_session(Session::builder(world.grant()).renewals_per_minute(limit).build());
        let free = with(None);
        free.get("/orders").await.unwrap();
        revoked(&free, 100).await;
        let none = with(Some(0));
        none.get("/orders").await.unwrap();
        none.issuer.revoke_all();
        assert_eq!(failure(&none.get("/orders").await.unwrap()).kind(), ErrorKind::Damped);
    })
    .await;
}

// Case 55

fn two_origins(world: &World) -> Reauth<Resource> {
    let origins = Origins::any_of([ORIGIN, BROKEN]).unwrap();
    ReauthLayer::new(world.session.clone(), origins).layer(world.resource.clone())
}

async fn broken(world: &World) -> Response<ResponseBody<Full<Bytes>>> {
    two_origins(world).oneshot(get(&format!("{BROKEN}/x"))).await.unwrap()
}

fn not_replayable(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(NoReplay);
    request
}

#[tokio::test(start_paused = true)]
async fn origin_that_rejects_everything_costs_one_renewal_and_the_others_heal() {
    for_every_credential(async |world| {
        world.resource.reject_at(BROKEN);
        assert_eq!(failure(&broken(&world).await).kind(), ErrorKind::RejectedAgain);
        // One token to begin with, one renewal, one replay.
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 2));
        for _ in 0..9 {
            assert_eq!(failure(&broken(&world).await).kind(), ErrorKind::CoolingDown);
            advance(SECOND / 10).await;
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 11));
        for _ in 0..3 {
            world.issuer.revoke_all();
            assert_eq!(two_origins(&world).oneshot(get("/orders")).await.unwrap().status(), 200);
        }
        assert_eq!(world.issuer.token_requests(), 5);
        assert_eq!(failure(&broken(&world).await).kind(), ErrorKind::CoolingDown);
    })
    .await;
}

/// When the session was renewed because of the broken origin, which is called five times a second for five minutes.
async fn renewals(world: &World, request: impl Fn() -> Request<Full<Bytes>>) -> Vec<f64> {
    let start = Instant::now();
    let before = world.issuer.token_requests();
    while start.elapsed() < 300 * SECOND {
        let response = two_origins(world).oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 401);
        advance(SECOND / 5).await;
    }
    world.issuer.requests()[before..].iter().map(|one| (one.at - start).as_secs_f64()).collect()
}

fn assert_near(renewals: &[f64], expected: &[f64]) {
    assert_eq!(renewals.len(), expected.len(), "{renewals:?}");
    // Each round may begin a call's distance later than the one before.
    assert!(renewals.iter().zip(expected).all(|(one, other)| (0.0..3.0).contains(&(one - other))), "{renewals:?}");
}

#[tokio::test(start_paused = true)]
async fn cool_down_of_an_origin_doubles_from_a_second_to_a_minute() {
    for_every_credential(async |world| {
        world.resource.reject_at(BROKEN);
        world.session.token().await.unwrap();
        let renewals = renewals(&world, || get(&format!("{BROKEN}/x"))).await;
        assert_near(&renewals, &[0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0, 243.0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_makes_a_session_renew_for_the_same_token_cools_down_too() {
    for_every_credential(async |world| {
        world.resource.reject_at(BROKEN);
        world.session.token().await.unwrap();
        world.issuer.always(Answer::tokens().access_token(world.issuer.last_access_token()));
        let renewals = renewals(&world, || get(&format!("{BROKEN}/x"))).await;
        assert_near(&renewals, &[0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0, 243.0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_rejects_requests_without_a_replay_cools_down_too() {
    for_every_credential(async |world| {
        world.resource.reject_at(BROKEN);
        world.session.token().await.unwrap();
        let renewals = renewals(&world, || not_replayable(&format!("{BROKEN}/x"))).await;
        // The first one may have been right: it is the second that shows it.
        assert!(renewals.len() <= 13, "{renewals:?}");
        let mut first_minute = renewals.iter().filter(|at| **at < 60.0);
        assert!(first_minute.by_ref().count() <= 7, "{renewals:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn request_without_a_replay_makes_its_origin_renew_whenever_somebody_revokes() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        for round in 0..20 {
            world.issuer.revoke_all();
            assert_eq!(rejected_without_a_replay(&world).await, ErrorKind::NotReplayable, "{round}");
            assert_eq!(world.send(not_replayable("/orders")).await.unwrap().status(), 200, "{round}");
            advance(150 * SECOND).await;
        }
    })
    .await;
}

/// The renewal goes on behind the rejection, and is over then.
async fn rejected_without_a_replay(world: &World) -> ErrorKind {
    let kind = failure(&world.send(not_replayable("/orders")).await.unwrap()).kind();
    assert!(world.session.shutdown(SECOND).await);
    kind
}

#[tokio::test(start_paused = true)]
async fn healthy_origin_whose_new_token_is_revoked_is_left_alone_for_a_second_only() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        assert_eq!(rejected_without_a_replay(&world).await, ErrorKind::NotReplayable);
        advance(5 * SECOND).await;
        world.issuer.revoke_all();
        assert_eq!(rejected_without_a_replay(&world).await, ErrorKind::CoolingDown);
        advance(SECOND).await;
        assert_eq!(rejected_without_a_replay(&world).await, ErrorKind::NotReplayable);
        assert_eq!(world.send(not_replayable("/orders")).await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_accepts_again_starts_from_a_second_again() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        for _ in 0..2 {
            world.resource.reject_at(BROKEN);
            assert_eq!(failure(&broken(&world).await).kind(), ErrorKind::RejectedAgain);
            let error = failure(&broken(&world).await).clone();
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::CoolingDown, Some(SECOND)));
            advance(SECOND).await;
            world.resource.judge_at(BROKEN);
            world.issuer.revoke_all();
            assert_eq!(broken(&world).await.status(), 200);
            advance(60 * SECOND).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn crowd_at_a_broken_origin_costs_one_renewal() {
    for_every_credential(async |world| {
        world.session.token().await.unwrap();
        world.resource.reject_at(BROKEN);
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = tokio::spawn({
            let world = world.clone();
            async move { join_all((0..1_000).map(|_| broken(&world))).await }
        });
        gate.arrived(1).await;
        gate.open();
        assert!(calls.await.unwrap().iter().all(|response| response.status() == 401));
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 2_000));
        // Together they count once.
        assert_eq!(failure(&broken(&world).await).retry_after(), Some(SECOND));
    })
    .await;
}

// Case 57

const LARGE: usize = 64 * 1024;
const BUDGET: usize = 64 * 1024 * 1024;

/// 2,000 requests of 64 KiB that are rejected with one dead token; how many were replayed.
async fn storm(world: &World, api: &Reauth<Resource>) -> usize {
    let gate = Gate::closed();
    world.issuer.revoke_all();
    world.issuer.next(Answer::tokens().behind(&gate));
    let body = Bytes::from(vec![7; LARGE]);
    let calls = (0..2_000).map(|_| tokio::spawn(api.clone().oneshot(post("/orders", body.clone()))));
    let calls: Vec<_> = calls.collect();
    gate.arrived(1).await;
    // All of them wait now.
    sleep(SECOND).await;
    gate.open();
    let mut healed = 0;
    for call in calls {
        let response = call.await.unwrap().unwrap();
        if response.status() == 200 {
            healed += 1;
        } else {
            assert_eq!(failure(&response).kind(), ErrorKind::NotReplayable);
            assert_eq!(text(response).await, "rejected");
        }
    }
    healed
}

#[tokio::test(start_paused = true)]
async fn parked_requests_over_the_budget_of_the_layer_get_their_original_rejection() {
    let world = World::new(Kind::Password);
    let api = world.api();
    world.session.token().await.unwrap();
    // The second storm finds the whole budget again.
    for _ in 0..2 {
        let before = world.issuer.token_requests();
        let healed = storm(&world, &api).await;
        assert!((BUDGET / LARGE - 50..BUDGET / LARGE).contains(&healed), "{healed}");
        assert_eq!(world.issuer.token_requests(), before + 1);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    }
}
