//! Logging in: who is let in, who is not, and how often one may try.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use http::{Request, StatusCode, header::RETRY_AFTER};

use crate::{
    arguments::LoginKind::{Code, Password},
    browser::{Bff, PASSWORD},
    throttle::{Held, Throttle},
};

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

#[tokio::test]
async fn wrong_password_is_told_and_the_name_comes_back_as_text() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.browser();
    let page = browser.log_in("%22%3E%3Cscript%3E", "wrong").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("do not belong together") && page.text.contains("RFC 9700"));
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;") && !page.text.contains("\"><script"), "{}", page.text);
    assert!(bff.app.sessions.is_empty());
    assert_eq!(browser.get("/").await.location(), "/login");
    assert_eq!(browser.log_in(&"a".repeat(300), "wrong").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn request_of_another_site_is_refused_and_does_nothing() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        for path in ["/login", "/logout", "/api/orders"] {
            let request = Request::post(path).header(name, value);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let page = browser.send(request, "username=bob&password=builder").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    assert_eq!((bff.gateway.gateway().orders(), bff.gateway.counters().token_requests("password")), (0, 1));
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);
    // Not by a link either.
    for path in ["/logout", "/login"] {
        browser.get(path).await;
    }
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn password_of_one_user_is_tried_five_times_from_anywhere_and_again_after_a_while() {
    let bff = Bff::start(Password).await;
    // Nothing that follows goes over a socket while the clock stands still.
    tokio::time::pause();
    for last in 1..=5 {
        assert_eq!(bff.app.throttle.attempt(address(last), Some("alice")), Ok(()));
    }
    for name in ["alice", "Alice", "+alice+"] {
        let page = bff.browser_at(address(6)).log_in(name, PASSWORD).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert_eq!(page.headers[RETRY_AFTER], "30");
        let name = name.trim_matches('+');
        assert!(page.text.contains(&format!("as “{name}”, here or elsewhere. This name is locked for 30 seconds")));
    }
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(bff.browser_at(address(6)).log_in("alice", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(bff.browser_at(address(6)).log_in("alice", PASSWORD).await.location(), "/");
    assert_eq!(bff.browser_at(address(6)).log_in("bob", "builder").await.location(), "/");
    assert_eq!(bff.gateway.counters().token_requests("password"), 2);
}

#[tokio::test(start_paused = true)]
async fn address_tries_twenty_times_and_holds_back_no_user_after_that() {
    let network = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into();
    let throttle = Throttle::new();
    for number in 0..20 {
        assert_eq!(throttle.attempt(network(number), Some(&format!("user{number}"))), Ok(()));
    }
    for number in 20..30 {
        assert_eq!(throttle.attempt(network(number), Some("alice")), Err(Held::Address(Duration::from_secs(3))));
    }
    assert_eq!(throttle.attempt(address(1), Some("alice")), Ok(()));

    // A login that begins here counts, though its password is asked for elsewhere.
    let bff = Bff::start(Code).await;
    for number in 0..20 {
        assert_eq!(bff.browser_at(network(number)).log_in("", "").await.status, StatusCode::SEE_OTHER, "{number}");
    }
    let page = bff.browser_at(network(20)).log_in("", "").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.text.contains("from your network") && !page.text.contains("locked"), "{}", page.text);
}

#[tokio::test]
async fn code_lets_in_the_browser_that_began_and_only_once() {
    let bff = Bff::start(Code).await;
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    for part in ["response_type=code", "code_challenge_method=S256", "scope=orders+device_", "state="] {
        assert!(page.location().contains(part), "{}", page.location());
    }
    let back = bff.consent(page.location()).await;

    // Somebody is sent a link with another person's code.
    let mut victim = bff.browser();
    assert_eq!(victim.get(&back).await.status, StatusCode::FORBIDDEN);
    victim.log_in("", "").await;
    assert_eq!(victim.get(&back).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bff.gateway.counters().token_requests("authorization_code"), 0);

    assert_eq!(browser.get(&back).await.location(), "/");
    assert!(browser.get("/").await.text.contains("<strong>alice</strong>"));
    let cookie = browser.cookie.clone();
    assert_eq!(browser.log_in("", "").await.location(), "/", "the page was still open");
    assert_eq!(browser.cookie, cookie);
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bff.gateway.counters().token_requests("authorization_code"), 1);
    assert_eq!(browser.get("/api/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn state_that_was_answered_wrongly_is_spent() {
    let bff = Bff::start(Code).await;
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    let back = bff.consent(page.location()).await;
    assert_eq!(browser.get("/callback?state=guess&code=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bff.gateway.counters().token_requests("authorization_code"), 0);
}

#[tokio::test]
async fn refusal_at_the_gateway_is_told() {
    let bff = Bff::start(Code).await;
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    let state = page.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let page = browser.get(&format!("/callback?error=access_denied&state={state}")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("did not let Orchard in"));
}

#[tokio::test]
async fn two_devices_that_logged_in_by_code_leave_each_other_alone() {
    let bff = Bff::start(Code).await;
    let mut devices = [bff.browser(), bff.browser()];
    for device in &mut devices {
        let page = device.log_in("", "").await;
        let back = bff.consent(page.location()).await;
        device.get(&back).await;
    }
    let [desktop, tablet] = &mut devices;
    assert_eq!(desktop.get("/api/orders").await.status, StatusCode::OK);
    desktop.post("/logout", "").await;
    assert_eq!(tablet.get("/api/orders").await.status, StatusCode::OK);
    assert_eq!(bff.gateway.counters().rejected, 0);
}

#[tokio::test]
async fn gateway_in_trouble_is_not_the_users_fault() {
    let bff = Bff::start(Password).await;
    bff.gateway.gateway().set_outage(true);
    let page = bff.browser().log_in("alice", PASSWORD).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("reached just now"));
}
