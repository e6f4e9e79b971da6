//! The dashboard's page.

use tower_reauth_browser::{Browser, Dashboard};

/// The left end of the first chart's time axis.
const FIRST_LABEL: &str = "[...document.querySelectorAll('#panels section:first-child text')].at(-1)?.textContent";

/// The part of the first chart's time axis that has something above it.
const FILLED: &str = "(() => {
    const [filled, axis] = ['.area', '.grid'].map(part => document.querySelector(`#panels .chart ${part}`).getBBox().width);
    return filled / axis;
})()";

#[tokio::test]
async fn storm_is_shown_on_an_axis_that_grows_with_it_can_be_paused_and_ends() -> anyhow::Result<()> {
    let (dashboard, browser) = (Dashboard::start().await?, Browser::start("operator").await?);
    browser.open(&dashboard.url).await?;
    // By then somebody's token was ended, and that was put right.
    for label in ["−10 s", "−20 s"] {
        browser.until(&format!("{FIRST_LABEL} === '{label}'")).await?;
        assert_eq!(browser.evaluate("`−${-document.querySelector('#back').min} s`").await?, label);
    }
    assert!(browser.evaluate(FILLED).await?.as_f64() >= Some(0.5));
    browser.until("parseInt(document.querySelector('#sums div:nth-child(2) dd').textContent) > 0").await?;
    browser.sees("#status[data-state=live]").await?;
    browser.pictures("dashboard-live").await?;

    browser.click("#pause").await?;
    browser.sees("#status[data-state=pause]").await?;
    let look_back =
        "(back => { back.value = -4; back.dispatchEvent(new Event('input')); })(document.querySelector('#back'))";
    browser.evaluate(look_back).await?;
    browser.sees(".cursor").await?;
    browser.pictures("dashboard-paused").await?;

    drop(dashboard);
    browser.sees("#status[data-state=end]").await?;
    browser.pictures("dashboard-over").await
}

#[tokio::test]
async fn icon_passes_the_policy_of_its_page() -> anyhow::Result<()> {
    let (dashboard, browser) = (Dashboard::start().await?, Browser::start("operator").await?);
    browser.open(&dashboard.url).await?;
    let width = "new Promise(shown => {
        const icon = Object.assign(new Image(), { onload: () => shown(icon.naturalWidth), onerror: () => shown(0) });
        icon.src = document.querySelector('link[rel=icon]').href;
    })";
    assert!(browser.evaluate(width).await?.as_u64() > Some(0));
    Ok(())
}
