//! Two instances that share their logins, and a browser that comes to either.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower_reauth::{Error, Record, Saved, StoreKey, TokenStore, Version};

use crate::{
    arguments::LoginKind::{Code, Password},
    browser::Bff,
};

/// Where both instances keep the tokens.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    records: Arc<Mutex<HashMap<StoreKey, Record>>>,
    is_down: Arc<AtomicBool>,
}

impl Tokens {
    fn set_down(&self, down: bool) {
        self.is_down.store(down, Ordering::SeqCst);
    }

    fn is_up(&self) -> Result<(), Error> {
        if self.is_down.load(Ordering::SeqCst) { Err(Error::store("the store is down")) } else { Ok(()) }
    }

    /// How many logins are there, and how many marks of logouts.
    fn count(&self) -> (usize, usize) {
        let records = self.records.lock().unwrap();
        let marks = records.values().filter(|record| record.is_logged_out()).count();
        (records.len() - marks, marks)
    }
}

impl TokenStore for Tokens {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        self.is_up()?;
        Ok(self.records.lock().unwrap().get(key).cloned())
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        // As over a wire: whoever does not wait for it comes first.
        tokio::task::yield_now().await;
        self.is_up()?;
        let mut records = self.records.lock().unwrap();
        if let Some(current) = records.get(key)
            && !record.may_replace(current, seen, SystemTime::now())
        {
            return Ok(Saved::Overtaken(Box::new(current.clone())));
        }
        records.insert(key.clone(), record.clone());
        drop(records);
        Ok(Saved::Saved)
    }
}

#[tokio::test]
async fn login_at_one_instance_works_at_the_other_at_once() {
    let [one, other] = Bff::two(Password, &Tokens::default()).await;
    let mut browser = one.alice().await;
    let before = other.gateway.counters().token_requests("password");
    browser.goes_to(&other);
    assert!(browser.get("/").await.text.contains("<strong>alice</strong>"));
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);
    browser.goes_to(&one);
    assert_eq!(browser.post("/api/orders", "2 pears").await.status, StatusCode::CREATED);
    let after = other.gateway.counters();
    assert_eq!((after.token_requests("password"), after.token_requests("refresh_token")), (before, 0));
}

#[tokio::test]
async fn login_with_a_code_begins_at_one_instance_and_ends_at_the_other() {
    let [one, other] = Bff::two(Code, &Tokens::default()).await;
    let mut browser = one.browser();
    let page = browser.log_in("", "").await;
    let back = one.consent(page.location()).await;
    assert_eq!(browser.goes_to(&other).get(&back).await.location(), "/");
    for bff in [&one, &other] {
        assert_eq!(browser.goes_to(bff).get("/api/orders").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn logout_at_one_instance_ends_the_login_at_both() {
    let tokens = Tokens::default();
    let [one, other] = Bff::two(Password, &tokens).await;
    let mut browser = one.alice().await;
    browser.goes_to(&other).get("/api/orders").await;
    assert_eq!(tokens.count(), (1, 0));
    let old = browser.cookie.clone();
    assert_eq!(browser.post("/logout", "").await.location(), "/login");
    assert_eq!(tokens.count(), (0, 1));
    assert_eq!(other.gateway.counters().revocations, 1);
    for bff in [&one, &other] {
        browser.cookie = old.clone();
        assert_eq!(browser.goes_to(bff).get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(browser.get("/").await.location(), "/login");
    }
}

#[tokio::test]
async fn logout_counts_at_the_other_instance_however_long_the_revocation_takes() {
    let [one, other] = Bff::two(Password, &Tokens::default()).await;
    let mut browser = one.alice().await;
    let mut second = other.browser();
    second.cookie = browser.cookie.clone();
    assert_eq!(second.get("/api/orders").await.status, StatusCode::OK);
    let mut logout = pin!(browser.post("/logout", ""));
    assert!(futures::poll!(&mut logout).is_pending(), "it is on its way to the store and to the gateway");
    assert_eq!(second.get("/").await.location(), "/login");
    assert_eq!(logout.await.location(), "/login");
    assert_eq!(other.gateway.counters().revocations, 1);
}

/// A deployment, or a crash but for the words: what it knew alone is gone.
#[tokio::test]
async fn instance_that_ends_takes_no_login_along() {
    let [one, other] = Bff::two(Password, &Tokens::default()).await;
    let mut browser = one.alice().await;
    one.app.close();
    one.app.leave().await;
    drop(one);
    assert_eq!(browser.goes_to(&other).get("/api/orders").await.status, StatusCode::OK);
    assert_eq!(other.gateway.counters().revocations, 0);
}

#[tokio::test]
async fn store_that_is_down_sends_nobody_to_the_login() {
    let tokens = Tokens::default();
    let [one, other] = Bff::two(Password, &tokens).await;
    let mut browser = one.alice().await;
    tokens.set_down(true);
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK, "it has its token");
    for path in ["/", "/login", "/api/orders", "/events"] {
        let page = browser.goes_to(&other).get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", page.text);
    }
    tokens.set_down(false);
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn story_of_a_user_goes_on_at_the_other_instance_and_nobody_else_hears_it() {
    let [one, other] = Bff::two(Password, &Tokens::default()).await;
    let (mut alice, mut bob) = (one.alice().await, other.browser());
    bob.log_in("bob", "builder").await;
    let heard = alice.goes_to(&other).open(Request::get("/events"), "").await;
    let foreign = bob.open(Request::get("/events"), "").await;
    assert_eq!((heard.status(), foreign.status()), (StatusCode::OK, StatusCode::OK));
    alice.get("/api/orders/7").await;
    bob.get("/api/orders/8").await;
    other.app.close();
    let [heard, foreign] = [heard, foreign].map(|response| response.into_body().collect());
    let [heard, foreign] = [heard.await, foreign.await].map(|body| body.unwrap().to_bytes());
    let [heard, foreign] = [&heard, &foreign].map(|text| String::from_utf8_lossy(text));
    assert!(heard.contains("orders/7") && !heard.contains("orders/8"), "{heard}");
    assert!(foreign.contains("orders/8") && !foreign.contains("orders/7"), "{foreign}");
}
