//! Nonces (RFC 9449 §9): where they come from, where they go, and what they cost.

use tower_reauth::NoReplay;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_asked_for_heals_the_call_without_a_renewal() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    let response = scene.send(post("/orders", "order")).await.unwrap();
    assert!(says_nothing(&response));
    assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "accepted"));
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![401, 200], 1));
    assert!(scene.api.seen().iter().all(|seen| seen.body == "order"));
    scene.get("/orders").await;
    assert_eq!(scene.api.statuses(), [401, 200, 200], "it is known from then on");
    scene.refused_nothing_but_nonces();
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_taken_from_every_answer_whatever_its_status() {
    let scene = Scene::new();
    scene.get("/orders").await;
    for (number, status) in [200, 204, 302, 400, 401, 403, 404, 429, 500, 503].into_iter().enumerate() {
        let nonce = format!("n-{number}");
        let given = nonce.clone();
        scene.api.next(move || {
            Response::builder().status(status).header("dpop-nonce", given).body(Full::default()).unwrap()
        });
        scene.get("/orders").await;
        // After a 401 it is the replay that has it already.
        scene.get("/orders").await;
        assert_eq!(scene.api.nonces().last().unwrap().as_deref(), Some(nonce.as_str()), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_goes_to_the_origin_that_gave_it_and_to_no_other() {
    let scene = Scene::new();
    let other = Api::at("https://other.example");
    other.takes("token-1", scene.key.thumbprint());
    scene.api.asks_for_nonces(1000);
    let origins = Origins::any_of([ORIGIN, "https://other.example"]).unwrap();
    let layer = ReauthLayer::new(scene.session.clone(), origins);
    let (here, there) = (layer.layer(scene.api.clone()), layer.layer(other.clone()));
    for _ in 0..2 {
        assert_eq!(here.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
        assert_eq!(there.clone().oneshot(get("https://other.example/")).await.unwrap().status(), 200);
    }
    assert_eq!(other.nonces(), [None, None]);
    assert_eq!(scene.api.statuses(), [401, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn what_one_layer_learns_all_layers_and_clones_of_the_session_know() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    scene.get("/orders").await;
    let other = Scene { session: scene.session.clone(), ..scene.clone() };
    other.get("/orders").await;
    // One that is derived shares the key, and what was learned with it.
    let derived = scene.session.for_resource("https://files.example");
    let layer = ReauthLayer::new(derived, Origins::only(ORIGIN).unwrap());
    assert_eq!(layer.layer(scene.api.clone()).oneshot(get("/files")).await.unwrap().status(), 200);
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![401, 200, 200, 200], 2));
}

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_asked_for_and_then_a_dead_token_heal_in_one_call() {
    for replays in [1, 3] {
        let scene = Scene::new();
        scene.get("/orders").await;
        scene.api.asks_for_nonces(1000);
        scene.api.revoke_all();
        // The server looks at the nonce first.
        scene.api.next(|| api::challenge("use_dpop_nonce"));
        let service = scene.layer().max_replays(replays).layer(scene.api.clone());
        let response = service.oneshot(get("/orders")).await.unwrap();
        assert_eq!((response.status().as_u16(), scene.api.statuses()), (200, vec![200, 401, 401, 200]));
        assert_eq!(scene.fetched(), 2);
        assert!(says_nothing(&response));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_and_then_a_nonce_heal_in_one_call_too() {
    let scene = Scene::new();
    scene.get("/orders").await;
    scene.api.revoke_all();
    scene.api.next(|| api::challenge("invalid_token"));
    let nonce = || {
        let mut response = api::challenge("use_dpop_nonce");
        response.headers_mut().insert("dpop-nonce", "n-1".parse().unwrap());
        response
    };
    scene.api.next(nonce);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![200, 401, 401, 200], 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_sent_again_leaves_the_nonce_to_the_next_one() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    let mut once = get("/orders");
    once.extensions_mut().insert(NoReplay);
    let response = scene.send(once).await.unwrap();
    assert_eq!(response.status(), 401);
    let (kind, said) = why(&response);
    assert_eq!(kind, ErrorKind::NotReplayable);
    assert!(said.contains("nonce"), "{said}");
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![401, 200], 1));

    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    let service = scene.layer().max_replays(0).layer(scene.api.clone());
    assert_eq!(service.clone().oneshot(get("/orders")).await.unwrap().status(), 401);
    assert_eq!(service.oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(scene.fetched(), 1, "nothing was renewed");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_brings_no_nonce_back_that_was_refused() {
    let with = |mut response: Response<Full<Bytes>>, nonce: &'static str| {
        response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
        response
    };
    let scene = Scene::new();
    scene.api.next(move || with(Response::new(Full::default()), "n-2"));
    scene.get("/orders").await;
    scene.api.next(move || with(api::challenge("use_dpop_nonce"), "n-3"));
    // To a request that was sent before.
    scene.api.next(move || with(Response::new(Full::default()), "n-2"));
    scene.get("/orders").await;
    scene.get("/orders").await;
    let sent: Vec<_> = scene.api.nonces().into_iter().flatten().collect();
    assert_eq!(sent, ["n-2", "n-3", "n-3"]);
    // Whoever wants it again says so.
    scene.api.next(move || with(api::challenge("use_dpop_nonce"), "n-2"));
    scene.get("/orders").await;
    assert_eq!(scene.api.nonces().pop().unwrap().as_deref(), Some("n-2"));
}

/// Not every API says why it refuses.
#[tokio::test(start_paused = true)]
async fn the_first_nonce_that_comes_with_a_rejection_is_tried_before_a_renewal() {
    let rejection = |challenge: &'static str| {
        let response = Response::builder().status(401).header("dpop-nonce", "n-1");
        let response = if challenge.is_empty() { response } else { response.header("www-authenticate", challenge) };
        response.body(Full::default()).unwrap()
    };
    for challenge in ["", "Bearer", r#"DPoP algs="ES256""#] {
        let scene = Scene::new();
        scene.api.next(move || rejection(challenge));
        assert_eq!(scene.get("/orders").await.status(), 200, "{challenge}");
        assert_eq!((scene.api.nonces(), scene.fetched()), (vec![None, Some("n-1".into())], 1), "{challenge}");
        // A second one has another reason.
        scene.api.next(move || rejection(challenge));
        scene.get("/orders").await;
        assert_eq!(scene.fetched(), 2, "{challenge}");
    }
    let scene = Scene::new();
    scene.api.next(move || rejection(r#"DPoP error="invalid_token""#));
    scene.get("/orders").await;
    assert_eq!(scene.fetched(), 2, "it says what it wants");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_asked_for_costs_no_renewal_no_cool_down_and_no_turn() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1);
    for _ in 0..100 {
        assert_eq!(scene.get("/orders").await.status(), 200);
    }
    assert_eq!(scene.fetched(), 1);
    // Right after that a dead token is renewed as ever, ten times a minute.
    for round in 0..10 {
        scene.api.revoke_all();
        let response = scene.get("/orders").await;
        assert_eq!(response.status(), 200, "{round}: {:?}", scene.api.refusals());
    }
    assert_eq!(scene.fetched(), 11);
}
