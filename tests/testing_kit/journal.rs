//! The journal: what happened, in order, the same each time.

use std::time::Duration;

use futures::future::{join, join_all};
use tower_reauth::testing::Entry;

use super::*;

#[tokio::test(start_paused = true)]
async fn journal_tells_what_came_and_what_the_test_did_in_order() {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    world.issuer.revoke(&world.issuer.last_access_token());
    world.issuer.revoke_refresh_tokens();
    world.get("/orders?secret=1").await.unwrap();
    world.resource.break_at("/broken");
    world.get("/broken").await.unwrap_err();
    world.session.logout().await.unwrap();
    assert_eq!(
        lines(&world.issuer),
        [
            "password: token 1",
            "GET /orders, token 1: 200",
            "revoked: token 1",
            "revoked: all refresh tokens",
            "GET /orders, token 1: 401",
            "refresh token 1 redeemed: 400 invalid_grant",
            "password: token 2",
            "GET /orders, token 2: 200",
            "GET /broken, token 2: broken",
            "revocation of refresh token 2: 200",
            "revocation of token 2: 200",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn request_that_waits_is_in_the_journal_without_an_answer() {
    let issuer = Issuer::new();
    issuer.next(Answer::never());
    let ask = tokio::spawn(issuer.clone().oneshot(form_to(TOKEN_URI, "grant_type=password")));
    issuer.arrived(1).await;
    assert_eq!(issuer.journal()[0].answer, None);
    ask.abort();
    assert_eq!(lines(&issuer), ["password"]);
}

/// Crowds, delays, lost answers and a rotation.
async fn storm() -> (Vec<Entry>, Vec<Option<String>>) {
    let issuer = Issuer::new();
    let resource = Resource::new(&issuer);
    issuer.regime(Regime::Rotating);
    issuer.next(Answer::lost_tokens().after(Duration::from_secs(1)));
    issuer.always(Answer::tokens().expires_in(60).delivered_after(Duration::from_millis(250)));
    resource.delay("/slow", Duration::from_secs(2));
    issuer.clone().oneshot(form_to(TOKEN_URI, "grant_type=password")).await.unwrap_err();
    for _ in 0..5 {
        let first = log_in(&issuer, "alice").await;
        let second = refresh(&issuer, &first).await.unwrap();
        let calls =
            ["/orders", "/slow", "/bills"].into_iter().cycle().take(20).zip([&first, &second].into_iter().cycle());
        let calls = calls.map(|(path, pair)| resource.clone().oneshot(with_token(path, &pair.access)));
        let again = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            issuer.revoke(&first.access);
            refresh(&issuer, &first).await.unwrap_err();
        };
        join(join_all(calls), again).await;
        tokio::time::sleep(Duration::from_secs(40)).await;
    }
    (issuer.journal(), resource.tokens())
}

#[tokio::test(start_paused = true)]
async fn same_script_gives_the_same_journal_and_the_same_tokens() {
    let (journal, tokens) = storm().await;
    assert_eq!((journal.len(), tokens.len()), (121, 100));
    assert_eq!(journal[0].to_string(), "password: token 1, lost");
    assert_eq!(storm().await, (journal, tokens));
}

/// Invariant 9 holds for fakes, too: people script them with tokens of their own.
#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_has_a_token_a_password_or_a_query_in_it() {
    let world = World::new(Kind::Password);
    world.issuer.next(Answer::tokens().access_token("our-token").member("id_token", "our-id"));
    world.get("/orders?key=our-key").await.unwrap();
    world.session.logout().await.unwrap();
    let server = world.issuer.serve().await.unwrap();
    let told = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        world.issuer,
        world.resource,
        world.issuer.requests(),
        world.issuer.revocations(),
        world.resource.seen(),
        world.issuer.journal(),
        Answer::tokens().access_token("our-token"),
        world.issuer.guard(),
        server,
    );
    assert!(told.contains(r#"grant_type: "password""#), "{told}");
    for secret in ["our-token", "our-id", "our-key", PASSWORD, "refresh-", CLIENT_SECRET, "Basic "] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}
