//! Sessions that are kept alive without traffic, and calls that choose to wait for a pause to end.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::*;
use tokio::time::{Instant, advance, sleep};
use tower_reauth::{ErrorKind, RenewAhead, Session, Status, TokenSet, grant_fn};

fn world(kind: Kind, ahead: RenewAhead) -> World {
    let world = World::new(kind);
    world.issuer.always(Answer::tokens().expires_in(100));
    let session = Session::builder(world.grant()).renew_ahead(ahead).build();
    world.with_session(session)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_kept_alive_renews_every_lifetime_without_a_call() {
    let world = world(Kind::Password, RenewAhead::Always);
    world.session.token().await.unwrap();
    // Each at 70 to 80 of its 100 seconds.
    sleep(Duration::from_secs(1_000)).await;
    let requests = world.issuer.token_requests();
    assert!((13..=15).contains(&requests), "{requests}");
    assert!(world.issuer.is_alive(&world.issuer.last_access_token()));
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(world.issuer.token_requests(), requests);
}

#[tokio::test(start_paused = true)]
async fn keeping_alive_goes_on_after_an_outage() {
    let world = world(Kind::ClientCredentials, RenewAhead::Always);
    world.session.token().await.unwrap();
    world.issuer.always(Answer::status(500, ""));
    sleep(Duration::from_secs(300)).await;
    world.issuer.always(Answer::tokens().expires_in(100));
    sleep(Duration::from_secs(61)).await;
    let requests = world.issuer.token_requests();
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(world.issuer.token_requests(), requests, "the call found a token that was renewed before it came");
}

#[tokio::test(start_paused = true)]
async fn keeping_alive_ends_with_the_login_and_with_the_last_session() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let world = world(Kind::ClientCredentials, RenewAhead::Always);
    world.session.token().await.unwrap();
    world.session.forget();
    tokio::task::yield_now().await;
    assert_eq!(metrics.num_alive_tasks(), before, "its timer goes with the login, not when it is due");
    sleep(Duration::from_secs(1_000)).await;
    assert_eq!(world.issuer.token_requests(), 1);

    world.session.login(world.grant());
    world.session.token().await.unwrap();
    let issuer = world.issuer.clone();
    drop(world);
    tokio::task::yield_now().await;
    assert_eq!(metrics.num_alive_tasks(), before);
    sleep(Duration::from_secs(1_000)).await;
    assert_eq!(issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_does_nothing_and_a_call_starts_the_renewal() {
    for kind in [Kind::ClientCredentials, Kind::RefreshToken] {
        let world = world(kind, RenewAhead::WithTraffic);
        world.session.token().await.unwrap();
        advance(Duration::from_secs(85)).await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.issuer.token_requests(), 1);
        let first = world.issuer.last_access_token();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.resource.last().token(), Some(&*first), "nobody waits for a renewal ahead of time");
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.issuer.token_requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn ahead_renewal_can_be_switched_off() {
    let world = world(Kind::ClientCredentials, RenewAhead::Never);
    world.session.token().await.unwrap();
    advance(Duration::from_secs(85)).await;
    world.get("/orders").await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn during_a_pause_calls_fail_at_once_or_wait_if_they_chose_to() {
    for_every_credential(async |world| {
        let failing = || Answer::status(503, "").header("retry-after", "20");
        world.issuer.next(failing());
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Unavailable);
        let before = Instant::now();
        let error = world.get("/orders").await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(20));
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(world.issuer.token_requests(), 1);

        world.issuer.next(failing());
        let patient = Session::builder(world.grant()).wait_through_pauses(Duration::from_secs(60)).build();
        let patient = world.with_session(patient);
        assert_eq!(patient.get("/orders").await.unwrap().status(), 200);
        assert_eq!(before.elapsed().as_secs(), 20);
        assert_eq!(patient.session.status(), Status::Active);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn patience_has_an_end() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::status(503, "").header("retry-after", "20"));
        let patient = Session::builder(world.grant()).wait_through_pauses(Duration::from_secs(50)).build();
        let patient = world.with_session(patient);
        let before = Instant::now();
        assert_eq!(patient.get("/orders").await.unwrap_err().kind(), ErrorKind::Unavailable);
        // Attempts at 0, 20 and 40 seconds; the one at 60 would be too late.
        assert_eq!(before.elapsed().as_secs(), 40);
        assert_eq!(world.issuer.token_requests(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn session_is_kept_alive_after_a_renewal_that_panicked() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let grant = grant_fn(move |_| {
        let count = count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_ne!(count, 1, "a bug in a grant");
            Ok(TokenSet::new(format!("token{count}"))?.with_lifetime(Duration::from_secs(100)))
        }
    });
    let session = Session::builder(grant).renew_ahead(RenewAhead::Always).build();
    session.token().await.unwrap();
    sleep(Duration::from_secs(1000)).await;
    let fetched = fetched.load(Ordering::SeqCst);
    assert!((10..=20).contains(&fetched), "{fetched} renewals");
}

#[tokio::test(start_paused = true)]
async fn session_that_is_kept_alive_does_not_spin_where_tokens_are_born_dead() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let grant = grant_fn(move |_| {
        let count = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if count > 1000 {
                return pending().await;
            }
            Ok(TokenSet::new(format!("token{count}"))?.with_lifetime(Duration::ZERO))
        }
    });
    let session = Session::builder(grant).renew_ahead(RenewAhead::Always).build();
    session.token().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    let fetched = fetched.load(Ordering::SeqCst);
    assert!(fetched <= 31, "{fetched} renewals in 30 s");
}
