//! What the server will not have: a wish, or the credentials.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::{ErrorKind, Status};

use super::world::*;
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn wish_that_is_refused_is_one_sessions_trouble() {
    for code in ["invalid_target", "invalid_scope"] {
        for house in [House::new(), House::with_password()] {
            let own = token(&house.session).await;
            let passwords = house.issuer.token_requests_of("password");
            let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
            house.issuer.next(Answer::error(400, code));
            let error = orders.token().await.unwrap_err();
            assert_eq!((error.kind(), error.oauth_code()), (ErrorKind::Misconfigured, Some(code)));
            // Nobody else pauses, the refresh token is as good as before, and no password was sent.
            token(&bills).await;
            assert_eq!(token(&house.session).await, own);
            assert_eq!(house.issuer.token_requests_of("password"), passwords);
            // It is asked for again after a minute, and not before.
            let requests = house.issuer.token_requests();
            advance(59 * SECOND).await;
            assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::Misconfigured);
            assert_eq!(house.issuer.token_requests(), requests);
            advance(2 * SECOND).await;
            token(&orders).await;
            assert_eq!(house.issuer.dead_refresh_tokens(), 0);
            assert_eq!([&orders, &bills, &house.session].map(|session| session.status()), [Status::Active; 3]);
        }
    }
}

/// Ten in a quarter of an hour would hold it back.
#[tokio::test(start_paused = true)]
async fn password_does_not_count_as_sent_where_only_the_wish_was_refused() {
    let house = House::with_password();
    house.issuer.always_to("password", Answer::tokens().without_refresh_token());
    token(&house.session).await;
    for number in 0..12 {
        house.issuer.next(Answer::error(400, "invalid_scope"));
        house.session.for_scope(format!("scope-{number}")).token().await.unwrap_err();
        advance(2 * SECOND).await;
    }
    let rejected = house.session.token().await.unwrap().generation();
    house.session.renew(rejected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn caller_of_the_logins_own_token_does_not_join_a_flight_for_a_wish() {
    for answer in [Answer::error(400, "invalid_target"), Answer::tokens()] {
        let house = House::new();
        let gate = Gate::closed();
        house.issuer.next(answer.delivered_behind(&gate));
        let orders = house.session.for_resource(ORDERS);
        let wish = tokio::spawn(async move { drop(orders.token().await) });
        house.issuer.arrived(1).await;
        let session = house.session.clone();
        let own = tokio::spawn(async move { token(&session).await });
        tokio::task::yield_now().await;
        gate.open();
        assert_eq!(house.issuer.resource_of(&own.await.unwrap()), None);
        wish.await.unwrap();
        assert_eq!((house.issuer.token_requests(), house.issuer.peak()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_is_refused_is_the_whole_familys_trouble() {
    let house = House::new();
    // It ends no access token.
    house.issuer.regime(Regime::Beside);
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    token(&bills).await;
    let mut told = bills.subscribe();
    house.issuer.revoke_refresh_tokens();
    assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(orders.status(), Status::Idle);
    // To make sure.
    advance(3 * SECOND).await;
    assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!([&orders, &bills, &house.session].map(|session| session.status()), [Status::Refused; 3]);
    assert_eq!(*told.borrow_and_update(), Status::Refused);
    let requests = house.issuer.token_requests();
    for _ in 0..10 {
        advance(60 * SECOND).await;
        assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::Refused);
    }
    assert_eq!(house.issuer.token_requests(), requests);
    // What the server still takes is used.
    assert_eq!(call_with(&bills, &house.apis, BILLS).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_is_refused_leads_to_the_password_for_the_wish_as_well() {
    let house = House::with_password();
    let own = token(&house.session).await;
    house.issuer.revoke_refresh_tokens();
    let orders = house.session.for_resource(ORDERS);
    assert_eq!(call_with(&orders, &house.apis, ORDERS).await.unwrap().status(), 200);
    assert_eq!(house.issuer.token_requests_of("password"), 2);
    assert_eq!(token(&house.session).await, own);
}

#[tokio::test(start_paused = true)]
async fn family_pauses_together_while_the_server_is_in_trouble() {
    let house = House::new();
    house.issuer.next(Answer::status(503, "").header("retry-after", "20"));
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    orders.token().await.unwrap_err();
    for session in [&orders, &bills, &house.session] {
        let error = session.token().await.unwrap_err();
        assert!(error.retry_after().is_some_and(|left| left <= 20 * SECOND), "{error}");
    }
    assert_eq!(house.issuer.token_requests(), 1);
    advance(20 * SECOND).await;
    for session in [&orders, &bills, &house.session] {
        token(session).await;
    }
    assert_eq!(house.issuer.dead_refresh_tokens(), 0);
}
