//! What the pages say and show.

use http::StatusCode;

use crate::{
    arguments::LoginKind::{Code, Password},
    browser::{Bff, Browser},
};

/// A browser that alice is logged in at, whichever way that goes.
async fn alice(bff: &Bff, code: bool) -> Browser {
    if !code {
        return bff.alice().await;
    }
    let mut browser = bff.browser();
    let page = browser.log_in("", "").await;
    let back = bff.consent(page.location()).await;
    assert_eq!(browser.get(&back).await.location(), "/");
    browser
}

#[tokio::test]
async fn page_counts_healed_calls_or_says_with_which_options_it_would() {
    for login in [Code, Password] {
        let bff = Bff::start(login).await;
        let page = alice(&bff, login == Code).await.get("/").await.text;
        assert_eq!(page.contains("<code>--login password</code>"), login == Code, "{page}");
        assert_eq!(page.contains(r#"id="healed""#), login == Password, "{page}");
    }
}

#[tokio::test]
async fn page_before_a_real_gateway_counts_and_does_not_advise() {
    let bff = Bff::with(Code, |target| target.story_needs = None).await;
    let page = alice(&bff, true).await.get("/").await.text;
    assert!(page.contains(r#"id="healed""#) && !page.contains("--login"), "{page}");
}

#[tokio::test]
async fn address_without_a_page_leads_back_and_plants_no_cookie() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.browser();
    for (path, status) in [("/nothing", StatusCode::NOT_FOUND), ("/logout", StatusCode::METHOD_NOT_ALLOWED)] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.contains("There is no page here") && page.text.contains(r#"href="/""#), "{}", page.text);
    }
    assert_eq!(browser.get("/logout").await.headers["allow"], "POST");
    assert!(browser.set.is_empty());
}

#[tokio::test]
async fn logout_is_good_an_ended_login_is_plain_and_only_an_error_alarms() {
    let bff = Bff::start(Password).await;
    let mut browser = bff.alice().await;
    browser.post("/logout", "").await;
    assert!(browser.get("/login").await.text.contains(r#"<p class="notice good" role="status">"#));
    let mut browser = bff.alice().await;
    bff.app.sessions.logout_all().await.unwrap();
    assert!(browser.get("/login").await.text.contains(r#"<p class="notice plain" role="status">"#));
    assert!(browser.log_in("alice", "wrong").await.text.contains(r#"<p class="notice bad" role="alert">"#));
}
