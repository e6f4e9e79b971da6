//! Claims: what a challenge asks for reaches every grant (case 52), together with what the client can do.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::Response;
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{Grant, GrantContext, Origins, PasswordGrant, ReauthLayer, Session, Sessions, TokenSet, grant_fn};

/// `{"access_token":{"nbf":{"essential":true, "value":"1604106651"}}}`, as Entra ID sends it.
const CHALLENGE: &str = "Bearer realm=\"\", error=\"insufficient_claims\", \
    claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwgInZhbHVlIjoiMTYwNDEwNjY1MSJ9fX0=\"";
const ASKED: &str = r#"{"access_token":{"nbf":{"essential":true, "value":"1604106651"}}}"#;
const CAPABLE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
const BOTH: &str = r#"{"access_token":{"nbf":{"essential":true, "value":"1604106651"},"xms_cc":{"values":["cp1"]}}}"#;

fn challenge() -> Response<Full<Bytes>> {
    Response::builder().status(401).header("www-authenticate", CHALLENGE).body(Full::default()).unwrap()
}

/// The claims of all token requests, oldest first.
fn claims(issuer: &Issuer) -> Vec<Option<String>> {
    issuer.requests().iter().map(|request| request.parameter("claims").map(str::to_owned)).collect()
}

fn capable(world: &World) -> World {
    world.with_session(Session::builder(world.grant()).client_capabilities(["cp1"]).build())
}

#[tokio::test(start_paused = true)]
async fn claims_of_a_challenge_reach_every_grant_and_are_asked_for_once() {
    for_every_credential(async |world| {
        world.resource.reject_with(challenge);
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        advance(Duration::from_secs(2 * 3600)).await;
        world.get("/orders").await.unwrap();
        assert_eq!(claims(&world.issuer), [None, Some(ASKED.to_owned()), None]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn insufficient_claims_without_claims_renews_as_any_unknown_error() {
    for_every_credential(async |world| {
        world.resource.reject_with(|| {
            let response =
                Response::builder().status(401).header("www-authenticate", "Bearer error=insufficient_claims");
            response.body(Full::default()).unwrap()
        });
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(claims(&world.issuer), [None, None]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn capabilities_go_with_every_token_request_and_with_the_claims_of_a_challenge() {
    for_every_credential(async |world| {
        let world = capable(&world);
        world.issuer.always(Answer::tokens().with_refresh_token());
        world.resource.reject_with(challenge);
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        advance(Duration::from_secs(2 * 3600)).await;
        world.get("/orders").await.unwrap();
        assert_eq!(claims(&world.issuer), [CAPABLE, BOTH, CAPABLE].map(|claims| Some(claims.to_owned())));
        if world.kind != Kind::Custom {
            assert_eq!(world.issuer.last_request().grant_type(), "refresh_token");
        }
    })
    .await;
}

/// What the client can do is nothing that a caller asks for: flights are shared as without it.
#[tokio::test(start_paused = true)]
async fn capabilities_decide_nothing_about_who_shares_a_renewal() {
    for_every_credential(async |world| {
        let world = capable(&world);
        world.resource.reject_with(challenge);
        join_all((0..10).map(|_| world.get("/orders"))).await;
        world.issuer.revoke_all();
        let responses = join_all((0..10).map(|_| world.get("/orders"))).await;
        assert!(responses.into_iter().all(|response| response.unwrap().status() == 200));
        assert_eq!(claims(&world.issuer), [CAPABLE, BOTH].map(|claims| Some(claims.to_owned())));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sessions_of_many_users_have_the_capabilities_of_their_builder() {
    let (issuer, sessions) = (Issuer::new(), Sessions::new());
    for (user, capabilities) in [(1_u8, &["cp1"][..]), (2, &[])] {
        let grant = PasswordGrant::new(issuer.endpoint(), user.to_string(), PASSWORD);
        sessions.insert(user, Session::builder(grant).client_capabilities(capabilities.iter().copied()).build());
    }
    let layer = ReauthLayer::new(sessions, Origins::only(ORIGIN).unwrap());
    for user in [1_u8, 2] {
        let mut request = get("/orders");
        request.extensions_mut().insert(user);
        layer.layer(Resource::new(&issuer)).oneshot(request).await.unwrap();
    }
    assert_eq!(claims(&issuer), [Some(CAPABLE.to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn closures_find_the_capabilities_in_their_context() {
    let grant =
        grant_fn(async |context: GrantContext| TokenSet::new(context.claims().unwrap_or("none").len().to_string()));
    let session = Session::builder(grant.boxed()).client_capabilities(["cp1"]).build();
    let token = session.token().await.unwrap();
    assert_eq!(token.token_set().access_token().expose_secret(), CAPABLE.len().to_string());
}
