//! What the challenge of a rejection asks for: who learns of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    BearerClassifier, Challenge, ErrorKind, GrantContext, NoReplay, RenewalFailed, Session, TokenSet, grant_fn,
};

use crate::support::*;

const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource";

fn says(challenge: &str) -> impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static {
    let challenge = challenge.to_owned();
    move || {
        let response = Response::builder().status(401).header("www-authenticate", &challenge);
        response.body(Full::from("rejected")).unwrap()
    }
}

fn asks_for_all() -> String {
    format!(
        r#"Bearer error="invalid_token", scope="orders.read", acr_values="urn:mfa", max_age=60, resource_metadata="{METADATA}""#
    )
}

/// What it asks for, in one text.
fn shown(challenge: &Challenge) -> String {
    let max_age = challenge.max_age().map(|age| age.as_secs().to_string());
    [challenge.scope(), challenge.acr_values(), max_age.as_deref(), challenge.resource_metadata(), challenge.claims()]
        .map(|part| part.unwrap_or("-"))
        .join(" ")
}

fn all() -> String {
    format!("orders.read urn:mfa 60 {METADATA} -")
}

const NOTHING: &str = "- - - - -";

/// A world whose session writes down what its grant is told, and gets tokens from the issuer.
fn noting(lifetime: Duration) -> (World, Arc<Mutex<Vec<String>>>) {
    let world = World::new(Kind::Custom);
    let told = Arc::new(Mutex::new(Vec::new()));
    let (noted, issuer) = (told.clone(), world.issuer.clone());
    let session = Session::new(grant_fn(move |context: GrantContext| {
        noted.lock().unwrap().push(shown(context.challenge()));
        let token = format!("token-{}", noted.lock().unwrap().len());
        issuer.accept(&token);
        async move { Ok(TokenSet::new(token)?.with_lifetime(lifetime)) }
    }));
    (world.with_session(session), told)
}

fn failure<B>(response: &Response<B>) -> RenewalFailed {
    response.extensions().get::<RenewalFailed>().expect("a report").clone()
}

#[tokio::test(start_paused = true)]
async fn grant_is_told_what_the_rejection_asked_for_that_set_it_off() {
    let hour = Duration::from_secs(3600);
    let (world, told) = noting(hour);
    world.get("/orders").await.unwrap();
    world.resource.reject_with(says(&asks_for_all()));
    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    // A renewal that no rejection set off, and one whose rejection asks for nothing.
    advance(2 * hour).await;
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    world.resource.reject_with(says("Bearer"));
    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(*told.lock().unwrap(), [NOTHING, &*all(), NOTHING, NOTHING]);
}

#[tokio::test(start_paused = true)]
async fn of_a_crowd_the_grant_is_told_what_the_first_was_asked_and_each_caller_what_it_was() {
    let (world, told) = noting(Duration::from_secs(3600));
    world.get("/orders").await.unwrap();
    // No token is good there.
    world.resource.answer_with("/first", says(r#"Bearer scope="first""#));
    world.resource.answer_with("/second", says(r#"Bearer scope="second""#));
    world.issuer.revoke_all();
    let (first, second) = tokio::join!(world.get("/first"), world.get("/second"));
    for (response, scope) in [(first, "first"), (second, "second")] {
        let response = response.unwrap();
        let failed = failure(&response);
        assert_eq!(failed.error().kind(), ErrorKind::RejectedAgain);
        assert_eq!(failed.challenge().scope(), Some(scope));
    }
    assert_eq!(*told.lock().unwrap(), [NOTHING, "first - - - -"]);
}

#[tokio::test(start_paused = true)]
async fn grant_of_a_derived_session_is_told_through_its_login() {
    let (world, told) = noting(Duration::from_secs(3600));
    let world = world.with_session(world.session.for_resource("https://orders.example"));
    world.get("/orders").await.unwrap();
    world.resource.reject_with(says(&asks_for_all()));
    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(*told.lock().unwrap(), [NOTHING, &*all()]);
}

#[tokio::test(start_paused = true)]
async fn caller_whose_call_is_not_healed_is_told_what_the_response_asks_for() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.resource.reject_with(says(&asks_for_all()));
        // It cannot be sent again.
        world.issuer.revoke_all();
        let mut request = get("/orders");
        request.extensions_mut().insert(NoReplay);
        let failed = failure(&world.send(request).await.unwrap());
        assert_eq!((failed.error().kind(), shown(failed.challenge())), (ErrorKind::NotReplayable, all()));
        // The renewal fails.
        world.issuer.revoke_all();
        world.issuer.always(Answer::error(400, "invalid_scope"));
        let failed = failure(&world.get("/orders").await.unwrap());
        assert_eq!(shown(failed.challenge()), all());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_rejections_the_caller_is_told_what_the_last_one_asks_for() {
    for_every_credential(async |world| {
        let scopes = Mutex::new(vec!["second", "first"]);
        world.resource.answer_with("/orders", move || {
            let scope = scopes.lock().unwrap().pop().unwrap();
            says(&format!(r#"Bearer scope="{scope}""#))()
        });
        let failed = failure(&world.get("/orders").await.unwrap());
        assert_eq!(failed.challenge().scope(), Some("second"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_no_renewal_can_bring_is_told_as_well() {
    for_every_credential(async |world| {
        for error in ["insufficient_scope", "insufficient_user_authentication"] {
            let line = asks_for_all().replace("invalid_token", error);
            world.resource.answer_with("/orders", says(&line));
            let failed = failure(&world.get("/orders").await.unwrap());
            assert_eq!(shown(failed.challenge()), all());
            assert_eq!(failed.error().scope(), Some("orders.read"));
        }
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

/// Answers 401, and says why in the body alone.
fn says_in_the_body(body: &'static str) -> impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static {
    move || {
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    }
}

#[tokio::test(start_paused = true)]
async fn rejection_that_says_so_in_its_body_is_healed_and_any_other_one_passes_whole() {
    for_every_credential(async |world| {
        let classifier = BearerClassifier::new().strict().with_bodies();
        let api = world.layer().classify(classifier).layer(world.resource.clone());
        api.clone().oneshot(get("/orders")).await.unwrap();
        world.resource.reject_with(says_in_the_body(r#"{"error":"invalid_token"}"#));
        world.issuer.revoke_all();
        assert_eq!(api.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
        for body in [r#"{"error":"account_locked"}"#, r#"{"error":"insufficient_scope"}"#, "no JSON", ""] {
            world.resource.answer_with("/locked", says_in_the_body(body));
            let response = api.clone().oneshot(get("/locked")).await.unwrap();
            assert_eq!(response.status(), 401);
            let failed = response.extensions().get::<RenewalFailed>().map(|failed| failed.error().kind());
            assert_eq!(failed, body.contains("scope").then_some(ErrorKind::InsufficientScope));
            assert_eq!(text(response).await, body);
        }
        assert_eq!((world.issuer.token_requests(), world.resource.count_at("/locked")), (2, 4));
    })
    .await;
}
