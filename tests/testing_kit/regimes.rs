//! What new tokens do to older ones.

use std::time::Duration;

use tokio::time::advance;

use super::*;

/// What is left of the first pair of a login.
#[derive(Debug, PartialEq)]
struct Left {
    same_again: bool,
    access: bool,
    refresh: bool,
}

const fn left(same_again: bool, access: bool, refresh: bool) -> Left {
    Left { same_again, access, refresh }
}

const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;

#[tokio::test(start_paused = true)]
async fn what_is_left_of_older_tokens_is_what_the_regime_says() {
    use Regime::{Beside, Fixed, NewKillsOld, Rotating, SameAgain, Unpersisted};
    for (regime, after_login, after_refresh) in [
        (NewKillsOld, left(false, false, true), left(false, false, false)),
        (SameAgain, left(true, true, true), left(false, false, false)),
        (Beside, left(false, true, true), left(false, false, false)),
        (Unpersisted, left(false, true, true), left(false, true, true)),
        (Rotating, left(false, true, true), left(false, true, false)),
        (Fixed, left(true, true, true), left(true, true, true)),
    ] {
        for (refreshes, expected) in [(false, after_login), (true, after_refresh)] {
            let issuer = Issuer::new();
            issuer.regime(regime);
            let first = log_in(&issuer, "alice").await;
            let other = log_in(&issuer, "bob").await;
            let next = if refreshes { refresh(&issuer, &first).await.unwrap() } else { log_in(&issuer, "alice").await };
            let found = Left {
                same_again: next == first,
                access: issuer.is_alive(&first.access),
                refresh: issuer.is_redeemable(&first.refresh),
            };
            assert_eq!(found, expected, "{regime:?}, by a refresh: {refreshes}");
            assert!(issuer.is_alive(&next.access) && issuer.is_redeemable(&next.refresh), "{regime:?}");
            assert!(issuer.is_alive(&other.access) && issuer.is_redeemable(&other.refresh), "{regime:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn revocation_that_names_no_token_ends_none() {
    let issuer = Issuer::new();
    let refresh_token = issuer.mint_refresh_token("alice");
    issuer.clone().oneshot(form_to(REVOCATION_URI, "token=")).await.unwrap();
    assert!(issuer.is_redeemable(&refresh_token));
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_comes_again_ends_its_login_and_no_other_where_they_rotate() {
    for regime in [Regime::Rotating, Regime::Beside] {
        let issuer = Issuer::new();
        issuer.regime(regime);
        let first = log_in(&issuer, "alice").await;
        let others = [log_in(&issuer, "bob").await, log_in(&issuer, "alice").await];
        let second = refresh(&issuer, &first).await.unwrap();
        assert_eq!(refresh(&issuer, &first).await.unwrap_err(), INVALID_GRANT);
        assert_eq!(issuer.dead_refresh_tokens(), 1);
        let survives = regime != Regime::Rotating;
        assert_eq!(issuer.is_alive(&second.access), survives, "{regime:?}");
        assert_eq!(refresh(&issuer, &second).await.is_ok(), survives, "{regime:?}");
        assert!(others.iter().all(|pair| issuer.is_alive(&pair.access) && issuer.is_redeemable(&pair.refresh)));
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_is_fixed_is_alive_again_when_it_is_asked_for() {
    let issuer = Issuer::new();
    issuer.regime(Regime::Fixed);
    let pair = log_in(&issuer, "alice").await;
    issuer.revoke(&pair.access);
    assert!(!issuer.is_alive(&pair.access));
    assert_eq!(refresh(&issuer, &pair).await.unwrap(), pair);
    assert!(issuer.is_alive(&pair.access));

    // One that the owner got elsewhere stays the same as well.
    let minted = issuer.mint_refresh_token("bob");
    for _ in 0..2 {
        let form = format!("grant_type=refresh_token&refresh_token={minted}");
        assert_eq!(ask(&issuer, &form).await.unwrap().refresh, minted);
    }
}

#[tokio::test(start_paused = true)]
async fn revocation_of_one_token_ends_its_pair_unless_tokens_are_not_persisted() {
    for regime in [Regime::NewKillsOld, Regime::Beside, Regime::Unpersisted] {
        for access in [true, false] {
            let issuer = Issuer::new();
            issuer.regime(regime);
            let pair = log_in(&issuer, "alice").await;
            revoke(&issuer, if access { &pair.access } else { &pair.refresh }).await;
            let found = (issuer.is_alive(&pair.access), issuer.is_redeemable(&pair.refresh));
            let expected = if regime == Regime::Unpersisted { (!access, access) } else { (false, false) };
            assert_eq!(found, expected, "{regime:?}, by the access token: {access}");
            assert_eq!(issuer.revocations().len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_lives_as_long_as_its_answer_says_by_tokios_clock() {
    let issuer = Issuer::new();
    issuer.regime(Regime::SameAgain);
    issuer.next(Answer::tokens().expires_in(60));
    let pair = log_in(&issuer, "alice").await;
    advance(Duration::from_secs(59)).await;
    assert!(issuer.is_alive(&pair.access));
    assert_eq!(log_in(&issuer, "alice").await, pair);
    advance(Duration::from_secs(1)).await;
    assert!(!issuer.is_alive(&pair.access));
    assert_ne!(log_in(&issuer, "alice").await, pair);
}

#[tokio::test(start_paused = true)]
async fn lifetime_past_the_end_of_the_clock_is_for_ever() {
    let issuer = Issuer::new();
    issuer.next(Answer::tokens().expires_in(u64::MAX));
    let pair = log_in(&issuer, "alice").await;
    assert!(issuer.is_alive(&pair.access));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_grant_has_the_owner_that_it_names() {
    let issuer = Issuer::new();
    let subject = Issuer::subject_token("alice");
    let minted = issuer.mint_refresh_token("alice");
    for form in [
        "grant_type=password&username=alice".to_owned(),
        "grant_type=client_credentials&scope=alice".to_owned(),
        format!("grant_type=refresh_token&refresh_token={minted}"),
        format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={subject}"),
        format!("grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={subject}"),
        "grant_type=urn:example:own&owner=alice".to_owned(),
    ] {
        let pair = ask(&issuer, &form).await.unwrap();
        assert_eq!(issuer.owner_of(&pair.access).as_deref(), Some("alice"), "{form}");
    }
}
