//! Cases 82 and 83: a token that comes again near its end, and one that is said to live for no time.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::*;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{NoReplay, RenewAhead, Session, TokenSet, grant_fn};

const STEP: Duration = Duration::from_millis(130);

fn not_replayable(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(NoReplay);
    request
}

/// WSO2's opaque tokens. The issuer says in whole seconds, rounded down, what is left: 20, 4, 1, 0.
#[tokio::test(start_paused = true)]
async fn token_that_comes_again_near_its_end_makes_no_storm_and_no_rejection() {
    // With a refresh token there is always a new one.
    for kind in [Kind::Password, Kind::ClientCredentials, Kind::Custom] {
        for ahead in [RenewAhead::Never, RenewAhead::WithTraffic] {
            for lifetime in [20, 4, 3600] {
                let world = World::new(kind);
                world.issuer.regime(Regime::SameAgain);
                world.issuer.always(Answer::tokens().expires_in(lifetime).without_refresh_token());
                let session = Session::builder(world.grant()).renew_ahead(ahead).build();
                let world = world.with_session(session);
                let (lives, mut calls) = (5, 0);
                for request in [get as fn(&str) -> _, not_replayable].repeat(lives) {
                    // The last seconds of one life, and the first ones of the next.
                    let end = Instant::now() + Duration::from_secs(lifetime);
                    world.send(request("/orders")).await.unwrap();
                    advance(Duration::from_secs(lifetime.saturating_sub(20))).await;
                    while Instant::now() < end {
                        let status = world.send(request("/orders")).await.unwrap().status();
                        assert_eq!(status, 200, "{kind:?}, {ahead:?}, {lifetime}, call {calls}");
                        calls += 1;
                        advance(STEP).await;
                        // What is renewed in the background is renewed now.
                        tokio::task::yield_now().await;
                    }
                }
                let requests = world.issuer.token_requests();
                assert_eq!(world.resource.count_of(401), 0, "{kind:?}, {ahead:?}, {lifetime}");
                // When a renewal ahead of time is due or the token is about to expire, and when it has expired.
                assert!(requests <= 3 * 2 * lives, "{requests} of {calls}: {kind:?}, {ahead:?}, {lifetime}");
            }
        }
    }
}

/// A program that starts when the token is old learns to the second only when it ends.
#[tokio::test(start_paused = true)]
async fn token_whose_end_is_known_to_the_second_is_asked_for_once_a_second_there_and_rejected_once_at_most() {
    for (request, most) in [(get as fn(&str) -> _, 0), (not_replayable, 1)] {
        for offset in [100, 500, 900] {
            let world = World::new(Kind::ClientCredentials);
            world.issuer.regime(Regime::SameAgain);
            world.issuer.always(Answer::tokens().expires_in(20));
            world.get("/orders").await.unwrap();
            advance(Duration::from_millis(offset)).await;
            let world = world.with_session(Session::new(world.grant()));
            let mut rejected = 0;
            for _ in 0..24 * 8 {
                rejected += usize::from(world.send(request("/orders")).await.unwrap().status() == 401);
                advance(STEP).await;
            }
            assert!(rejected <= most, "{rejected} at {offset} ms");
            // The one before, the first, two near the end, and the new one with its first look ahead.
            assert!(world.issuer.token_requests() <= 7, "{}", world.issuer.token_requests());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_of_next_to_nothing_makes_no_request_for_each_call() {
    for (lifetime, most) in [(Duration::ZERO, 1), (Duration::from_nanos(1), 21), (Duration::from_millis(999), 21)] {
        for same in [false, true] {
            let asked = Arc::new(AtomicUsize::new(0));
            let session = Session::new(grant_fn({
                let asked = asked.clone();
                move |_| {
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    async move {
                        Ok(TokenSet::new(format!("token-{}", if same { 0 } else { number }))?.with_lifetime(lifetime))
                    }
                }
            }));
            let world = World::new(Kind::Custom).with_session(session);
            (0..100).for_each(|number| world.issuer.accept(&format!("token-{number}")));
            let mut api = world.layer().layer(world.resource.clone());
            for _ in 0..100 {
                for request in [get("/orders"), not_replayable("/orders")] {
                    assert_eq!(
                        ServiceExt::<Request<Full<Bytes>>>::ready(&mut api)
                            .await
                            .unwrap()
                            .call(request)
                            .await
                            .unwrap()
                            .status(),
                        200
                    );
                }
                sleep(Duration::from_millis(100)).await;
            }
            let asked = asked.load(Ordering::SeqCst);
            assert!(asked <= most, "{asked} requests in 10 s for {lifetime:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_expires_before_its_answer_comes_makes_no_request_for_each_call() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().expires_in(2).delivered_after(Duration::from_secs(5)));
        world.resource.answer("/orders", 200);
        for _ in 0..100 {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            advance(Duration::from_millis(100)).await;
        }
        assert!(world.issuer.token_requests() <= 34, "{} requests for 100 calls", world.issuer.token_requests());
    })
    .await;
}
