//! Servers that ask for nonces.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::{ErrorKind, PasswordGrant, Session, Status};

use super::*;

#[tokio::test(start_paused = true)]
async fn nonce_is_answered_once_and_that_of_a_good_answer_is_sent_next_time() {
    for_every_bound(async |world| {
        // Another one with each proof.
        world.issuer.ask_for_nonces(1);
        let first = world.session.token().await.unwrap();
        assert_eq!(nonces(&world.issuer), [None, Some("nonce-2".into())]);
        advance(Duration::from_secs(60)).await;
        world.session.renew(first.generation()).await.unwrap();
        assert_eq!(nonces(&world.issuer)[2..], [Some("nonce-3".into())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn same_request_goes_out_again_with_the_nonce_whatever_the_status_that_asks() {
    for status in [400, 401] {
        for_every_bound(async |world| {
            world.issuer.next(Answer::error(status, "use_dpop_nonce").header("DPoP-Nonce", "n-1"));
            world.session.token().await.unwrap();
            let requests = world.issuer.requests();
            assert_eq!(requests.len(), 2);
            assert_eq!(requests[0].form, requests[1].form);
            assert_eq!(nonces(&world.issuer), [None, Some("n-1".into())]);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn nonces_count_as_no_sends_of_a_password() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    for number in 0..3 {
        issuer.next(ask(&format!("n-{number}")));
        issuer.next(Answer::status(500, ""));
    }
    let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
    let session = Session::builder(grant).dpop(new_key()).build();
    // Three sends within 15 minutes are the limit of a password that never worked.
    for seconds in [0, 11, 121] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(issuer.token_requests(), 6);
    assert_eq!(session.status(), Status::Idle);
    // And the pause after a nonce is none.
    advance(Duration::from_secs(1201)).await;
    session.token().await.unwrap();
}

/// Several machines behind one address, each with nonces of its own: they have looked at no password.
#[tokio::test(start_paused = true)]
async fn password_that_never_got_past_the_nonces_is_not_refused() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
    let session = Session::builder(grant).dpop(new_key()).build();
    for number in 0..12 {
        issuer.next(ask(&format!("a-{number}")));
        issuer.next(ask(&format!("b-{number}")));
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Dpop);
        assert_eq!((issuer.token_requests(), session.status()), (2 * (number + 1), Status::Idle));
        advance(Duration::from_secs(61)).await;
    }
    session.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_was_spent_in_asking_for_a_nonce_is_sent_once_more_then_the_password() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
    let session = Session::builder(grant).dpop(new_key()).build();
    let first = session.token().await.unwrap();
    advance(Duration::from_secs(60)).await;
    issuer.next(ask("n-1"));
    issuer.revoke_refresh_tokens();
    session.renew(first.generation()).await.unwrap();
    let requests = issuer.requests();
    let grants: Vec<_> = requests.iter().map(TokenRequest::grant_type).collect();
    assert_eq!(grants, ["password", "refresh_token", "refresh_token", "password"]);
    assert_eq!(requests[1].form, requests[2].form);
    assert_eq!(issuer.dead_refresh_tokens(), 1);
    assert_eq!(session.status(), Status::Active);
    // The new one is in force.
    let now = session.token().await.unwrap();
    advance(Duration::from_secs(60)).await;
    session.renew(now.generation()).await.unwrap();
    assert_eq!(issuer.last_request().grant_type(), "refresh_token");
}

#[tokio::test(start_paused = true)]
async fn lone_refresh_token_that_was_spent_in_asking_for_a_nonce_ends_the_login_by_the_rules_of_any_other() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    let grant = Kind::RefreshToken.grant(&issuer, USERNAME);
    let session = Session::builder(grant).dpop(new_key()).build();
    issuer.next(ask("n-1"));
    issuer.revoke_refresh_tokens();
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!((issuer.token_requests(), session.status()), (2, Status::Idle));
    // It makes sure, with the nonce that it has.
    advance(Duration::from_secs(3)).await;
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!((issuer.token_requests(), session.status()), (3, Status::Refused));
}

#[tokio::test(start_paused = true)]
async fn server_that_asks_again_and_again_is_in_trouble_and_ends_no_login() {
    for_every_bound(async |world| {
        world.issuer.next(ask("n-1"));
        world.issuer.next(ask("n-2"));
        let error = world.session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dpop, "{error}");
        assert_eq!(error.oauth_code(), Some("use_dpop_nonce"));
        assert_eq!(world.issuer.token_requests(), 2);
        advance(Duration::from_secs(15)).await;
        world.session.token().await.unwrap();
        assert_eq!(nonces(&world.issuer)[2..], [Some("n-2".into())]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn server_that_asks_for_a_nonce_and_gives_none_is_not_asked_twice() {
    for headers in [&[][..], &["two words"], &["quo\"te"]] {
        for_every_bound(async |world| {
            let mut answer = Answer::error(400, "use_dpop_nonce");
            for value in headers {
                answer = answer.header("dpop-nonce", value);
            }
            world.issuer.next(answer);
            let error = world.session.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Dpop, "{error}");
            assert!(error.to_string().contains("nonce"), "{error}");
            assert_eq!(world.issuer.token_requests(), 1);
            advance(Duration::from_secs(16 * 60)).await;
            world.session.token().await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn login_that_ends_while_the_server_asks_sends_nothing_more() {
    for_every_bound(async |world| {
        let gate = Gate::closed();
        world.issuer.next(ask("n-1").behind(&gate));
        let call = tokio::spawn({
            let session = world.session.clone();
            async move { session.token().await }
        });
        world.issuer.arrived(1).await;
        world.session.logout().await.unwrap();
        gate.open();
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        assert!(world.session.shutdown(Duration::from_secs(60)).await);
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn session_without_a_key_says_what_the_server_wants() {
    for_every_credential(async |world| {
        world.issuer.next(ask("n-1"));
        let error = world.session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("SessionBuilder::dpop"), "{error}");
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}
