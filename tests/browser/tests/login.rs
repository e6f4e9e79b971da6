//! The door: what a browser sees of a login, and what it keeps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_reauth_browser::{Browser, Login, Server};

const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';

#[tokio::test]
async fn wrong_password_shows_a_message_and_the_right_one_lets_in() -> anyhow::Result<()> {
    for login in [Login::Password, Login::Code] {
        let (server, browser) = (Server::start(login).await?, Browser::start("visitor").await?);
        browser.open(&server.url).await?;
        browser.pictures(&format!("0-door-{login:?}")).await?;
        browser.try_to_log_in(&server, "wrong").await?;
        browser.sees("[role=alert]").await?;
        assert_eq!(browser.text("[role=alert]").await?, "This name and password do not belong together.");
        browser.pictures(&format!("0-wrong-{login:?}")).await?;
        // The name is still there, and the password has the focus.
        assert_eq!(browser.evaluate("document.activeElement.id").await?, "password");
        assert_eq!(browser.evaluate("document.querySelector('#username').value").await?, "alice");
        browser.fill("#password", "wonderland\u{e007}").await?;
        browser.sees("#timeline").await?;
    }
    Ok(())
}

#[tokio::test]
async fn session_cookie_carries_its_flags_and_a_new_id_after_login_and_logout() -> anyhow::Result<()> {
    for login in [Login::Password, Login::Code] {
        let (server, browser) = (Server::start(login).await?, Browser::start("visitor").await?);
        browser.log_in(&server, "wonderland").await?;
        let cookie = browser.cookie().await?;
        assert_eq!(cookie.name(), "__Host-orchard");
        assert_eq!((cookie.secure(), cookie.http_only(), cookie.path()), (Some(true), Some(true), Some("/")));
        assert_eq!(cookie.same_site().map(|same| same.to_string()).as_deref(), Some("Lax"));
        // With a domain of its own it would begin with a dot.
        assert_eq!(cookie.domain(), Some("localhost"));
        assert_eq!(browser.evaluate("document.cookie").await?, "");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let expires = cookie.expires_datetime().expect("the cookie ends with the login").unix_timestamp();
        let left = Duration::from_secs(u64::try_from(expires)?).saturating_sub(now);
        assert!(left <= Duration::from_secs(12 * 3600) && left > Duration::from_secs(11 * 3600), "{left:?}");

        browser.click("form[action='/logout'] button").await?;
        browser.sees(".notice.good").await?;
        let after = browser.cookie().await?;
        assert_ne!(cookie.value(), after.value());
        browser.log_in(&server, "wonderland").await?;
        let again = browser.cookie().await?;
        assert!(again.value() != after.value() && again.value() != cookie.value());
    }
    Ok(())
}

#[tokio::test]
async fn everything_is_in_reach_of_the_keyboard() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Password).await?, Browser::start("keyboard").await?);
    browser.open(&server.url).await?;
    // The first field has the focus.
    for key in "alice".chars().chain([TAB]).chain("wonderland".chars()).chain([ENTER]) {
        browser.press(key).await?;
    }
    browser.sees("#timeline").await?;
    let mut reached = Vec::new();
    for _ in 0..5 {
        browser.press(TAB).await?;
        let focus = browser.evaluate("document.activeElement.textContent").await?;
        reached.push(focus.as_str().unwrap_or_default().to_owned());
    }
    let all = ["RFC 9700, section 2.4", "Log out", "Place an order", "Refresh", "Refresh ten times at once"];
    assert_eq!(reached, all);
    browser.evaluate("document.querySelector('[data-do=order]').focus()").await?;
    browser.pictures("7-focus").await?;
    browser.press(ENTER).await?;
    browser.until("document.querySelector('#said').textContent === 'Two pears are ordered.'").await
}
