//! Tokens that are good, and not enough (RFC 6750 §3.1, RFC 9470): no renewal, and the caller learns what was asked for.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{Challenge, Classify, Error, ErrorKind, Head, RenewalFailed, Verdict, Wso2Classifier};

const SCOPE: &str = r#"Bearer error="insufficient_scope", scope="orders.read orders.write""#;
const LOGIN: &str =
    r#"Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa urn:example:key", max_age=300"#;

fn says(status: u16, challenge: &'static str) -> impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static {
    move || {
        let response = Response::builder().status(status).header("www-authenticate", challenge);
        response.body(Full::from("not with this token")).unwrap()
    }
}

fn failure<B>(response: &Response<B>) -> Error {
    response.extensions().get::<RenewalFailed>().expect("a report").error().clone()
}

#[tokio::test(start_paused = true)]
async fn scope_that_is_asked_for_is_reported_and_renews_nothing() {
    for_every_credential(async |world| {
        let trace = Trace::start();
        for status in [401, 403] {
            world.resource.answer_with("/orders", says(status, SCOPE));
            let response = world.get("/orders").await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["www-authenticate"], SCOPE);
            let error = failure(&response);
            assert_eq!((error.kind(), error.scope()), (ErrorKind::InsufficientScope, Some("orders.read orders.write")));
            assert!(!error.is_transient() && error.acr_values().is_none() && error.max_age().is_none());
            assert_eq!(
                error.to_string(),
                "the token is good, but its scope does not suffice: the server asks for scope `orders.read orders.write`; \
                 get a token with a wider scope, by a new login or by the scope of the grant"
            );
            assert_eq!(text(response).await, "not with this token");
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 2));
        let events = trace.events("wider scope asked for");
        assert!(events.len() == 2 && events[0].contains("scope=orders.read orders.write"), "{events:?}");
        assert!(events[0].starts_with("DEBUG") && events[0].contains("session="), "{events:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stronger_login_that_is_asked_for_is_reported_and_renews_nothing() {
    for_every_credential(async |world| {
        let trace = Trace::start();
        world.resource.answer_with("/orders", says(401, LOGIN));
        let response = world.get("/orders").await.unwrap();
        let error = failure(&response);
        assert_eq!((response.status().as_u16(), error.kind()), (401, ErrorKind::InsufficientUserAuthentication));
        assert_eq!(error.acr_values(), Some("urn:example:mfa urn:example:key"));
        assert_eq!((error.max_age(), error.scope()), (Some(Duration::from_secs(300)), None));
        assert_eq!(
            error.to_string(),
            "the token is good, but the user's login does not suffice: the server asks for `acr_values` \
             `urn:example:mfa urn:example:key`, `max_age` 300; ask the user to log in again, as the server asks for it"
        );
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 1));
        let events = trace.events("stronger login asked for");
        assert!(events.len() == 1 && events[0].contains("acr_values=urn:example:mfa urn:example:key"), "{events:?}");
        assert!(events[0].contains("max_age_s=300") && events[0].contains("session="), "{events:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_is_reported_after_a_renewal_as_well() {
    for_every_credential(async |world| {
        let _trace = Trace::start();
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.resource.accept_with(says(403, SCOPE));
        let response = world.get("/orders").await.unwrap();
        assert_eq!((response.status().as_u16(), failure(&response).kind()), (403, ErrorKind::InsufficientScope));
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_answers_without_a_permission_are_not_reported() {
    let _trace = Trace::start();
    let world = World::new(Kind::Password);
    for challenge in ["Bearer", r#"Bearer error="invalid_token", scope="a""#, r#"Basic error="insufficient_scope""#] {
        world.resource.answer_with("/orders", says(403, challenge));
        let response = world.get("/orders").await.unwrap();
        assert!(response.extensions().get::<RenewalFailed>().is_none(), "{challenge}");
    }
    assert_eq!(world.issuer.token_requests(), 1);
}

/// An API that says it in its own way.
struct Orders;

impl Classify for Orders {
    fn head(&self, head: &Head<'_>) -> Verdict {
        match head.headers().get("x-needs") {
            Some(role) => Verdict::InsufficientScope(Challenge::new().with_scope(role.to_str().unwrap_or_default())),
            None => Verdict::Pass,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn classifiers_of_ones_own_report_it_and_so_does_the_one_for_wso2() {
    let _trace = Trace::start();
    let world = World::new(Kind::Password);
    world
        .resource
        .answer_with("/orders", || Response::builder().header("x-needs", "admin").body(Full::default()).unwrap());
    let api = world.layer().classify(Orders).layer(world.resource.clone());
    let response = api.oneshot(get("/orders")).await.unwrap();
    assert_eq!((response.status().as_u16(), failure(&response).scope()), (200, Some("admin")));

    let challenge = r#"Bearer realm="WSO2 API Manager", error="insufficient_scope", scope="admin""#;
    world.resource.answer_with("/orders", says(401, challenge));
    let api = world.layer().classify(Wso2Classifier::new()).layer(world.resource.clone());
    let response = api.oneshot(get("/orders")).await.unwrap();
    assert_eq!(failure(&response).scope(), Some("admin"));
    assert_eq!(text(response).await, "not with this token");
    assert_eq!(world.issuer.token_requests(), 1);
}
