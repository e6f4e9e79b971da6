//! Which token a derived session gets, and what that costs.

use std::time::Duration;

use futures::future::join_all;
use http::Response;
use http_body_util::Full;
use tokio::time::advance;
use tower_reauth::{ClientCredentialsGrant, Session, TokenSet, grant_fn};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn each_api_gets_a_token_of_its_own_from_one_refresh_token() {
    let house = House::new();
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    for _ in 0..3 {
        assert_eq!(call_with(&orders, &house.apis, ORDERS).await.unwrap().status(), 200);
        assert_eq!(call_with(&bills, &house.apis, BILLS).await.unwrap().status(), 200);
    }
    assert_eq!(house.issuer.token_requests_of("refresh_token"), 2);
    assert_eq!(house.issuer.dead_refresh_tokens(), 0);
    assert_eq!(house.apis.count_of(401), 0);
    // The login's own token is another one, and the refresh token is the one that the others have left.
    let own = token(&house.session).await;
    assert_eq!(house.issuer.resource_of(&own), None);
    assert_eq!((house.issuer.token_requests(), house.issuer.dead_refresh_tokens()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn wish_is_sent_with_the_refresh_and_nothing_without_one() {
    let house = House::new();
    token(&house.session.for_resource(ORDERS).for_scope("read")).await;
    let request = house.issuer.last_request();
    assert_eq!((request.parameter("resource"), request.parameter("scope")), (Some(ORDERS), Some("read")));
    token(&house.session).await;
    let request = house.issuer.last_request();
    assert_eq!((request.parameter("resource"), request.parameter("scope")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn wish_wins_over_what_grant_and_endpoint_say_and_is_sent_once() {
    let issuer = Issuer::new();
    let endpoint = issuer.endpoint().parameter("resource", "https://default.example").parameter("tenant", "t");
    let session = Session::new(ClientCredentialsGrant::new(endpoint).scope("all"));
    token(&session.for_resource(ORDERS).for_scope("read")).await;
    let form = issuer.last_request().form;
    let values = |name: &str| -> Vec<String> {
        form.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(values("resource"), [ORDERS]);
    assert_eq!(values("scope"), ["read"]);
    assert_eq!(values("tenant"), ["t"]);
    // Without a refresh token there is one request, and it is for the wish.
    assert_eq!(issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn closure_is_told_the_wish() {
    let session = Session::new(grant_fn(|context| async move {
        TokenSet::new(format!("{}+{}", context.resource().unwrap_or("-"), context.scope().unwrap_or("-")))
    }));
    assert_eq!(token(&session).await, "-+-");
    assert_eq!(token(&session.for_scope("read")).await, "-+read");
    assert_eq!(token(&session.for_scope("read").for_resource(ORDERS)).await, format!("{ORDERS}+read"));
    assert_eq!(token(&session.for_resource(BILLS).for_resource(ORDERS)).await, format!("{ORDERS}+-"));
}

#[tokio::test(start_paused = true)]
async fn the_same_wish_gives_the_same_session() {
    let house = House::new();
    let first = house.session.for_resource(ORDERS).for_scope("read");
    let second = house.session.for_scope("read").for_resource(ORDERS);
    assert_eq!(token(&first).await, token(&second).await);
    assert_eq!(house.issuer.token_requests(), 1);
    assert_eq!(first.token().await.unwrap().generation(), second.token().await.unwrap().generation());
}

#[tokio::test(start_paused = true)]
async fn session_that_is_derived_anew_has_the_token_that_the_last_one_left() {
    let house = House::new();
    let first = token(&house.session.for_resource(ORDERS)).await;
    assert_eq!(token(&house.session.for_resource(ORDERS)).await, first);
    assert_eq!(house.issuer.token_requests(), 1);
    // But not when it has expired.
    advance(Duration::from_secs(3600)).await;
    assert_ne!(token(&house.session.for_resource(ORDERS)).await, first);
    assert_eq!(house.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejection_renews_the_token_of_one_api_and_of_no_other() {
    let house = House::new();
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    let (own, old, other) = (token(&house.session).await, token(&orders).await, token(&bills).await);
    house.issuer.revoke(&old);
    let calls = join_all((0..20).map(|_| call_with(&orders, &house.apis, ORDERS))).await;
    assert!(calls.into_iter().all(|response| response.unwrap().status() == 200));
    assert_ne!(token(&orders).await, old);
    assert_eq!((token(&house.session).await, token(&bills).await), (own, other));
    assert_eq!((house.issuer.token_requests(), house.issuer.dead_refresh_tokens()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn one_token_request_of_the_whole_family_is_under_way_at_a_time() {
    let house = House::new();
    house.issuer.always(Answer::tokens().delivered_after(Duration::from_secs(1)));
    let wishes = (0..8).map(|number| house.session.for_scope(format!("scope-{number}")));
    let all: Vec<_> = wishes.chain([house.session.clone()]).collect();
    let tokens = join_all(all.iter().map(token)).await;
    for (number, token) in tokens.iter().take(8).enumerate() {
        assert_eq!(house.issuer.scope_of(token), Some(format!("scope-{number}")));
    }
    assert_eq!(house.issuer.scope_of(&tokens[8]), None);
    assert_eq!((house.issuer.token_requests(), house.issuer.peak()), (9, 1));
    assert_eq!(house.issuer.dead_refresh_tokens(), 0);
}

/// A refresh token that is asked for with a scope may be good for that scope alone.
#[tokio::test(start_paused = true)]
async fn password_gets_the_refresh_token_of_the_whole_login_first() {
    let house = House::with_password();
    let read = house.session.for_scope("read");
    token(&read).await;
    let requests = house.issuer.requests();
    let sent: Vec<_> = requests.iter().map(|request| (request.grant_type(), request.parameter("scope"))).collect();
    assert_eq!(sent, [("password", Some("all")), ("refresh_token", Some("read"))]);
    token(&house.session).await;
    assert_eq!(house.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn grant_that_brings_no_refresh_token_is_asked_for_the_wish_alone_from_then_on() {
    let house = House::with_password();
    house.issuer.always_to("password", Answer::tokens().without_refresh_token());
    for requests in [2, 3, 4] {
        token(&house.session.for_scope("read")).await;
        assert_eq!(house.issuer.token_requests_of("password"), requests);
        assert_eq!(house.issuer.last_request().parameter("scope"), Some("read"));
        advance(Duration::from_secs(3600)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_came_with_a_wish_is_not_the_logins() {
    let house = House::with_password();
    house.issuer.always_to("password", Answer::tokens().without_refresh_token());
    token(&house.session).await;
    house.issuer.always_to("password", Answer::tokens().with_refresh_token());
    token(&house.session.for_scope("read")).await;
    let narrow = house.issuer.last_refresh_token();
    advance(Duration::from_secs(3600)).await;
    token(&house.session).await;
    assert_eq!(house.issuer.token_requests_of("refresh_token"), 0);
    assert!(house.issuer.is_redeemable(&narrow));
}

#[tokio::test(start_paused = true)]
async fn claims_of_a_challenge_reach_the_token_request_with_the_wish() {
    let house = House::new();
    let orders = house.session.for_resource(ORDERS);
    token(&orders).await;
    house.issuer.revoke_all();
    house.apis.reject_with(|| {
        let challenge = r#"Bearer error="insufficient_claims", claims="eyJhIjoxfQ""#;
        Response::builder().status(401).header("www-authenticate", challenge).body(Full::default()).unwrap()
    });
    assert_eq!(call_with(&orders, &house.apis, ORDERS).await.unwrap().status(), 200);
    let request = house.issuer.last_request();
    assert_eq!((request.parameter("claims"), request.parameter("resource")), (Some(r#"{"a":1}"#), Some(ORDERS)));
    assert_eq!(house.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn capabilities_of_the_client_are_told_once_and_are_no_claims_that_a_token_has_to_meet() {
    let issuer = Issuer::new();
    let grant = ClientCredentialsGrant::new(issuer.endpoint());
    let session = Session::builder(grant).client_capabilities(["cp1"]).build();
    let first = token(&session.for_resource(ORDERS)).await;
    assert_eq!(issuer.last_request().parameter("claims"), Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#));
    assert_eq!(token(&session.for_resource(ORDERS)).await, first);
    assert_eq!(issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn token_is_renewed_ahead_where_the_logins_own_is_and_calls_go_on() {
    for (house, ahead) in [(House::new(), 1), (House::with_password(), 0)] {
        let orders = house.session.for_resource(ORDERS);
        let first = token(&orders).await;
        let requests = house.issuer.token_requests();
        advance(Duration::from_secs(3000)).await;
        assert_eq!(token(&orders).await, first);
        assert!(house.session.shutdown(Duration::from_secs(10)).await);
        assert_eq!(house.issuer.token_requests(), requests + ahead);
        assert_eq!(token(&orders).await == first, ahead == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn child_keeps_the_login_of_a_parent_that_was_dropped() {
    let House { issuer, apis, session } = House::new();
    let orders = session.for_resource(ORDERS);
    drop(session);
    for _ in 0..2 {
        assert_eq!(call_with(&orders, &apis, ORDERS).await.unwrap().status(), 200);
        issuer.revoke_all();
    }
    assert_eq!(call_with(&orders, &apis, ORDERS).await.unwrap().status(), 200);
    assert_eq!((issuer.token_requests(), issuer.dead_refresh_tokens()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn token_of_a_flight_that_nobody_waits_for_any_more_is_there_for_the_next_call() {
    let house = House::new();
    let gate = Gate::closed();
    house.issuer.next(Answer::tokens().delivered_behind(&gate));
    let orders = house.session.for_resource(ORDERS);
    let caller = tokio::spawn({
        let orders = orders.clone();
        async move { orders.token().await.map(|_| ()) }
    });
    house.issuer.arrived(1).await;
    caller.abort();
    // Nobody holds the derived session any more.
    drop(orders);
    gate.open();
    assert!(house.session.shutdown(Duration::from_secs(10)).await);
    token(&house.session.for_resource(ORDERS)).await;
    assert_eq!((house.issuer.token_requests(), house.issuer.dead_refresh_tokens()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn grant_that_asks_a_derived_session_of_its_own_is_told_so() {
    let session = Session::logged_out();
    let asked = session.for_resource(ORDERS);
    session.login(grant_fn(move |_| {
        let asked = asked.clone();
        async move { asked.token().await.map(|token| token.token_set().clone()) }
    }));
    assert_eq!(session.token().await.unwrap_err().kind(), tower_reauth::ErrorKind::SelfAuthorization);
}
