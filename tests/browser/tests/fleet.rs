//! Two instances behind nginx, which binds nobody to one of them.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinHandle;
use tower_reauth_browser::{Answer, Browser, Fleet, Login, Server, Visitor};

const PASSWORD: &str = "wonderland";
/// Between two looks at something that is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// It ends a test that would fail.
const PATIENCE: Duration = Duration::from_secs(60);
/// Enough for nginx to come to each instance, in turn or after a fault.
const SOME: usize = 6;

/// Places an order, and sees it placed.
async fn orders(browser: &Browser) -> anyhow::Result<()> {
    browser.click("[data-do=order]").await?;
    browser.until("!document.querySelector('[aria-busy=true]')").await?;
    assert_eq!(browser.text("#said").await?, "Two pears are ordered.");
    Ok(())
}

/// Nothing was asked of the user.
async fn is_undisturbed(browser: &Browser) -> anyhow::Result<()> {
    assert_eq!(browser.path().await?, "/");
    assert_eq!(browser.evaluate("document.querySelectorAll('dialog[open], .end.failed').length").await?, 0);
    Ok(())
}

/// What became of a login after its logout: nobody can use any of it.
async fn is_over(fleet: &Fleet, cookie: &str, token: &str) -> anyhow::Result<()> {
    for number in [0, 1] {
        let mut thief = Visitor::new()?;
        thief.cookie = Some(cookie.to_owned());
        let url = fleet.instance(number);
        assert_eq!(thief.get(&format!("{url}/api/orders")).await?.status, StatusCode::UNAUTHORIZED);
        assert_eq!(thief.get(&url).await?.location, "/login");
    }
    let call = reqwest::Client::new().get(format!("{}/orders", fleet.gateway)).bearer_auth(token);
    assert_eq!(call.send().await?.status(), StatusCode::UNAUTHORIZED);
    // A cookie session may be there for the words that the next page says; it ends with them.
    for key in fleet.redis(&["keys", "*"]).await? {
        let left: i64 = fleet.redis(&["ttl", &key]).await?.concat().parse()?;
        if key.starts_with("orchard:cookie:") {
            assert!((0..=600).contains(&left), "{key} lives for {left} s");
        } else {
            let mark = fleet.redis(&["hget", &key, "m"]).await?;
            // What an instance saves at its start, to see whether it may, is gone a second later.
            let is_gone = fleet.redis(&["exists", &key]).await? == ["0"] || (0..=1).contains(&left);
            assert!(is_gone || mark == ["1"], "{key} is no mark");
        }
    }
    Ok(())
}

fn sum(served: [usize; 2]) -> usize {
    served.iter().sum()
}

/// The instance that answered the login.
fn where_it_began(fleet: &Fleet) -> anyhow::Result<usize> {
    let began = fleet.served("POST /login")?;
    assert_eq!(sum(began), 1);
    Ok(if began[0] == 1 { 0 } else { 1 })
}

/// Logs in by a code: with everything that a browser would send, each time to the next instance.
async fn log_in_by_code(fleet: &Fleet, visitor: &mut Visitor) -> anyhow::Result<()> {
    let page = visitor.post(&format!("{}/login", fleet.url), "").await?;
    let (authorize, query) = page.location.split_once('?').expect("it leads to the gateway");
    let consent = format!("{query}&decision=allow&username=alice&password={PASSWORD}");
    let back = Visitor::new()?.post(authorize, &consent).await?;
    assert_eq!(visitor.get(&back.location).await?.location, "/");
    Ok(())
}

#[tokio::test]
async fn browser_works_through_both_instances_and_loses_nothing_when_one_is_killed() -> anyhow::Result<()> {
    let (mut fleet, browser) = (Fleet::start(Login::Password).await?, Browser::start("fleet").await?);
    browser.log_in_at_one_of(&fleet, PASSWORD).await?;
    let cookie = browser.cookie().await?.value().to_owned();
    for _ in 0..SOME {
        orders(&browser).await?;
    }
    let both = fleet.served("/api/orders")?;
    assert!(both.iter().all(|served| *served > 0), "{both:?}");
    browser.until("document.querySelector('#live').dataset.state === 'on'").await?;
    browser.pictures("9-one-of-two").await?;

    // The one that has the password.
    let gone = where_it_began(&fleet)?;
    fleet.kill(gone).await?;
    for _ in 0..SOME {
        orders(&browser).await?;
        is_undisturbed(&browser).await?;
    }
    assert_eq!(fleet.served("/api/orders")?[gone], both[gone]);
    // The story goes on, too.
    browser.until("document.querySelector('#live').dataset.state === 'on'").await?;
    browser.open(&fleet.url).await?;
    browser.sees("#timeline").await?;

    fleet.start_instance(gone).await?;
    let is_back = async {
        while fleet.served("/api/orders")?[gone] == both[gone] {
            orders(&browser).await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, is_back).await??;
    is_undisturbed(&browser).await?;
    assert_eq!(browser.cookie().await?.value(), cookie);
    assert_eq!(fleet.got("POST /oauth2/token")?, 1, "one login, and one token for all that");

    let token = fleet.token()?;
    browser.click("form[action='/logout'] button").await?;
    browser.sees(".notice.good").await?;
    is_over(&fleet, &cookie, &token).await
}

#[tokio::test]
async fn no_call_fails_while_an_instance_is_killed() -> anyhow::Result<()> {
    for login in [Login::Password, Login::Code] {
        let (mut fleet, mut visitor) = (Fleet::start(login).await?, Visitor::new()?);
        match login {
            Login::Password => assert_eq!(visitor.log_in(&fleet.url).await?.location, "/"),
            Login::Code => log_in_by_code(&fleet, &mut visitor).await?,
        }
        let url = format!("{}/api/orders", fleet.url);
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (mut visitor, url) = (visitor.clone(), url.clone());
                tokio::spawn(async move {
                    for _ in 0..100 {
                        let answer = visitor.get(&url).await?;
                        anyhow::ensure!(answer.status == StatusCode::OK, "{answer:?}");
                    }
                    Ok(())
                })
            })
            .collect();
        // Not before they are at it. If they fail, they say why.
        while !callers.iter().all(JoinHandle::is_finished) && sum(fleet.served("/api/orders")?) < 100 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        fleet.kill(0).await?;
        for caller in callers {
            caller.await??;
        }
        // nginx writes the line of a call after its answer.
        let all_told = async {
            while sum(fleet.served("/api/orders")?) < 800 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, all_told).await??;
        let served = fleet.served("/api/orders")?;
        assert!(served.iter().all(|served| *served > 0), "{served:?}");
        assert_eq!(sum(served), 800);
    }
    Ok(())
}

#[tokio::test]
async fn logout_at_one_instance_ends_the_login_and_its_open_page_at_the_other() -> anyhow::Result<()> {
    let (fleet, mut visitor) = (Fleet::start(Login::Code).await?, Visitor::new()?);
    log_in_by_code(&fleet, &mut visitor).await?;
    let [one, other] = [0, 1].map(|number| fleet.instance(number));
    for url in [&one, &other] {
        assert_eq!(visitor.get(&format!("{url}/api/orders")).await?.status, StatusCode::OK);
    }
    let (token, cookie) = (fleet.token()?, visitor.cookie.clone().unwrap_or_default());
    let stream = visitor.open(&format!("{other}/events")).await?;
    assert_eq!(visitor.post(&format!("{one}/logout"), "").await?.location, "/login");
    let heard = tokio::time::timeout(PATIENCE, stream.text()).await??;
    assert!(heard.ends_with("event: ended\ndata: log in again\n\n"), "{heard}");
    is_over(&fleet, &cookie, &token).await
}

/// What becomes of a call. While a refusal is not final, the server asks for another attempt.
async fn settles(visitor: &mut Visitor, url: &str) -> anyhow::Result<Answer> {
    let attempts = async {
        loop {
            let answer = visitor.get(url).await?;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return anyhow::Ok(answer);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, attempts).await?
}

/// The gateway has one token for each user, so the second device ends the first one's, refresh token and all. What is left is the
/// password, which is where the first one logged in.
#[tokio::test]
async fn dead_token_is_renewed_by_the_instance_that_has_the_password_for_as_long_as_it_lives() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Login::Password).await?;
    let (mut desktop, mut tablet) = (Visitor::new()?, Visitor::new()?);
    let [one, other] = [0, 1].map(|number| fleet.instance(number));
    let orders = format!("{other}/api/orders");
    assert_eq!(desktop.log_in(&one).await?.location, "/");
    for _ in 0..2 {
        tablet.log_in(&other).await?;
        assert_eq!(settles(&mut desktop, &orders).await?.status, StatusCode::OK);
    }
    fleet.kill(0).await?;
    assert_eq!(desktop.get(&orders).await?.status, StatusCode::OK, "its token is alive");
    tablet.log_in(&other).await?;
    let answer = settles(&mut desktop, &orders).await?;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::UNAUTHORIZED, r#"{"error":"login_required"}"#));
    Ok(())
}

#[tokio::test]
async fn whoever_reads_redis_can_use_nothing_of_it() -> anyhow::Result<()> {
    let (fleet, mut visitor, mut beginner) = (Fleet::start(Login::Code).await?, Visitor::new()?, Visitor::new()?);
    log_in_by_code(&fleet, &mut visitor).await?;
    assert_eq!(visitor.get(&format!("{}/api/orders", fleet.url)).await?.status, StatusCode::OK);
    // A login that has only begun.
    let begun = beginner.post(&format!("{}/login", fleet.url), "").await?;
    let (_, state) = begun.location.split_once("&state=").expect("it has a state");
    let (state, _) = state.split_once('&').expect("more follows");
    assert_eq!(fleet.redis(&["keys", "orchard:cookie:*"]).await?.len(), 2);

    let dump = String::from_utf8_lossy(&fleet.dump().await?).into_owned();
    assert!(dump.contains("orchard:cookie:") && dump.contains("orchard:tokens:"), "it is not the right file");
    let cookies = [&visitor, &beginner].map(|visitor| visitor.cookie.clone().unwrap_or_default());
    let token = fleet.token()?;
    for secret in [&cookies[0], &cookies[1], &token, state, "alice", "verifier", "access_token"] {
        assert!(!secret.is_empty() && !dump.contains(secret), "{secret} lies in Redis");
    }
    Ok(())
}

#[tokio::test]
async fn redis_that_does_not_answer_for_a_while_costs_nobody_the_login() -> anyhow::Result<()> {
    let (fleet, mut visitor) = (Fleet::start(Login::Code).await?, Visitor::new()?);
    log_in_by_code(&fleet, &mut visitor).await?;
    let cookie = visitor.cookie.clone();
    fleet.stop_redis(true).await?;
    for number in [0, 1] {
        let answer = visitor.get(&format!("{}/api/orders", fleet.instance(number))).await?;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    }
    fleet.stop_redis(false).await?;
    for number in [0, 1] {
        let answer = settles(&mut visitor, &format!("{}/api/orders", fleet.instance(number))).await?;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(visitor.cookie, cookie);
    Ok(())
}

#[tokio::test]
async fn key_that_is_missing_and_a_password_that_everybody_could_see_are_told() -> anyhow::Result<()> {
    let key = "l1dHV0Zb3TEbm1nHVyRhSHVPVJgTjCHxhgN9Qe2zGQk=";
    for (url, key, says) in [
        ("redis://127.0.0.1:1", None, "REAUTH_BFF_KEY must hold the key of all instances"),
        ("redis://127.0.0.1:1", Some("c2hvcnQ="), "REAUTH_BFF_KEY must hold the key of all instances"),
        ("redis://:hunter2@127.0.0.1:1", Some(key), "REAUTH_BFF_REDIS"),
        ("127.0.0.1", Some(key), "--redis"),
        ("redis://127.0.0.1:1", Some(key), "Redis"),
    ] {
        let mut command = Server::program()?;
        command.args(["--listen", "127.0.0.1:0", "--redis", url]).env_remove("REAUTH_BFF_KEY").kill_on_drop(true);
        if let Some(key) = key {
            command.env("REAUTH_BFF_KEY", key);
        }
        let ended = tokio::time::timeout(PATIENCE, command.output()).await??;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(says), "{url}: {said}");
        for secret in ["hunter2", key.unwrap_or("c2hvcnQ=")] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    Ok(())
}
