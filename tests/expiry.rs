//! Cases 22 to 28 and 56: tokens that come of age, and an endpoint that fails or asks for patience.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    io,
    time::{Duration, SystemTime},
};

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tokio::time::{Instant, advance};
use tower::ServiceExt;
use tower_reauth::{ErrorKind, NoReplay, PasswordGrant, Session};

const LIFETIME: u64 = 3600;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every credential that renews ahead of time.
async fn for_every_credential_that_renews_ahead(claim: impl AsyncFn(World)) {
    for_every_credential(async |world| {
        if !matches!(world.kind, Kind::Password | Kind::TokenExchange) {
            claim(world).await
        }
    })
    .await;
}

async fn background(world: &World) {
    assert!(world.session.shutdown(seconds(60)).await, "the renewal in the background does not end");
}

/// A request whose body says beforehand that it is over the layer's limit.
fn large() -> Request<UnsyncBoxBody<Bytes, io::Error>> {
    let body = Full::new(Bytes::from(vec![0; 100 * 1024])).map_err(|never| match never {});
    Request::post(format!("{ORIGIN}/upload")).body(body.boxed_unsync()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn token_inside_the_margin_is_renewed_before_sending() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        advance(seconds(LIFETIME - 10)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));
        assert_eq!(world.resource.count(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lifetime_counts_from_the_moment_when_the_token_was_asked_for() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().expires_in(60).delivered_after(seconds(20)));
        let start = Instant::now();
        world.get("/orders").await.unwrap();
        assert_eq!(start.elapsed(), seconds(20));
        advance(seconds(35)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn token_before_its_ahead_window_is_just_used() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        advance(seconds(LIFETIME * 7 / 10 - 1)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        background(&world).await;
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn token_inside_the_ahead_window_is_sent_while_it_is_renewed_in_the_background() {
    for_every_credential_that_renews_ahead(async |world| {
        world.get("/orders").await.unwrap();
        let first = world.issuer.last_access_token();
        advance(seconds(LIFETIME * 8 / 10)).await;
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        for _ in 0..10 {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.resource.last().token(), Some(&*first));
        }
        gate.arrived(1).await;
        assert_eq!(world.issuer.token_requests(), 2);
        gate.open();
        background(&world).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_ne!(world.resource.last().token(), Some(&*first));
        assert_eq!((world.issuer.token_requests(), world.resource.count_of(401)), (2, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn password_grant_renews_nothing_ahead_of_time() {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    for second in (0..LIFETIME - 11).step_by(60) {
        assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{second}");
        advance(seconds(60)).await;
    }
    background(&world).await;
    assert_eq!(world.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn failed_ahead_renewal_leaves_the_token_in_use_until_it_expires_and_backs_off() {
    for_every_credential_that_renews_ahead(async |world| {
        world.get("/orders").await.unwrap();
        let first = world.issuer.last_access_token();
        world.issuer.always(Answer::status(500, ""));
        advance(seconds(LIFETIME * 8 / 10)).await;
        for second in LIFETIME * 8 / 10..LIFETIME {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{second}");
            assert_eq!(world.resource.last().token(), Some(&*first));
            advance(seconds(1)).await;
        }
        // 720 seconds with pauses of half a minute on average.
        let requests = world.issuer.token_requests();
        assert!((6..=121).contains(&requests), "{requests}");
        let sent = world.resource.count();
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(world.resource.count(), sent);
        world.issuer.always(Answer::tokens());
        // A closure may send what can be locked: ten times in a quarter of an hour.
        advance(seconds(if world.kind == Kind::Custom { 900 } else { 60 })).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn expired_token_and_a_dead_endpoint_fail_quickly_and_not_with_one_request_a_call() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.always(Answer::broken());
        advance(seconds(2 * LIFETIME)).await;
        for _ in 0..1_000 {
            let start = Instant::now();
            let error = world.get("/orders").await.unwrap_err();
            assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Transport, Duration::ZERO));
            advance(Duration::from_millis(10)).await;
        }
        // Ten seconds: pauses of 1, 2, 4 and 8 s at most, each cut short by its jitter.
        let requests = world.issuer.token_requests() - 1;
        assert!((2..50).contains(&requests), "{requests}");
        assert_eq!(world.resource.count(), 1);
        world.issuer.always(Answer::tokens());
        advance(seconds(60)).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn expires_in_of_every_shape_has_its_meaning_and_a_rejection_always_heals() {
    const CENTURY: u64 = 36525 * 24 * 3600;
    for (member, lifetime) in [
        ("", None),
        (r#","expires_in":3600"#, Some(3600)),
        (r#","expires_in":"3600""#, Some(3600)),
        (r#","expires_in":3600.9"#, Some(3600)),
        (r#","expires_in":null"#, None),
        (r#","expires_in":0"#, None),
        (r#","expires_in":"0""#, None),
        (r#","expires_in":-1"#, None),
        (r#","expires_in":"soon""#, None),
        (r#","expires_in":[]"#, None),
        (r#","expires_in":18446744073709551616"#, Some(CENTURY)),
        (r#","expires_in":1e400"#, Some(CENTURY)),
        (r#","token_type":"bearer","expires_in":3600"#, Some(3600)),
        (r#","token_type":null"#, None),
    ] {
        for_every_credential(async |world| {
            println!("member: {member}");
            world.issuer.accept("odd");
            world.issuer.next(Answer::status(200, format!(r#"{{"access_token":"odd"{member}}}"#)));
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            let token = world.session.token().await.unwrap();
            assert_eq!(token.token_set().lifetime(), lifetime.map(seconds));
            if lifetime.is_none_or(|lifetime| lifetime == CENTURY) {
                // Long-lived: no renewal on its own account.
                advance(seconds(20 * LIFETIME)).await;
                assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            }
            assert_eq!(world.issuer.token_requests(), 1);
            world.issuer.revoke("odd");
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), 2);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_below_any_margin_makes_no_renewal_loop() {
    for lifetime in [1, 2, 5] {
        for_every_credential(async |world| {
            world.issuer.always(Answer::tokens().expires_in(lifetime));
            for _ in 0..100 {
                assert_eq!(world.get("/orders").await.unwrap().status(), 200);
                // In all, seven tenths of its life at most.
                advance(seconds(lifetime).mul_f64(0.006)).await;
            }
            background(&world).await;
            assert_eq!(world.issuer.token_requests(), 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_second_tokens_are_never_damped() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().expires_in(5));
        for _ in 0..2 * 3600 {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            advance(Duration::from_millis(500)).await;
        }
        assert_eq!(world.resource.count_of(401), 0);
        let requests = world.issuer.token_requests();
        assert!((720..=1030).contains(&requests), "{requests}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejection_of_a_token_that_expired_on_the_way_is_never_damped() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().expires_in(5));
        for round in 0..100 {
            let gate = Gate::closed();
            world.resource.hold("/slow", &gate);
            let call = tokio::spawn({
                let world = world.clone();
                async move { world.get("/slow").await.unwrap().status() }
            });
            gate.arrived(1).await;
            advance(seconds(5)).await;
            gate.open();
            assert_eq!(call.await.unwrap(), 200, "{round}");
            advance(Duration::from_millis(10)).await;
        }
        assert!(world.resource.count_of(401) > 20);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sessions_obtained_in_one_second_do_not_renew_in_one_second() {
    for_every_credential_that_renews_ahead(async |world| {
        for lifetime in [60, 3600] {
            world.issuer.always(Answer::tokens().expires_in(lifetime));
            let owners = (0..100).map(|owner| format!("owner-{lifetime}-{owner}"));
            let sessions: Vec<_> = owners.map(|owner| Session::new(world.kind.grant(&world.issuer, &owner))).collect();
            let start = world.issuer.token_requests();
            join_all(sessions.iter().map(|session| async { session.token().await.unwrap() })).await;
            assert_eq!(world.issuer.token_requests() - start, 100);
            // Each of them is busy until all are renewed, and busier when it may come to that.
            let (eager, end) = (seconds(lifetime * 6 / 10), seconds(lifetime * 8 / 10 + 1));
            let begin = Instant::now();
            while begin.elapsed() < end {
                advance(if begin.elapsed() < eager { seconds(5) } else { Duration::from_millis(250) }).await;
                for session in &sessions {
                    session.token().await.unwrap();
                }
            }
            let renewals: Vec<_> = world.issuer.requests()[start + 100..].iter().map(|request| request.at).collect();
            assert_eq!(renewals.len(), 100);
            let busiest = renewals
                .iter()
                .map(|at| renewals.iter().filter(|other| **other - *at < seconds(1) && *other >= at).count());
            // Six seconds of jitter for the shortest lifetime: 17 in each on average.
            assert!(busiest.max() < Some(50));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn body_that_can_not_be_replayed_renews_first_inside_the_ahead_window() {
    for_every_credential_that_renews_ahead(async |world| {
        world.get("/orders").await.unwrap();
        advance(seconds(LIFETIME * 8 / 10)).await;
        let mut request = get("/orders");
        request.extensions_mut().insert(NoReplay);
        assert_eq!(world.send(request).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));

        advance(seconds(LIFETIME * 8 / 10)).await;
        assert_eq!(world.api().oneshot(large()).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 3);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));
        assert_eq!(world.resource.last().body.len(), 100 * 1024);
        assert_eq!(world.resource.count_of(401), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn body_that_can_not_be_replayed_goes_with_the_present_token_when_the_renewal_fails() {
    for_every_credential_that_renews_ahead(async |world| {
        world.get("/orders").await.unwrap();
        advance(seconds(LIFETIME * 8 / 10)).await;
        world.issuer.always(Answer::status(500, ""));
        for _ in 0..3 {
            assert_eq!(world.api().oneshot(large()).await.unwrap().status(), 200);
        }
        assert_eq!((world.resource.count(), world.issuer.token_requests()), (4, 2));
    })
    .await;
}

/// `Retry-After`, the shortest and the longest pause in seconds.
fn retry_after() -> [(String, u64, u64); 5] {
    let date = httpdate::fmt_http_date(SystemTime::now() + seconds(120));
    let of = |text: &str, from, to| (text.to_owned(), from, to);
    [
        of("7", 7, 7),
        of(&date, 100, 120),
        of("86400", 300, 300),
        of("99999999999999999999999", 300, 300),
        of("Fri, 31 Dec 9999 23:59:59 GMT", 300, 300),
    ]
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_by_every_session_of_the_endpoint_and_capped_at_five_minutes() {
    for status in [429, 503] {
        for (header, shortest, longest) in retry_after() {
            for_every_credential(async |world| {
                println!("{status}, retry-after: {header}");
                if (status, world.kind) == (429, Kind::Password) {
                    // It waits for longer: a blocked account says so, too.
                    return;
                }
                let endpoint = world.issuer.endpoint();
                let grant = |owner| world.kind.grant_at(endpoint.clone(), &world.issuer, owner);
                let world = world.with_session(Session::new(grant("alice")));
                let other = world.with_session(Session::new(grant("bob")));
                world.issuer.next(Answer::error(status, "invalid_grant").header("retry-after", &header));
                let error = world.get("/orders").await.unwrap_err();
                assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Unavailable, status));
                let asked = error.retry_after().unwrap();
                assert!((seconds(shortest)..=seconds(longest)).contains(&asked), "{asked:?}");
                advance(asked - seconds(1)).await;
                for world in [&world, &other] {
                    let error = world.get("/orders").await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    // A date is read by the clock on the wall, once for the call and once for the endpoint.
                    let left = error.retry_after().unwrap();
                    assert!(left.abs_diff(seconds(1)) < Duration::from_millis(500), "{left:?}");
                }
                assert_eq!(world.issuer.token_requests(), 1);
                advance(Duration::from_millis(1500)).await;
                for world in [&world, &other] {
                    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
                }
                assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (3, 0));
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_that_makes_no_sense_leaves_the_pause_to_the_backoff() {
    for header in ["0", "-1", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        for_every_credential(async |world| {
            world.issuer.next(Answer::status(503, "").header("retry-after", header));
            assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Unavailable);
            // Passwords are spaced by rules of their own.
            advance(seconds(if world.kind == Kind::Password { 10 } else { 1 })).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{header}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_a_pause_keeps_back_does_not_count_as_a_send_of_the_password() {
    let issuer = Issuer::new();
    let endpoint = issuer.endpoint();
    let of = |owner: &str| Session::new(PasswordGrant::new(endpoint.clone(), owner, PASSWORD));
    let (alice, bob) = (of("alice"), of("bob"));
    issuer.next(Answer::status(503, "").header("retry-after", "300"));
    alice.token().await.unwrap_err();
    for _ in 0..30 {
        bob.token().await.unwrap_err();
        advance(seconds(10)).await;
    }
    // One send of Alice's, none of Bob's: both have what is left of three in 15 minutes.
    for (session, left) in [(&alice, 2), (&bob, 3)] {
        let before = issuer.token_requests();
        issuer.always(Answer::status(404, ""));
        for _ in 0..5 * 60 {
            session.token().await.unwrap_err();
            advance(seconds(1)).await;
        }
        assert_eq!(issuer.token_requests() - before, left);
    }
}
