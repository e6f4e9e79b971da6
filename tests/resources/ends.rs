//! One login: how it ends and begins for all sessions that share it.

use std::time::Duration;

use tower_reauth::{ClientCredentialsGrant, ErrorKind, RefreshTokenGrant, Session, Status};

use super::world::*;
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

async fn with_tokens(house: &House) -> [Session; 3] {
    let all = [house.session.clone(), house.session.for_resource(ORDERS), house.session.for_resource(BILLS)];
    for session in &all {
        token(session).await;
    }
    all
}

#[tokio::test(start_paused = true)]
async fn logout_of_any_ends_all_before_it_returns_and_revokes_what_each_has() {
    for by in 0..3 {
        let house = House::new();
        let all = with_tokens(&house).await;
        let logout = all[by].logout();
        for session in &all {
            assert_eq!(session.status(), Status::LoggedOut);
            assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoggedOut);
            assert_eq!(call_with(session, &house.apis, ORDERS).await.unwrap_err().kind(), ErrorKind::LoggedOut);
        }
        assert_eq!(house.apis.count(), 0);
        logout.await.unwrap();
        let revoked: Vec<_> = house.issuer.revocations().iter().map(|sent| sent.form[0].1.clone()).collect();
        let mut tokens = house.issuer.access_tokens();
        tokens.push(house.issuer.last_refresh_token());
        assert_eq!(revoked.len(), 4);
        assert!(tokens.iter().all(|token| revoked.contains(token)), "{tokens:?} {revoked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn logout_revokes_the_token_of_a_derived_session_that_has_gone() {
    let house = House::new();
    let left = token(&house.session.for_resource(ORDERS)).await;
    house.session.logout().await.unwrap();
    assert!(!house.issuer.is_alive(&left));
}

#[tokio::test(start_paused = true)]
async fn forget_of_any_ends_all_and_revokes_nothing() {
    for by in 0..3 {
        let house = House::new();
        let all = with_tokens(&house).await;
        all[by].forget();
        assert_eq!([0, 1, 2].map(|one| all[one].status()), [Status::LoggedOut; 3]);
        assert!(house.session.shutdown(SECOND).await);
        assert_eq!(house.issuer.revocations().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_a_flight_still_brings_a_derived_session_is_revoked_after_the_logout() {
    let house = House::new();
    let orders = house.session.for_resource(ORDERS);
    let gate = Gate::closed();
    house.issuer.next(Answer::tokens().delivered_behind(&gate));
    let call = tokio::spawn({
        let (orders, apis) = (orders.clone(), house.apis.clone());
        async move { call_with(&orders, &apis, ORDERS).await.map(|_| ()) }
    });
    house.issuer.arrived(1).await;
    house.session.logout().await.unwrap();
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
    gate.open();
    assert!(orders.shutdown(10 * SECOND).await);
    assert!(!house.issuer.is_alive(&house.issuer.last_access_token()));
    assert!(!house.issuer.is_redeemable(&house.issuer.last_refresh_token()));
    assert_eq!(house.apis.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn login_on_any_begins_anew_for_all_with_nothing_of_the_older_one() {
    for by in 0..3 {
        let house = House::new();
        let all = with_tokens(&house).await;
        let older = house.issuer.access_tokens();
        all[by].login(RefreshTokenGrant::new(house.issuer.endpoint(), house.issuer.mint_refresh_token("bob")));
        assert_eq!([0, 1, 2].map(|one| all[one].status()), [Status::Idle; 3]);
        for session in &all {
            let token = token(session).await;
            assert!(!older.contains(&token));
            assert_eq!(house.issuer.owner_of(&token).as_deref(), Some("bob"));
        }
        assert_eq!(house.issuer.dead_refresh_tokens(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn flight_of_an_older_login_brings_a_derived_session_nothing() {
    let house = House::new();
    let orders = house.session.for_resource(ORDERS);
    let gate = Gate::closed();
    house.issuer.next(Answer::tokens().delivered_behind(&gate));
    let waiting = tokio::spawn({
        let orders = orders.clone();
        async move { orders.token().await.map(|_| ()) }
    });
    house.issuer.arrived(1).await;
    house.session.login(RefreshTokenGrant::new(house.issuer.endpoint(), house.issuer.mint_refresh_token("bob")));
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
    gate.open();
    assert!(house.session.shutdown(10 * SECOND).await);
    assert_eq!(house.issuer.owner_of(&token(&orders).await).as_deref(), Some("bob"));
}

/// A server that gives out the same token again while it lives.
#[tokio::test(start_paused = true)]
async fn late_token_that_a_derived_session_of_the_next_login_holds_is_not_revoked() {
    let issuer = Issuer::new();
    issuer.regime(Regime::SameAgain);
    let grant = || ClientCredentialsGrant::new(issuer.endpoint());
    let session = Session::new(grant());
    let orders = session.for_resource(ORDERS);
    let gate = Gate::closed();
    issuer.next(Answer::tokens().delivered_behind(&gate));
    let waiting = tokio::spawn({
        let orders = orders.clone();
        async move { orders.token().await.map(|_| ()) }
    });
    issuer.arrived(1).await;
    session.logout().await.unwrap();
    session.login(grant());
    let next = token(&orders).await;
    gate.open();
    assert!(session.shutdown(10 * SECOND).await);
    waiting.await.unwrap().unwrap_err();
    assert!(issuer.is_alive(&next));
    assert_eq!(issuer.revocations().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn session_that_is_derived_before_the_login_has_it_afterwards() {
    let issuer = Issuer::new();
    let session = Session::logged_out();
    let orders = session.for_resource(ORDERS);
    let mut told = orders.subscribe();
    assert_eq!(*told.borrow_and_update(), Status::LoggedOut);
    session.login(RefreshTokenGrant::new(issuer.endpoint(), issuer.mint_refresh_token(USERNAME)));
    assert_eq!(*told.borrow_and_update(), Status::Idle);
    assert_eq!(issuer.resource_of(&token(&orders).await).as_deref(), Some(ORDERS));
    assert_eq!(*told.borrow_and_update(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_any_waits_for_what_is_under_way_for_another() {
    let house = House::new();
    let gate = Gate::closed();
    house.issuer.next(Answer::tokens().delivered_behind(&gate));
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    let caller = tokio::spawn({
        let orders = orders.clone();
        async move { orders.token().await.map(|_| ()) }
    });
    house.issuer.arrived(1).await;
    assert!(!bills.shutdown(SECOND).await);
    gate.open();
    assert!(bills.shutdown(SECOND).await);
    caller.await.unwrap().unwrap();
}
