//! What can be typed into looks so.

use tower_reauth_browser::{Browser, Login, Look, Server};

/// The least contrast between an input's edge and what is around it (WCAG 2.2, 1.4.11).
const LEAST: f64 = 3.0;

/// The contrast of each input's edge with the card that it lies on (WCAG 2.2).
const CONTRASTS: &str = "(() => {
    const luminance = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = element => {
        const { backgroundColor } = getComputedStyle(element);
        return backgroundColor === 'rgba(0, 0, 0, 0)' ? ground(element.parentElement) : backgroundColor;
    };
    return [...document.querySelectorAll('input:not([type=hidden])')].map(input => {
        const edge = luminance(getComputedStyle(input).borderTopColor), around = luminance(ground(input.parentElement));
        return (Math.max(edge, around) + 0.05) / (Math.min(edge, around) + 0.05);
    });
})()";

#[tokio::test]
async fn edges_of_inputs_are_seen_by_day_and_by_night() -> anyhow::Result<()> {
    let (server, browser) = (Server::start(Login::Password).await?, Browser::start("visitor").await?);
    for (page, inputs) in [(&server.url, 2), (&server.password_url, 3)] {
        browser.open(page).await?;
        for look in [Look::WIDE, Look::WIDE.dark()] {
            browser.look(look).await?;
            let found = browser.evaluate(CONTRASTS).await?;
            let contrasts: Vec<_> = found.as_array().into_iter().flatten().filter_map(|one| one.as_f64()).collect();
            assert_eq!(contrasts.len(), inputs);
            assert!(contrasts.iter().all(|contrast| *contrast >= LEAST), "{page} {look:?}: {contrasts:?}");
        }
    }
    Ok(())
}
