//! Cases 29 to 35: the refresh token first, then the session's own grant, then the original rejection.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::*;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::time::advance;
use tower::ServiceExt;
use tower_reauth::{
    ErrorKind, ForceRenewal, GrantContext, PasswordGrant, RenewalFailed, ResponseBody, Retain, Session, Status,
    TokenEndpoint, TokenSet, grant_with,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Why a rejection was not healed.
fn failure(response: &Response<ResponseBody<Full<bytes::Bytes>>>) -> &tower_reauth::Error {
    assert_eq!(response.status(), 401);
    response.extensions().get::<RenewalFailed>().expect("the layer says why").error()
}

/// Every credential whose session redeems refresh tokens.
async fn for_every_credential_with_an_endpoint(claim: impl AsyncFn(World)) {
    for_every_credential(async |world| {
        if world.kind != Kind::Custom {
            world.issuer.always(Answer::tokens().with_refresh_token());
            claim(world).await;
        }
    })
    .await;
}

/// Those of them that have another grant to fall back on.
async fn for_every_credential_behind_a_refresh_token(claim: impl AsyncFn(World)) {
    for_every_credential_with_an_endpoint(async |world| {
        if world.kind != Kind::RefreshToken {
            claim(world).await;
        }
    })
    .await;
}

fn own_grant_type(world: &World) -> &'static str {
    match world.kind {
        Kind::Password => "password",
        Kind::ClientCredentials => "client_credentials",
        Kind::RefreshToken => "refresh_token",
        Kind::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        Kind::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        Kind::Custom => "urn:example:custom",
    }
}

// Case 29

#[tokio::test(start_paused = true)]
async fn refresh_token_that_an_answer_brings_is_the_one_that_is_sent_next() {
    for_every_credential_with_an_endpoint(async |world| {
        world.get("/orders").await.unwrap();
        for _ in 0..5 {
            let newest = world.issuer.last_refresh_token();
            world.issuer.revoke_all();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            let request = world.issuer.last_request();
            assert_eq!((request.grant_type(), request.parameter("refresh_token")), ("refresh_token", Some(&*newest)));
            // RFC 6749 §6: without a scope, the one that was granted stays.
            assert_eq!(request.parameter("scope"), None);
        }
        assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (6, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn refresh_token_stays_when_an_answer_brings_none() {
    for_every_credential_with_an_endpoint(async |world| {
        world.get("/orders").await.unwrap();
        let kept = world.issuer.last_refresh_token();
        world.issuer.always(Answer::tokens().without_refresh_token());
        for _ in 0..3 {
            world.issuer.revoke_all();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*kept));
        }
        assert_eq!(world.issuer.token_requests(), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn empty_refresh_token_does_not_replace_the_one_that_is_there() {
    for_every_credential_with_an_endpoint(async |world| {
        world.get("/orders").await.unwrap();
        let kept = world.issuer.last_refresh_token();
        for odd in [r#""""#, "null"] {
            let body = format!(r#"{{"access_token":"odd","refresh_token":{odd}}}"#);
            world.issuer.next(Answer::status(200, body));
            world.issuer.accept("odd");
            world.issuer.revoke_all();
            world.issuer.accept("odd");
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            world.issuer.revoke_all();
            world.issuer.next(Answer::tokens().without_refresh_token());
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*kept));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn grant_without_an_endpoint_is_handed_the_refresh_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let grant = grant_with(seen.clone(), async |seen, context: GrantContext| {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(context.refresh_token().map(|token| token.expose_secret().to_owned()));
            seen.len()
        };
        Ok(TokenSet::new(format!("access-{number}"))?.with_refresh_token(format!("refresh-{number}")))
    });
    let session = Session::new(grant);
    let first = session.token().await.unwrap();
    let second = session.renew(first.generation()).await.unwrap();
    session.renew(second.generation()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [None, Some("refresh-1".to_owned()), Some("refresh-2".to_owned())]);
}

// Case 30

#[tokio::test(start_paused = true)]
async fn refused_refresh_token_is_healed_by_the_credential_within_the_call() {
    for (status, code) in [
        (400, "invalid_grant"),
        (401, "invalid_grant"),
        (403, "invalid_grant"),
        (400, "interaction_required"),
        (400, "consent_required"),
        (400, "login_required"),
        (400, "unauthorized_client"),
    ] {
        for_every_credential_behind_a_refresh_token(async |world| {
            world.get("/orders").await.unwrap();
            let refused = world.issuer.last_refresh_token();
            world.issuer.revoke_all();
            world.issuer.next(Answer::error(status, code));
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            let asked: Vec<_> = world.issuer.requests()[1..].iter().map(|one| one.grant_type().to_owned()).collect();
            assert_eq!(asked, ["refresh_token", own_grant_type(&world)]);
            assert_eq!(world.resource.count_of(401), 1);
            // The refused one is gone, the new one is used.
            world.issuer.revoke_all();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            let request = world.issuer.last_request();
            assert_eq!(request.grant_type(), "refresh_token");
            assert_ne!(request.parameter("refresh_token"), Some(&*refused));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn thousand_calls_with_dead_tokens_cost_one_refresh_and_one_fetch() {
    for_every_credential_behind_a_refresh_token(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.issuer.revoke_refresh_tokens();
        let calls = (0..1_000).map(|_| world.get("/orders"));
        assert!(join_all(calls).await.into_iter().all(|response| response.unwrap().status() == 200));
        assert_eq!((world.issuer.token_requests(), world.issuer.dead_refresh_tokens()), (3, 1));
    })
    .await;
}

// Case 31

fn troubles() -> Vec<Answer> {
    vec![
        Answer::status(500, ""),
        Answer::status(502, "<html>bad gateway</html>"),
        Answer::error(500, "invalid_grant"),
        Answer::error(503, "invalid_grant"),
        Answer::error(500, "invalid_client"),
        Answer::error(400, "temporarily_unavailable"),
        Answer::error(400, "server_error"),
        Answer::error(429, "slow_down"),
        Answer::broken(),
    ]
}

#[tokio::test(start_paused = true)]
async fn trouble_on_the_refresh_keeps_the_refresh_token_and_sends_no_other_credential() {
    for trouble in troubles() {
        for_every_credential_with_an_endpoint(async |world| {
            println!("{trouble:?}");
            world.get("/orders").await.unwrap();
            let kept = world.issuer.last_refresh_token();
            world.issuer.revoke_all();
            world.issuer.next(trouble.clone());
            let response = world.get("/orders").await.unwrap();
            let error = failure(&response);
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Transport), "{error}");
            assert!(error.to_string().starts_with("the refresh failed"), "{error}");
            assert_eq!(text(response).await, "rejected");
            assert_eq!(world.issuer.token_requests(), 2);
            advance(MINUTE).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
            assert_eq!(world.issuer.token_requests(), 3);
            assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*kept));
            assert_ne!(world.session.status(), Status::Refused);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_that_times_out_keeps_the_refresh_token_and_sends_no_other_credential() {
    for_every_credential_with_an_endpoint(async |world| {
        let builder = Session::builder(world.grant()).waiting_time(4 * MINUTE);
        let world = world.with_session(builder.build());
        world.get("/orders").await.unwrap();
        let kept = world.issuer.last_refresh_token();
        world.issuer.revoke_all();
        world.issuer.next(Answer::never());
        let response = world.get("/orders").await.unwrap();
        let error = failure(&response);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("the refresh failed"), "{error}");
        assert_eq!(world.issuer.token_requests(), 2);
        advance(MINUTE).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.last_request().parameter("refresh_token"), Some(&*kept));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn refresh_whose_answer_was_lost_is_healed_by_the_credential_behind_it() {
    for_every_credential_with_an_endpoint(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.next(Answer::lost_tokens());
        world.issuer.revoke_all();
        assert_eq!(failure(&world.get("/orders").await.unwrap()).kind(), ErrorKind::Transport);
        advance(MINUTE).await;
        let response = world.get("/orders").await.unwrap();
        if world.kind == Kind::RefreshToken {
            assert_eq!(failure(&response).kind(), ErrorKind::Refused);
            // A busy server says so, too: once more, to make sure.
            advance(MINUTE).await;
            assert_eq!(failure(&world.get("/orders").await.unwrap()).kind(), ErrorKind::Refused);
            assert_eq!(world.session.status(), Status::Refused);
            assert_eq!(world.issuer.dead_refresh_tokens(), 2);
        } else {
            assert_eq!(response.status(), 200);
            assert_eq!(world.issuer.dead_refresh_tokens(), 1);
        }
    })
    .await;
}

// Case 32

#[tokio::test(start_paused = true)]
async fn password_that_never_worked_and_is_refused_is_not_sent_again_until_the_next_login() {
    let world = World::new(Kind::Password);
    world.issuer.always(Answer::error(400, "invalid_grant"));
    for round in 0..200 {
        let error = world.get("/orders").await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Refused, None), "{round}");
        assert_eq!(error.oauth_code(), Some("invalid_grant"));
        assert_eq!(world.session.status(), Status::Refused);
        advance(MINUTE).await;
    }
    assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 0));
    world.issuer.always(Answer::tokens());
    world.session.login(world.grant());
    assert_eq!(world.session.status(), Status::Idle);
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(world.session.status(), Status::Active);
}

/// A refresh token may be refused by a server that is busy, a closure may do more than send a credential.
#[tokio::test(start_paused = true)]
async fn other_credentials_that_never_worked_and_are_refused_are_sent_once_more_and_then_not_until_the_next_login() {
    for kind in [Kind::RefreshToken, Kind::Custom] {
        let world = World::new(kind);
        world.issuer.always(Answer::error(400, "invalid_grant"));
        let first = world.get("/orders").await.unwrap_err();
        assert_eq!(first.kind(), ErrorKind::Refused);
        assert_eq!(world.session.status(), Status::Idle, "{kind:?}");
        advance(MINUTE).await;
        for round in 0..200 {
            let error = world.get("/orders").await.unwrap_err();
            assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Refused, None), "{kind:?}, {round}");
            assert_eq!(error.oauth_code(), Some("invalid_grant"));
            assert_eq!(world.session.status(), Status::Refused);
            advance(MINUTE).await;
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 0));
        world.issuer.always(Answer::tokens());
        world.session.login(world.grant());
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.session.status(), Status::Active);
    }
}

#[tokio::test(start_paused = true)]
async fn status_watch_tells_the_user_interface_of_a_refusal_and_of_its_end() {
    let world = World::new(Kind::Password);
    let mut status = world.session.subscribe();
    world.issuer.next(Answer::error(400, "invalid_grant"));
    world.session.token().await.unwrap_err();
    assert_eq!(*status.borrow_and_update(), Status::Refused);
    world.session.login(world.grant());
    assert!(status.has_changed().unwrap());
    world.session.token().await.unwrap();
    assert_eq!(*status.borrow_and_update(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn refused_client_is_probed_after_a_minute_doubling_to_a_quarter_of_an_hour() {
    for code in ["invalid_client", "invalid_grant", "unauthorized_client"] {
        let world = World::new(Kind::ClientCredentials);
        world.issuer.always(Answer::error(401, code));
        let start = tokio::time::Instant::now();
        while start.elapsed() < 62 * MINUTE {
            world.get("/orders").await.unwrap_err();
            // With `unauthorized_client` it is the grant that the client may not use.
            let expected = if code == "unauthorized_client" { Status::Idle } else { Status::Refused };
            assert_eq!(world.session.status(), expected);
            advance(Duration::from_secs(1)).await;
        }
        let probes: Vec<_> = world.issuer.requests().iter().map(|one| (one.at - start).as_secs() / 60).collect();
        assert_eq!(probes, [0, 1, 3, 7, 15, 30, 45, 60], "{code}");
        // Put right at the server: the next probe heals.
        world.issuer.always(Answer::tokens());
        advance(15 * MINUTE).await;
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.session.status(), Status::Active);
    }
}

/// Credentials that worked, with a dead token and no refresh token.
async fn had_worked(world: &World) {
    world.issuer.always(Answer::tokens().without_refresh_token());
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.always(Answer::error(400, "invalid_grant"));
}

#[tokio::test(start_paused = true)]
async fn credential_that_had_worked_is_confirmed_once_after_a_minute() {
    for kind in [Kind::Password, Kind::Custom] {
        let world = World::new(kind);
        had_worked(&world).await;
        for second in 0..60 {
            let response = world.get("/orders").await.unwrap();
            let error = failure(&response);
            assert_eq!(error.kind(), ErrorKind::Refused, "{second}");
            assert_eq!(world.issuer.token_requests(), 2, "{second}");
            // Nobody is asked for a password that may be right.
            assert_eq!(world.session.status(), Status::Active);
            advance(Duration::from_secs(1)).await;
        }
        for _ in 0..50 {
            assert_eq!(failure(&world.get("/orders").await.unwrap()).kind(), ErrorKind::Refused);
            assert_eq!(world.session.status(), Status::Refused);
            advance(MINUTE).await;
        }
        assert_eq!(world.issuer.token_requests(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn confirming_attempt_that_works_heals_and_is_had_again_later() {
    for kind in [Kind::Password, Kind::Custom] {
        let world = World::new(kind);
        for round in 1..4 {
            had_worked(&world).await;
            assert_eq!(failure(&world.get("/orders").await.unwrap()).kind(), ErrorKind::Refused);
            world.issuer.always(Answer::tokens().without_refresh_token());
            advance(MINUTE).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{round}");
            assert_eq!(world.issuer.token_requests(), 1 + 2 * round);
        }
    }
}

/// A server that is not to be trusted, and a user who never stops.
#[tokio::test(start_paused = true)]
async fn no_sequence_of_answers_sends_a_password_more_often_than_the_ceilings_allow() {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut in_all = 0;
    for _ in 0..40 {
        let world = World::new(Kind::Password);
        let mut sends = Vec::new();
        for _ in 0..400 {
            let answer = match random.u8(..10) {
                0 => Some(Answer::tokens()),
                1 => Some(Answer::tokens().without_refresh_token().expires_in(random.u64(1..2_000))),
                _ => None,
            };
            let worked = answer.is_some();
            world.issuer.always(answer.unwrap_or_else(|| match random.u8(..40) {
                // Rare: it ends the story where the password had not worked.
                0 => Answer::error(400, "invalid_grant"),
                1..8 => Answer::error(400, "invalid_scope"),
                8..14 => Answer::status(404, ""),
                14..16 => Answer::status(429, ""),
                16..20 => Answer::status(500, ""),
                20..25 => Answer::error(503, "invalid_grant").header("retry-after", "20"),
                25..30 => Answer::error(401, "invalid_client"),
                30..35 => Answer::lost_tokens(),
                _ => Answer::broken(),
            }));
            let before = world.issuer.token_requests();
            match random.u8(..6) {
                0 => world.issuer.revoke_all(),
                1 => world.issuer.revoke_refresh_tokens(),
                2 => drop(world.session.token().await),
                3 => {
                    let mut request = get("/orders");
                    request.extensions_mut().insert(ForceRenewal);
                    drop(world.send(request).await);
                }
                _ => drop(world.get("/orders").await),
            }
            world.session.shutdown(MINUTE).await;
            let new = &world.issuer.requests()[before..];
            sends.extend(new.iter().filter(|one| one.grant_type() == "password").map(|one| (one.at, worked)));
            advance(Duration::from_secs_f64(random.f64().powi(3) * 300.0)).await;
        }
        let mut worked = false;
        for row in sends.split(|(_, worked)| *worked) {
            let most = if worked { 10 } else { 3 };
            for sends in row.windows(most + 1) {
                assert!(sends[most].0 - sends[0].0 >= 15 * MINUTE, "{row:?}");
            }
            for pair in row.windows(2) {
                assert!(pair[1].0 - pair[0].0 >= Duration::from_secs(1), "{row:?}");
            }
            assert!(worked || row.len() <= 5, "{row:?}");
            worked = true;
        }
        in_all += sends.len();
    }
    println!("{in_all} sends");
    assert!(in_all > 400);
}

// Case 33

#[tokio::test(start_paused = true)]
async fn session_with_nothing_to_fall_back_on_hands_out_the_original_rejection() {
    let world = World::new(Kind::RefreshToken);
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.revoke_refresh_tokens();
    for _ in 0..4 {
        let response = world.get("/orders").await.unwrap();
        assert_eq!(failure(&response).kind(), ErrorKind::Refused);
        assert_eq!(text(response).await, "rejected");
        advance(10 * MINUTE).await;
    }
    assert_eq!(world.session.status(), Status::Refused);
    // One good call and four rejections: nothing was replayed, and the dead token was sent twice, to make sure.
    assert_eq!((world.resource.count(), world.issuer.token_requests()), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn password_that_was_wiped_is_not_there_to_fall_back_on() {
    let world = World::new(Kind::Password);
    let grant = PasswordGrant::new(world.issuer.endpoint(), USERNAME, PASSWORD).retain(Retain::UntilFirstRefreshToken);
    let world = world.with_session(Session::new(grant));
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    world.issuer.revoke_all();
    world.issuer.revoke_refresh_tokens();
    for _ in 0..3 {
        assert_eq!(failure(&world.get("/orders").await.unwrap()).kind(), ErrorKind::Refused);
        advance(10 * MINUTE).await;
    }
    assert_eq!(world.session.status(), Status::Refused);
    assert_eq!((world.issuer.token_requests_of("password"), world.issuer.token_requests()), (1, 4));
}

// Case 34

#[tokio::test(start_paused = true)]
async fn same_token_again_is_not_replayed() {
    for_every_credential(async |world| {
        world.get("/other").await.unwrap();
        let token = world.issuer.last_access_token();
        world.resource.reject_at("/orders");
        world.issuer.always(Answer::tokens().access_token(token));
        let response = world.get("/orders").await.unwrap();
        assert_eq!(failure(&response).kind(), ErrorKind::SameToken);
        assert_eq!(text(response).await, "rejected");
        assert_eq!((world.resource.count_at("/orders"), world.issuer.token_requests()), (1, 2));
        let generation = world.session.token().await.unwrap().generation();
        assert_eq!(world.session.renew(generation).await.unwrap_err().kind(), ErrorKind::SameToken);
        assert_eq!(world.get("/other").await.unwrap().status(), 200);
    })
    .await;
}

// Case 35

async fn login_during_a_flight(world: &World, newer_first: bool) {
    let older = Gate::closed();
    world.issuer.next(Answer::tokens().access_token("of-the-older-login").delivered_behind(&older));
    let waiting = tokio::spawn({
        let world = world.clone();
        async move { world.get("/orders").await }
    });
    older.arrived(1).await;
    world.session.login(world.grant());
    let newer = Gate::closed();
    world.issuer.next(Answer::tokens().delivered_behind(&newer));
    let call = tokio::spawn({
        let world = world.clone();
        async move { world.get("/orders").await }
    });
    newer.arrived(1).await;
    let order = if newer_first { [&newer, &older] } else { [&older, &newer] };
    for gate in order {
        gate.open();
        // On the paused clock: until nobody has anything left to do.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    match waiting.await.unwrap() {
        Err(error) => assert_eq!(error.kind(), ErrorKind::LoggedOut),
        Ok(response) => assert_eq!(failure(&response).kind(), ErrorKind::LoggedOut),
    }
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert!(world.session.shutdown(MINUTE).await);
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert!(!world.resource.tokens().contains(&Some("of-the-older-login".to_owned())));
    assert!(world.issuer.revocations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn answer_of_an_older_login_is_thrown_away() {
    for newer_first in [true, false] {
        for_every_credential(async |world| {
            // The first token of the older login.
            world.issuer.regime(Regime::Beside);
            login_during_a_flight(&world, newer_first).await;
        })
        .await;
        for_every_credential(async |world| {
            // A renewal of the older login.
            world.issuer.regime(Regime::Beside);
            world.get("/orders").await.unwrap();
            world.issuer.revoke_all();
            login_during_a_flight(&world, newer_first).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_of_an_older_login_says_nothing_of_the_newer_one() {
    let world = World::new(Kind::Password);
    let gate = Gate::closed();
    world.issuer.next(Answer::error(400, "invalid_grant").delivered_behind(&gate));
    let waiting = tokio::spawn({
        let session = world.session.clone();
        async move { session.token().await }
    });
    gate.arrived(1).await;
    world.session.login(world.grant());
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
    assert_eq!(world.session.status(), Status::Idle);
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn password_that_never_left_the_machine_does_not_count_as_sent() {
    let issuer = Issuer::new();
    let online = Arc::new(AtomicBool::new(false));
    let transport = tower::service_fn({
        let online = online.clone();
        move |request: Request<Full<bytes::Bytes>>| {
            let answer = online.load(Ordering::SeqCst).then(|| issuer.clone().oneshot(request));
            async move {
                match answer {
                    Some(answer) => answer.await.map_err(std::io::Error::other),
                    None => Err(std::io::ErrorKind::ConnectionRefused.into()),
                }
            }
        }
    });
    let session =
        Session::new(PasswordGrant::new(TokenEndpoint::new(transport, TOKEN_URI).unwrap(), USERNAME, PASSWORD));
    for _ in 0..10 {
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Transport);
        advance(Duration::from_secs(61)).await;
    }
    online.store(true, Ordering::SeqCst);
    session.token().await.unwrap();
}
