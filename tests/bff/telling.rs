//! Server-sent events: who is told what.

use std::{pin::pin, time::Duration};

use axum::{body::Body, response::Response};
use http::{Request, StatusCode, header::CACHE_CONTROL};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::{
    arguments::LoginKind::Password,
    browser::{Bff, Browser, PASSWORD},
};

/// It ends a test that would fail; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Listener {
    body: Body,
    text: String,
}

impl Listener {
    async fn open(browser: &mut Browser) -> Self {
        let response: Response = browser.open(Request::get("/events"), "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        Self { body: response.into_body(), text: String::new() }
    }

    /// Reads until this is told.
    async fn hears(&mut self, what: &str) {
        let heard = timeout(PATIENCE, self.read_until(what)).await;
        heard.unwrap_or_else(|_| panic!("{what} is not in {}", self.text));
    }

    async fn read_until(&mut self, what: &str) {
        while !self.text.contains(what) {
            let frame = self.body.frame().await.unwrap_or_else(|| panic!("{what} is not in {}", self.text)).unwrap();
            self.text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
        }
    }

    async fn hears_the_end(mut self) -> String {
        let rest = timeout(PATIENCE, self.body.collect()).await.expect("the stream ends").unwrap().to_bytes();
        self.text.push_str(&String::from_utf8_lossy(&rest));
        self.text
    }
}

#[tokio::test]
async fn nobody_listens_without_a_login() {
    let bff = Bff::start(Password).await;
    bff.alice().await;
    assert_eq!(bff.browser().get("/events").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn devices_of_a_user_hear_of_each_other_and_nobody_else_does() {
    let bff = Bff::start(Password).await;
    let (mut desktop, mut tablet, mut bob) = (bff.alice().await, bff.alice().await, bff.browser());
    bob.log_in("bob", "builder").await;
    let mut heard = Listener::open(&mut desktop).await;
    let foreign = Listener::open(&mut bob).await;
    tablet.get("/api/orders/7").await;
    heard.hears("GET /orders/7").await;
    heard.hears(r#""device":2"#).await;
    tablet.post("/logout", "").await;
    heard.hears(r#""text":"Log out""#).await;
    bob.post("/logout", "").await;
    let foreign = foreign.hears_the_end().await;
    assert!(foreign.contains("Log out") && !foreign.contains("orders/7"), "{foreign}");
}

#[tokio::test]
async fn stream_ends_with_its_login_and_with_no_other() {
    let bff = Bff::start(Password).await;
    let (mut desktop, mut tablet) = (bff.alice().await, bff.alice().await);
    let (first, second) = (Listener::open(&mut desktop).await, Listener::open(&mut tablet).await);
    desktop.post("/logout", "").await;
    assert!(first.hears_the_end().await.ends_with("event: ended\ndata: log in again\n\n"));
    let mut second = second;
    second.hears("Log out").await;
    assert!(!second.text.contains("event: ended"));
    bff.gateway.gateway().set_password("alice", "looking glass");
    tablet.get("/api/orders").await;
    let second = second.hears_the_end().await;
    assert!(second.ends_with("event: ended\ndata: log in again\n\n"));
    assert!(second.contains(r#""part":"ends""#) && !second.contains(r#""part":"fails""#), "{second}");
}

#[tokio::test]
async fn browser_that_leaves_during_the_logout_has_left_the_story() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    let heard = Listener::open(&mut browser).await;
    {
        let mut logout = pin!(browser.post("/logout", ""));
        // On its way to the gateway, and no further.
        assert!(futures::poll!(&mut logout).is_pending());
        assert!(bff.app.sessions.is_empty());
    }
    assert!(heard.hears_the_end().await.ends_with("event: ended\ndata: log in again\n\n"));
}

#[tokio::test]
async fn no_secret_is_told() {
    let bff = Bff::start(Password).await;
    let (mut desktop, mut tablet) = (bff.alice().await, bff.alice().await);
    let heard = Listener::open(&mut desktop).await;
    for device in [&mut desktop, &mut tablet] {
        device.get("/api/orders?secret=query").await;
    }
    desktop.post("/logout", "").await;
    let heard = heard.hears_the_end().await;
    for secret in [PASSWORD, "query", "Bearer", desktop.cookie.as_ref().unwrap(), tablet.cookie.as_ref().unwrap()] {
        assert!(!heard.contains(secret), "{secret} in {heard}");
    }
}
