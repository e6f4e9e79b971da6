//! Two devices of one user, each a browser with a profile of its own.

use tower_reauth_browser::{Browser, Login, Look, Server};

const PASSWORD: &str = "wonderland";

/// Counts in the page how often a dialog is opened.
const COUNT_QUESTIONS: &str = "(() => {
    const open = HTMLDialogElement.prototype.showModal;
    window.asked = 0;
    HTMLDialogElement.prototype.showModal = function () { window.asked += 1; return open.call(this); };
})()";

/// Places an order, and sees it placed.
async fn orders(browser: &Browser) -> anyhow::Result<()> {
    browser.click("[data-do=order]").await?;
    browser.until("document.querySelector('#said').textContent === 'Two pears are ordered.'").await
}

/// Nothing was asked of the user, and nothing went wrong.
async fn is_undisturbed(browser: &Browser) -> anyhow::Result<()> {
    assert_eq!(browser.path().await?, "/");
    assert_eq!(browser.evaluate("document.querySelectorAll('dialog[open], .end.failed').length").await?, 0);
    Ok(())
}

#[tokio::test]
async fn one_device_logs_out_and_the_other_goes_on_without_a_prompt_or_an_error() -> anyhow::Result<()> {
    let server = Server::start(Login::Password).await?;
    let (desktop, tablet) = (Browser::start("desktop").await?, Browser::start("tablet").await?);
    desktop.log_in(&server, PASSWORD).await?;
    desktop.picture("1-alone", Look::WIDE).await?;
    tablet.log_in(&server, PASSWORD).await?;

    // Each kills the other's token by getting one of its own.
    for device in [&desktop, &tablet, &desktop] {
        orders(device).await?;
        is_undisturbed(device).await?;
    }
    desktop.sees(".deed.other").await?;
    desktop.sees(".deed:not(.other) .healed").await?;
    desktop.picture("2-both-work", Look::WIDE).await?;
    tablet.picture("2-both-work", Look::NARROW).await?;

    desktop.click("form[action='/logout'] button").await?;
    desktop.sees(".notice.good").await?;
    assert_eq!(desktop.path().await?, "/login");
    desktop.picture("3-logged-out", Look::WIDE).await?;

    tablet
        .until("[...document.querySelectorAll('.deed.other h3')].some(title => title.textContent === 'Log out')")
        .await?;
    let healed = "document.querySelectorAll('.deed:not(.other) .healed').length";
    let before = tablet.evaluate(healed).await?.as_u64();
    orders(&tablet).await?;
    is_undisturbed(&tablet).await?;
    tablet.until(&format!("{healed} > {}", before.unwrap_or_default())).await?;
    tablet.click("[data-do=ten]").await?;
    tablet.until("document.querySelector('#said').textContent === 'Ten calls, ten answers.'").await?;
    is_undisturbed(&tablet).await?;
    tablet.picture("4-goes-on", Look::NARROW).await?;
    tablet.picture("4-goes-on", Look::NARROW.dark()).await?;
    tablet.picture("4-goes-on", Look::WIDE).await?;
    tablet.picture("4-goes-on", Look::WIDE.dark()).await
}

#[tokio::test]
async fn page_asks_to_log_in_again_once_after_the_password_was_changed_at_the_server() -> anyhow::Result<()> {
    for login in [Login::Password, Login::Code] {
        let server = Server::start(login).await?;
        let (device, elsewhere) = (Browser::start("device").await?, Browser::start("elsewhere").await?);
        device.log_in(&server, PASSWORD).await?;
        orders(&device).await?;

        elsewhere.open(&server.password_url).await?;
        elsewhere.fill("#username", "alice").await?;
        elsewhere.fill("#password", PASSWORD).await?;
        elsewhere.fill("#new_password", "looking glass\u{e007}").await?;
        elsewhere.sees(".message.good").await?;
        elsewhere.picture(&format!("5-password-changed-{login:?}"), Look::WIDE).await?;

        // Ten calls at once, and one question.
        device.evaluate(COUNT_QUESTIONS).await?;
        device.click("[data-do=ten]").await?;
        device.sees("dialog[open]").await?;
        device.until("!document.querySelector('[aria-busy=true]')").await?;
        device.until("document.querySelector('#live').textContent === 'ended'").await?;
        assert_eq!(device.evaluate("window.asked").await?, 1);
        device.picture(&format!("6-asked-{login:?}"), Look::WIDE).await?;
        device.click("dialog a").await?;
        device.sees(".notice").await?;
        assert_eq!(device.path().await?, "/login");

        device.try_to_log_in(&server, PASSWORD).await?;
        device.sees("[role=alert]").await?;
        device.log_in(&server, "looking glass").await?;
        orders(&device).await?;
        is_undisturbed(&device).await?;
    }
    Ok(())
}

#[tokio::test]
async fn server_ends_at_once_though_a_page_listens() -> anyhow::Result<()> {
    let server = Server::start(Login::Password).await?;
    let browser = Browser::start("listener").await?;
    browser.log_in(&server, PASSWORD).await?;
    browser.sees("#live[data-state=on]").await?;
    server.stop().await?;
    browser.sees("#live[data-state=off]").await
}

#[tokio::test]
async fn same_program_stands_before_another_gateway_by_flags() -> anyhow::Result<()> {
    let own = Server::start(Login::Password).await?;
    let other = Server::start_before_the_gateway_of(&own).await?;
    let (desktop, tablet) = (Browser::start("desktop").await?, Browser::start("tablet").await?);
    desktop.log_in(&own, PASSWORD).await?;
    tablet.log_in(&other, PASSWORD).await?;
    for device in [&desktop, &tablet, &desktop] {
        orders(device).await?;
        is_undisturbed(device).await?;
    }
    desktop.sees(".healed").await
}
