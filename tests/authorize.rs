//! Cases 1, 2 and 5 to 10: which requests carry the token, and what sets off nothing.

use std::error::Error as _;

use crate::support::*;
use http::{HeaderName, header::AUTHORIZATION};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Challenge, Classify, ErrorKind, ForceRenewal, Head, OwnAuthorization, RenewalFailed, Status, Verdict, WithoutAuth,
};

#[tokio::test(start_paused = true)]
async fn first_call_fetches_one_token_and_further_calls_fetch_none() {
    for_every_credential(async |world| {
        assert_eq!(world.session.status(), Status::Idle);
        for _ in 0..3 {
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        }
        let mut one_service = world.api();
        for _ in 0..3 {
            assert_eq!(call(&mut one_service, get("/orders")).await.unwrap().status(), 200);
        }
        assert_eq!(world.session.status(), Status::Active);
        assert_eq!(world.issuer.token_requests(), 1);
        assert_eq!(world.resource.tokens(), vec![Some(world.issuer.last_access_token()); 6]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_session_sends_nothing_before_the_first_call() {
    for_every_credential(async |world| {
        let _api = world.api();
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        assert_eq!(world.issuer.token_requests(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn token_type_in_any_letter_case_is_sent_as_bearer() {
    for token_type in [Some("bearer"), Some("BEARER"), Some("beareR"), Some("Bearer"), None] {
        for_every_credential(async |world| {
            world.issuer.next(Answer::tokens().token_type(token_type));
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{token_type:?}");
            let header = world.resource.last().headers[AUTHORIZATION].clone();
            assert_eq!(header, format!("Bearer {}", world.issuer.last_access_token()));
            assert!(header.is_sensitive());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_statuses_than_401_set_off_nothing() {
    for_every_credential(async |world| {
        for status in [204, 302, 400, 402, 403, 404, 407, 500, 503] {
            world.resource.answer(&format!("/{status}"), status);
            let response = world.get(&format!("/{status}")).await.unwrap();
            assert_eq!(response.status(), status);
            assert!(response.extensions().get::<RenewalFailed>().is_none());
            assert_eq!(world.resource.count_at(&format!("/{status}")), 1);
        }
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

/// Counts a 403 as a rejection, and nothing else.
struct ForbiddenToo;

impl Classify for ForbiddenToo {
    fn head(&self, head: &Head<'_>) -> Verdict {
        if head.status() == 403 { Verdict::Reject(Challenge::new()) } else { Verdict::Pass }
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier_can_count_a_403_as_a_rejection() {
    for_every_credential(async |world| {
        let api = world.layer().classify(ForbiddenToo).layer(world.resource.clone());
        world.resource.answer("/forbidden", 403);
        assert_eq!(api.clone().oneshot(get("/forbidden")).await.unwrap().status(), 403);
        assert_eq!(world.resource.count_at("/forbidden"), 2);
        assert_eq!(world.issuer.token_requests(), 2);
        // Nothing else than what the classifier says counts.
        world.issuer.revoke_all();
        assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 401);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn forced_renewal_comes_first_and_later_calls_use_its_token() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let mut request = get("/orders");
        request.extensions_mut().insert(ForceRenewal);
        assert_eq!(world.send(request).await.unwrap().status(), 200);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        let [first, forced, later] = world.resource.tokens().try_into().unwrap();
        assert_ne!(first, forced);
        assert_eq!(forced, later);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn forced_renewal_without_a_token_fetches_one_token() {
    for_every_credential(async |world| {
        let mut request = get("/orders");
        request.extensions_mut().insert(ForceRenewal);
        assert_eq!(world.send(request).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn own_authorization_is_kept_by_default_and_its_rejection_sets_off_nothing() {
    for_every_credential(async |world| {
        let mut request = get("/orders");
        request.headers_mut().insert(AUTHORIZATION, "Bearer my-own".parse().unwrap());
        let response = world.send(request).await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(text(response).await, "rejected");
        assert_eq!(world.resource.tokens(), [Some("my-own".to_owned())]);
        assert_eq!(world.issuer.token_requests(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn own_authorization_is_replaced_where_the_layer_is_told_so() {
    for_every_credential(async |world| {
        let api = world.layer().own_authorization(OwnAuthorization::Replace).layer(world.resource.clone());
        let request = || {
            let mut request = get("/orders");
            request.headers_mut().append(AUTHORIZATION, "Bearer my-own".parse().unwrap());
            request.headers_mut().append(AUTHORIZATION, "Basic bXk6b3du".parse().unwrap());
            request
        };
        assert_eq!(api.clone().oneshot(request()).await.unwrap().status(), 200);
        world.issuer.revoke_all();
        assert_eq!(api.oneshot(request()).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        // `Seen` fails on two headers; the replay has one as well.
        for (seen, generation) in world.resource.seen().iter().zip([0, 0, 1]) {
            assert_eq!(seen.headers.get_all(AUTHORIZATION).iter().count(), 1);
            assert_eq!(seen.token(), Some(&*tokens(&world)[generation]));
        }
        assert_eq!(world.resource.count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn own_authorization_is_an_error_where_the_layer_is_told_so() {
    for_every_credential(async |world| {
        let api = world.layer().own_authorization(OwnAuthorization::Reject).layer(world.resource.clone());
        let mut request = get("/orders");
        request.headers_mut().insert(AUTHORIZATION, "Bearer my-own".parse().unwrap());
        let error = api.clone().oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OwnAuthorization);
        assert_eq!((world.resource.count(), world.issuer.token_requests()), (0, 0));
        assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_header_of_another_name_leaves_authorization_to_the_caller() {
    for_every_credential(async |world| {
        let name = HeaderName::from_static("x-gateway-token");
        world.resource.header(name.clone());
        let api = world.layer().header(&name).unwrap().layer(world.resource.clone());
        let request = || {
            let mut request = get("/orders");
            request.headers_mut().insert(AUTHORIZATION, "Basic bXk6b3du".parse().unwrap());
            request
        };
        assert_eq!(api.clone().oneshot(request()).await.unwrap().status(), 200);
        world.issuer.revoke_all();
        assert_eq!(api.oneshot(request()).await.unwrap().status(), 200);
        for seen in world.resource.seen() {
            assert_eq!(seen.headers[AUTHORIZATION], "Basic bXk6b3du");
            assert_eq!(seen.headers.get_all(&name).iter().count(), 1);
        }
        assert_eq!(world.resource.count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_without_auth_goes_bare_and_is_not_replayed() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        let mut request = get("/public");
        request.extensions_mut().insert(WithoutAuth);
        assert_eq!(world.send(request).await.unwrap().status(), 401);
        assert_eq!(world.resource.count_at("/public"), 1);
        assert!(!world.resource.last().headers.contains_key(AUTHORIZATION));
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_without_auth_needs_no_login() {
    for_every_credential(async |world| {
        world.session.forget();
        let mut request = get("/public");
        request.extensions_mut().insert(WithoutAuth);
        assert_eq!(world.send(request).await.unwrap().status(), 401);
        assert_eq!(world.resource.count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_acquisition_names_its_step_and_sends_nothing() {
    let answers = [
        (Answer::status(500, "oops"), ErrorKind::Unavailable, Some(500)),
        (Answer::error(401, "invalid_client"), ErrorKind::Misconfigured, Some(401)),
        (Answer::status(200, "<html>"), ErrorKind::NotJson, Some(200)),
        (Answer::broken(), ErrorKind::Transport, None),
    ];
    for (answer, kind, status) in answers {
        for_every_credential(async |world| {
            world.issuer.next(answer.clone());
            let error = world.get("/orders").await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.status().map(|status| status.as_u16()), status);
            let step = match world.kind {
                Kind::Password => "the token request with grant type `password`",
                Kind::ClientCredentials => "the token request with grant type `client_credentials`",
                Kind::RefreshToken => "the refresh",
                Kind::JwtBearer => "the token request with grant type `urn:ietf:params:oauth:grant-type:jwt-bearer`",
                Kind::TokenExchange => {
                    "the token request with grant type `urn:ietf:params:oauth:grant-type:token-exchange`"
                }
                Kind::Custom => "the token request with grant type `urn:example:custom`",
            };
            assert!(error.to_string().starts_with(&format!("{step} failed at {TOKEN_URI}")), "{error}");
            if kind == ErrorKind::Transport {
                assert!(error.source().unwrap().is::<std::io::Error>());
            }
            assert_eq!(world.resource.count(), 0);
            assert_eq!(world.issuer.token_requests(), 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_session_without_a_login_fail_and_send_nothing() {
    for_every_credential(async |world| {
        world.session.forget();
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert_eq!((world.resource.count(), world.issuer.token_requests()), (0, 0));
    })
    .await;
}

fn tokens(world: &World) -> Vec<String> {
    world.issuer.access_tokens()
}
