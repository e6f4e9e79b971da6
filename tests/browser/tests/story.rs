//! Two devices of one user, each a browser with a profile of its own.

use tower_reauth_browser::{Browser, Login, Server};

const PASSWORD: &str = "wonderland";

/// Counts in the page how often a dialog is opened.
const COUNT_QUESTIONS: &str = "(() => {
    const open = HTMLDialogElement.prototype.showModal;
    window.asked = 0;
    HTMLDialogElement.prototype.showModal = function () { window.asked += 1; return open.call(this); };
})()";

/// Calls once more, where nobody is asked yet and nothing is under way.
const ASK_AGAIN: &str = "(() => {
    if (document.querySelector('dialog[open]')) return true;
    if (!document.querySelector('[aria-busy=true]')) document.querySelector('[data-do=look]').click();
    return false;
})()";

/// How many calls of this device the rows tell of.
const CALLS: &str = "[...document.querySelectorAll('.deed:not(.other)')]
    .filter(deed => deed.querySelector('h3').textContent === 'GET /orders')
    .reduce((sum, deed) => sum + (parseInt(deed.querySelector('.times')?.textContent) || 1), 0)";

/// How many rows say the same as the one below, but for times.
const EQUAL_NEIGHBOURS: &str = "(() => {
    const said = [...document.querySelectorAll('.deed')].map(deed =>
        [...deed.querySelectorAll('h3, .device, .end, .healed, li')].map(part => part.textContent.replace(/ in .* ms/, '')).join());
    return said.filter((text, at) => text === said[at + 1]).length;
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
    desktop.pictures("1-alone").await?;
    tablet.log_in(&server, PASSWORD).await?;

    // Each kills the other's token by getting one of its own.
    for device in [&desktop, &tablet, &desktop] {
        orders(device).await?;
        is_undisturbed(device).await?;
    }
    desktop.sees(".deed.other").await?;
    desktop.sees(".deed:not(.other) .healed").await?;
    desktop.pictures("2-both-work").await?;

    desktop.click("form[action='/logout'] button").await?;
    desktop.sees(".notice.good").await?;
    assert_eq!(desktop.path().await?, "/login");
    desktop.pictures("3-logged-out").await?;

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
    // Ten rows that say the same, and the look after the order.
    tablet.until("document.querySelector('.times')?.textContent === '11 times'").await?;
    tablet.pictures("4-goes-on").await
}

#[tokio::test]
async fn equal_neighbours_are_one_row_and_healed_ones_stand_out() -> anyhow::Result<()> {
    let server = Server::start(Login::Password).await?;
    let (desktop, tablet) = (Browser::start("desktop").await?, Browser::start("tablet").await?);
    desktop.log_in(&server, PASSWORD).await?;
    desktop.until("document.querySelector('.deed .end')?.textContent.startsWith('200')").await?;
    // The desktop's token is dead now, and ten calls find out.
    tablet.log_in(&server, PASSWORD).await?;
    desktop.sees(".deed.other .end").await?;
    desktop.click("[data-do=ten]").await?;
    desktop.until("document.querySelector('#said').textContent === 'Ten calls, ten answers.'").await?;
    desktop
        .until(&format!("({CALLS}) === 11 && document.querySelectorAll('.deed:not(:has(.end))').length === 0"))
        .await?;
    assert_eq!(desktop.evaluate(EQUAL_NEIGHBOURS).await?, 0);
    let healed = "[...document.querySelectorAll('.deed:not(.other) .healed')]";
    let times = format!(
        "{healed}.reduce((sum, chip) => sum + (parseInt(chip.closest('.deed').querySelector('.times')?.textContent) || 1), 0)"
    );
    assert_eq!(desktop.evaluate(&times).await?.to_string(), desktop.text("#healed").await?);
    // Which of them asks is chance, but each look is another one.
    let ground = |deed| format!("getComputedStyle(document.querySelector('{deed}')).backgroundColor");
    let (plain, healed) = (ground(".deed:not(:has(.healed))"), ground(".deed:has(.healed)"));
    assert_eq!(desktop.evaluate(&format!("{plain} !== {healed}")).await?, true);
    desktop.pictures("8-ten-healed").await
}

#[tokio::test]
async fn page_without_a_story_says_how_to_see_one_and_counts_nothing() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Code).await?, Browser::start("device").await?);
    browser.log_in(&server, PASSWORD).await?;
    orders(&browser).await?;
    is_undisturbed(&browser).await?;
    assert_eq!(browser.text("main code").await?, "--login password");
    assert_eq!(browser.evaluate("document.querySelector('#healed')").await?, serde_json::Value::Null);
    browser.pictures("1-alone-Code").await
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
        elsewhere.pictures(&format!("5-password-changed-{login:?}")).await?;

        // Ten calls at once, and one question.
        device.evaluate(COUNT_QUESTIONS).await?;
        device.click("[data-do=ten]").await?;
        if let Login::Code = login {
            // A refresh token that is refused once may be good: it is sent again, 2 s later, with the first call after that.
            device.until("document.querySelectorAll('.end.failed').length > 0").await?;
            device.until(ASK_AGAIN).await?;
        }
        device.sees("dialog[open]").await?;
        device.until("!document.querySelector('[aria-busy=true]')").await?;
        device.until("document.querySelector('#live').textContent === 'ended'").await?;
        assert_eq!(device.evaluate("window.asked").await?, 1);
        if let Login::Password = login {
            assert_eq!(device.evaluate("document.querySelectorAll('.end.failed').length").await?, 0);
        }
        device.pictures(&format!("6-asked-{login:?}")).await?;
        device.click("dialog a").await?;
        device.sees(".notice.plain[role=status]").await?;
        assert_eq!(device.path().await?, "/login");
        device.pictures(&format!("6-ended-{login:?}")).await?;

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
    browser.sees("#live[data-state=off]").await?;
    browser.click("[data-do=look]").await?;
    browser.until("document.querySelector('#said').textContent.includes(\"can't be reached\")").await?;
    browser.pictures("9-server-gone").await
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
