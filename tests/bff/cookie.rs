//! The cookie session.

use std::{collections::HashMap, time::Duration};

use http::StatusCode;
use tower_sessions::{
    SessionStore,
    cookie::time::OffsetDateTime,
    session::{Id, Record},
};

use crate::{
    app::{IDLE, LIFETIME},
    arguments::LoginKind::{Code, Password},
    browser::{Bff, PASSWORD},
    cookie_store::CookieStore,
};

/// The clock stands still but for this.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn every_cookie_carries_every_flag() {
    for login in [Code, Password] {
        let bff = Bff::start(login).await;
        let mut browser = bff.browser();
        let page = browser.log_in("alice", PASSWORD).await;
        if login == Code {
            let back = bff.consent(page.location()).await;
            assert_eq!(browser.get(&back).await.location(), "/");
        }
        browser.post("/logout", "").await;
        assert!(browser.set.len() >= 2);
        for set in &browser.set {
            let flags: Vec<_> = set.split("; ").collect();
            for flag in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(flags.contains(&flag), "{set}");
            }
            assert!(!set.contains("Domain"), "{set}");
        }
    }
}

#[tokio::test]
async fn id_is_new_after_login_and_the_one_before_is_worth_nothing() {
    let bff = Bff::start(Code).await;
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    let planted = browser.cookie.clone();
    assert!(planted.is_some(), "a login that has begun is bound to the browser");
    let back = bff.consent(page.location()).await;
    browser.get(&back).await;
    assert_ne!(browser.cookie, planted);
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);

    let mut thief = bff.browser();
    thief.cookie = planted;
    assert_eq!(thief.get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn logout_ends_the_id_and_revokes_the_tokens() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    browser.get("/api/orders").await;
    let old = browser.cookie.clone();
    assert_eq!(browser.post("/logout", "").await.location(), "/login");
    assert_eq!(bff.gateway.counters().revocations, 1);
    assert!(bff.app.sessions.is_empty());
    assert!(browser.get("/login").await.text.contains("You are logged out"));
    assert!(!browser.get("/login").await.text.contains("You are logged out"), "said twice");
    browser.cookie = old;
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn second_login_in_a_browser_ends_the_first() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    browser.log_in("bob", "builder").await;
    assert_eq!((bff.app.sessions.len(), bff.gateway.counters().revocations), (1, 1));
    assert!(browser.get("/").await.text.contains("<strong>bob</strong>"));
}

#[tokio::test]
async fn idle_login_ends_and_a_used_one_ends_with_its_lifetime() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    let step = IDLE * 2 / 3;
    let mut lived = Duration::ZERO;
    while lived + step < LIFETIME {
        assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK, "after {lived:?}");
        pass(step).await;
        lived += step;
    }
    pass(step).await;
    assert_eq!(browser.get("/").await.location(), "/login");

    let mut browser = bff.alice().await;
    pass(IDLE + Duration::from_secs(1)).await;
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/").await.location(), "/login");
    assert!(browser.get("/login").await.text.contains("Your login has ended"));
    assert!(!browser.get("/login").await.text.contains("Your login has ended"), "said twice");
}

#[tokio::test]
async fn record_that_was_deleted_does_not_come_back_and_one_that_expired_is_swept_out() {
    let now = OffsetDateTime::now_utc();
    let record = |id, expiry_date| Record { id: Id(id), data: HashMap::new(), expiry_date };
    let (store, mut live) = (CookieStore::default(), record(1, now + LIFETIME));
    store.create(&mut live).await.unwrap();
    assert_eq!(store.load(&live.id).await.unwrap(), Some(live.clone()));
    store.delete(&live.id).await.unwrap();
    // As a request would that was under way during the logout.
    store.save(&live).await.unwrap();
    assert_eq!(store.load(&live.id).await.unwrap(), None);

    for id in 2..5_000 {
        let mut expired = record(id, now - IDLE);
        store.create(&mut expired).await.unwrap();
        assert_eq!(store.load(&expired.id).await.unwrap(), None);
    }
    assert!(format!("{store:?}").len() < format!("{:?}", CookieStore::default()).len() + 4, "{store:?}");
}
