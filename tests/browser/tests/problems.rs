//! What a page says when something is not possible.

use tower_reauth_browser::{Browser, Login, Server};

/// Tries so many logins at once, with a name for each.
async fn attempts(browser: &Browser, count: u32, name: &str) -> anyhow::Result<()> {
    let attempt = format!(
        "number => fetch('/login', {{ method: 'POST', body: new URLSearchParams({{ username: {name}, password: 'no' }}) }})"
    );
    browser.evaluate(&format!("Promise.all([...Array({count}).keys()].map({attempt})).then(() => true)")).await?;
    Ok(())
}

/// Whether the page says it in a box of that look.
async fn says(browser: &Browser, tone: &str, text: &str) -> anyhow::Result<()> {
    browser.sees(&format!(".notice.{tone}")).await?;
    let said = browser.text(".notice").await?;
    assert!(said.contains(text), "{said}");
    Ok(())
}

#[tokio::test]
async fn lock_out_says_whether_the_name_or_the_network_is_locked() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Password).await?, Browser::start("visitor").await?);
    browser.open(&server.url).await?;
    attempts(&browser, 5, "'alice'").await?;
    browser.try_to_log_in(&server, "wonderland").await?;
    says(&browser, "bad", "as “alice”, here or elsewhere. This name is locked").await?;
    browser.pictures("9-locked-name").await?;
    attempts(&browser, 20, "`user${number}`").await?;
    browser.try_to_log_in(&server, "wonderland").await?;
    says(&browser, "bad", "from your network").await?;
    browser.pictures("9-locked-network").await
}

#[tokio::test]
async fn login_that_comes_to_nothing_at_the_gateway_is_told() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Code).await?, Browser::start("visitor").await?);
    browser.open(&server.url).await?;
    browser.click("form[action='/login'] button").await?;
    browser.click("button[value=deny]").await?;
    says(&browser, "plain", "did not let Orchard in").await?;
    browser.pictures("9-denied").await?;
    browser.open(&format!("{}/callback?state=guess&code=x", server.url)).await?;
    says(&browser, "bad", "not begun in this browser").await?;
    browser.pictures("9-not-begun-here").await
}

#[tokio::test]
async fn gateway_that_is_gone_is_told() -> anyhow::Result<()> {
    let own = Server::start(Login::Password).await?;
    let (server, browser) = (Server::start_before_the_gateway_of(&own).await?, Browser::start("visitor").await?);
    own.stop().await?;
    browser.try_to_log_in(&server, "wonderland").await?;
    says(&browser, "bad", "can't be reached").await?;
    browser.pictures("9-unreachable").await
}

#[tokio::test]
async fn address_without_a_page_leads_back() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Code).await?, Browser::start("visitor").await?);
    browser.open(&format!("{}/nothing/here", server.url)).await?;
    assert_eq!(browser.text("h1").await?, "There is no page here");
    browser.pictures("9-not-found").await?;
    browser.click("main a").await?;
    browser.sees("form[action='/login']").await
}

#[tokio::test]
async fn pages_of_the_gateway_tell_what_is_wrong() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Code).await?, Browser::start("visitor").await?);
    browser.open(&server.password_url).await?;
    browser.pictures("5-password").await?;
    browser.fill("#username", "alice").await?;
    browser.fill("#password", "wrong").await?;
    browser.fill("#new_password", "looking glass\u{e007}").await?;
    browser.sees("[role=alert]:not(.good)").await?;
    browser.pictures("5-password-wrong").await?;
    let unknown = "/oauth2/authorize?client_id=nobody&redirect_uri=http://localhost&response_type=code";
    browser.open(&server.password_url.replace("/account/password", unknown)).await?;
    browser.sees("[role=alert]").await?;
    browser.pictures("9-unregistered").await
}
