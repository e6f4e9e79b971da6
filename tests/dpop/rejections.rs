//! Rejections of tokens that are bound to a key, and of those that are not where one should be.

use std::time::Duration;

use http::{StatusCode, header::WWW_AUTHENTICATE};
use tower_reauth::{BearerClassifier, Classify, Head, Verdict};

use super::*;

fn unauthorized(challenges: &[&str]) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(StatusCode::UNAUTHORIZED);
    for challenge in challenges {
        response = response.header(WWW_AUTHENTICATE, *challenge);
    }
    response.body(Full::from("no")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_is_renewed_in_whatever_words_the_api_rejects_it() {
    for challenges in [
        &[r#"DPoP error="invalid_token", algs="ES256""#][..],
        &[r#"DPoP algs="ES256 EdDSA""#],
        &["DPoP", "Bearer"],
        &[r#"Bearer realm="api""#, r#"DPoP error="invalid_token""#],
        &[r#"Bearer error="invalid_token""#],
        &[],
    ] {
        let scene = Scene::new();
        scene.get("/orders").await;
        scene.api.next(move || unauthorized(challenges));
        let response = scene.get("/orders").await;
        assert_eq!((response.status().as_u16(), scene.fetched()), (200, 2), "{challenges:?}");
        assert_eq!(scene.api.seen().pop().unwrap().headers["authorization"], "DPoP token-2");
        assert!(scene.api.refusals().is_empty(), "the new token has a proof of its own: {:?}", scene.api.refusals());
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_renewal_heals_is_not_renewed_under_dpop_either() {
    for (challenge, kind) in [
        (r#"DPoP error="insufficient_scope", scope="files""#, Some(ErrorKind::InsufficientScope)),
        (
            r#"DPoP error="insufficient_user_authentication", acr_values="mfa""#,
            Some(ErrorKind::InsufficientUserAuthentication),
        ),
        (r#"DPoP error="invalid_request""#, None),
        ("Negotiate", None),
    ] {
        let scene = Scene::new();
        scene.api.next(move || unauthorized(&[challenge]));
        let response = scene.get("/orders").await;
        assert_eq!((response.status().as_u16(), scene.fetched()), (401, 1), "{challenge}");
        assert_eq!(response.extensions().get::<RenewalFailed>().map(|failed| failed.error().kind()), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_every_new_token_cools_down_as_ever() {
    let scene = Scene::new();
    scene.get("/orders").await;
    for _ in 0..3 {
        scene.api.next(|| unauthorized(&[r#"DPoP error="invalid_token""#]));
    }
    let response = scene.get("/orders").await;
    assert_eq!(why(&response).0, ErrorKind::RejectedAgain);
    let response = scene.get("/orders").await;
    assert_eq!((why(&response).0, scene.fetched()), (ErrorKind::CoolingDown, 2));
    tokio::time::sleep(Duration::from_secs(90)).await;
    scene.api.next(|| unauthorized(&[r#"DPoP error="invalid_token""#]));
    assert_eq!((scene.get("/orders").await.status().as_u16(), scene.fetched()), (200, 3));
}

/// RFC 9449 §7.2.
#[tokio::test(start_paused = true)]
async fn an_api_that_offers_dpop_alone_to_a_bearer_token_says_so_and_renews_nothing() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let session = Session::new(grant_fn(move |_context| {
        count.fetch_add(1, Ordering::SeqCst);
        async { TokenSet::new("token-1") }
    }));
    let api = Api::new();
    let service = ReauthLayer::new(session, Origins::only(ORIGIN).unwrap()).layer(api.clone());
    for challenges in [&[r#"DPoP algs="ES256""#][..], &[r#"DPoP error="invalid_token""#], &["Negotiate", "dpop"]] {
        api.next(move || unauthorized(challenges));
        let response = service.clone().oneshot(get("/orders")).await.unwrap();
        let (kind, said) = why(&response);
        assert_eq!((response.status().as_u16(), kind), (401, ErrorKind::Dpop), "{challenges:?}");
        assert!(said.contains("bound to a key"), "{said}");
        assert_eq!(text(response).await, "no", "the API's own answer");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    // Where Bearer is offered as well, or nothing is about tokens, all is as ever.
    api.next(|| unauthorized(&["DPoP", r#"Bearer error="invalid_token""#]));
    service.clone().oneshot(get("/orders")).await.unwrap();
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    api.next(|| unauthorized(&["Negotiate"]));
    assert!(says_nothing(&service.oneshot(get("/orders")).await.unwrap()));
}

#[test]
fn only_a_401_says_that_dpop_is_wanted() {
    let verdict = |classifier: BearerClassifier, status| {
        let response = Response::builder().status(status).header(WWW_AUTHENTICATE, r#"DPoP algs="ES256", scope="a""#);
        classifier.head(&Head::of(&response.body(()).unwrap()))
    };
    let Verdict::DpopOnly(asked) = verdict(BearerClassifier::new(), 401) else { panic!("it says so") };
    assert_eq!(asked.scope(), Some("a"));
    assert!(matches!(verdict(BearerClassifier::new().strict(), 401), Verdict::DpopOnly(_)));
    assert!(matches!(verdict(BearerClassifier::new(), 403), Verdict::Pass));
    assert!(matches!(verdict(BearerClassifier::new().reject_status(StatusCode::FORBIDDEN), 403), Verdict::DpopOnly(_)));
}

/// What the proof of the attempt before says is nothing to one that has none.
#[tokio::test(start_paused = true)]
async fn a_bearer_token_that_replaces_a_bound_one_within_a_call_is_judged_as_one() {
    let scene = Scene::new();
    let fetched = scene.fetched.clone();
    let (api, key) = (scene.api.clone(), scene.key.clone());
    let grant = grant_fn(move |_context| {
        let number = fetched.fetch_add(1, Ordering::SeqCst) + 1;
        api.takes("token-1", key.thumbprint());
        async move {
            let tokens = TokenSet::new(format!("token-{number}"))?;
            Ok(if number == 1 { tokens.with_dpop() } else { tokens })
        }
    });
    let session = Session::builder(grant).dpop(scene.key.clone()).allow_bearer().build();
    let scene = Scene { session, ..scene };
    scene.get("/orders").await;
    for _ in 0..2 {
        scene.api.next(|| unauthorized(&[r#"DPoP error="invalid_token""#]));
    }
    let response = scene.get("/orders").await;
    let (kind, said) = why(&response);
    assert_eq!((response.status().as_u16(), kind, scene.fetched()), (401, ErrorKind::Dpop, 2));
    assert!(said.contains("bound to a key"), "{said}");
    let last = scene.api.seen().pop().unwrap();
    assert_eq!(last.headers["authorization"], "Bearer token-2");
    assert!(!last.headers.contains_key("dpop"));
}

#[tokio::test(start_paused = true)]
async fn a_new_token_that_meets_a_nonce_is_not_held_to_be_rejected() {
    let scene = Scene::new();
    scene.get("/orders").await;
    // Renewed, and then a nonce is wanted, and refused that it gave.
    scene.api.next(|| unauthorized(&[r#"DPoP error="invalid_token""#]));
    for _ in 0..2 {
        scene.api.next(|| {
            let mut response = api::challenge("use_dpop_nonce");
            response.headers_mut().insert("dpop-nonce", "n-1".parse().unwrap());
            response
        });
    }
    let response = scene.get("/orders").await;
    assert_eq!((why(&response).0, scene.fetched()), (ErrorKind::Dpop, 2));
    scene.api.next(|| unauthorized(&[r#"DPoP error="invalid_token""#]));
    assert_eq!((scene.get("/orders").await.status().as_u16(), scene.fetched()), (200, 3), "no origin cools down");
}
