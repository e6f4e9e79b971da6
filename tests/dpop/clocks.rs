//! Servers whose clocks differ. They allow one second.

use super::*;
use crate::http_support::{Body, feed::fed};

#[tokio::test(start_paused = true)]
async fn a_clock_that_differs_by_minutes_is_healed_once_by_the_servers_date() {
    for seconds in [-23 * 3600, -300, -30, 30, 300, 3500] {
        let scene = Scene::new();
        scene.api.is_ahead(seconds);
        let response = scene.get("/orders").await;
        assert_eq!((response.status().as_u16(), says_nothing(&response)), (200, true), "{seconds}");
        for _ in 0..3 {
            assert_eq!(scene.get("/orders").await.status(), 200);
        }
        assert_eq!(scene.api.statuses(), [401, 200, 200, 200, 200], "{seconds}");
        assert_eq!(scene.api.refusals().into_iter().collect::<Vec<_>>(), [("iat", 1)]);
        assert_eq!(scene.fetched(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_again_is_followed_too() {
    let scene = Scene::new();
    scene.api.is_ahead(300);
    scene.get("/orders").await;
    scene.api.is_ahead(0);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.api.statuses(), [401, 200, 401, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_cannot_be_healed_is_told_with_its_seconds() {
    let scene = Scene::new();
    // Further ahead than proofs are made for: they would be good tomorrow.
    scene.api.is_ahead(23 * 3600);
    let response = scene.get("/orders").await;
    let (kind, said) = why(&response);
    assert_eq!((response.status().as_u16(), kind, scene.fetched()), (401, ErrorKind::Dpop, 1));
    assert!(said.contains("its clock is 82800 s ahead") || said.contains("its clock is 82799 s ahead"), "{said}");
    assert_eq!(scene.api.statuses(), [401, 401], "once more, and dated by our own clock");

    let scene = Scene::new();
    scene.api.is_ahead(-25 * 3600);
    let (_, said) = why(&scene.get("/orders").await);
    assert!(said.contains("s behind"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn without_a_date_or_with_one_that_agrees_the_error_says_that_too() {
    let scene = Scene::new();
    scene.api.is_ahead(300);
    scene.api.says_no_date();
    let (kind, said) = why(&scene.get("/orders").await);
    assert_eq!((kind, scene.api.statuses()), (ErrorKind::Dpop, vec![401, 401]));
    assert!(said.contains("no `Date`"), "{said}");

    let scene = Scene::new();
    for _ in 0..2 {
        scene.api.next(|| api::challenge("invalid_dpop_proof"));
    }
    let (kind, said) = why(&scene.get("/orders").await);
    assert_eq!((kind, scene.api.statuses(), scene.fetched()), (ErrorKind::Dpop, vec![401, 401], 1));
    assert!(said.contains("the API refused the proof"), "{said}");
    assert_eq!(scene.get("/orders").await.status(), 200, "and no origin cools down");
}

/// A cache's `Date`, or a clock that is not the one which is asked.
#[tokio::test(start_paused = true)]
async fn a_date_that_does_not_help_is_believed_for_one_attempt() {
    let scene = Scene::new();
    let lie = || dated("invalid_dpop_proof", 600);
    scene.api.next(lie);
    scene.api.next(lie);
    let response = scene.get("/orders").await;
    assert_eq!((why(&response).0, scene.api.statuses()), (ErrorKind::Dpop, vec![401, 401]));
    assert_eq!(scene.get("/orders").await.status(), 200, "dated by our own clock again");
    assert_eq!(scene.api.refusals().len(), 0);
}

/// Solid's server, for one, says only 401.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_gives_no_reason_may_be_for_the_clocks() {
    let scene = Scene::new();
    scene.api.is_ahead(300);
    scene.api.next(|| Response::builder().status(401).body(Full::default()).unwrap());
    let response = scene.get("/orders").await;
    assert_eq!((response.status().as_u16(), scene.api.statuses(), scene.fetched()), (200, vec![401, 200], 1));

    // A token that is dead as well is renewed in the same call.
    let scene = Scene::new();
    scene.get("/orders").await;
    scene.api.revoke_all();
    scene.api.is_ahead(300);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.fetched(), 2);
    // A difference that most servers tolerate is not suspected.
    let scene = Scene::new();
    scene.api.is_ahead(20);
    scene.api.next(|| api::challenge("invalid_token"));
    scene.get("/orders").await;
    assert_eq!(scene.fetched(), 2, "renewed at once");
}

#[tokio::test(start_paused = true)]
async fn what_one_server_says_of_the_time_is_no_news_of_another() {
    let scene = Scene::new();
    scene.api.is_ahead(300);
    scene.get("/orders").await;
    let other = Api::at("https://other.example");
    other.takes("token-1", scene.key.thumbprint());
    let layer = ReauthLayer::new(scene.session.clone(), Origins::only("https://other.example").unwrap());
    let service = layer.layer(other.clone());
    assert_eq!(service.oneshot(get("https://other.example/")).await.unwrap().status(), 200);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!((other.statuses(), scene.api.statuses()), (vec![200], vec![401, 200, 200]));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_sent_again_teaches_the_clock_to_the_next_one() {
    let scene = Scene::new();
    scene.api.is_ahead(300);
    let (feeder, body) = fed();
    feeder.data("more than four");
    drop(feeder);
    let request = Request::post(format!("{ORIGIN}/orders")).body(body).unwrap();
    let service = scene.layer().replay_limit(4).layer(scene.api.clone());
    let response = tower::ServiceExt::<Request<Body>>::oneshot(service, request).await.unwrap();
    assert_eq!(why(&response).0, ErrorKind::Dpop);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.api.statuses(), [401, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_learns_the_time_together() {
    let scene = Scene::new();
    scene.api.is_ahead(-300);
    scene.api.is_slow(std::time::Duration::from_millis(50));
    scene.session.token().await.unwrap();
    let calls = (0..50).map(|_| scene.send(get("/orders")));
    for response in futures::future::join_all(calls).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    // Those that were under way already, once each; nobody who comes later.
    assert_eq!(scene.api.statuses().iter().filter(|status| **status == 401).count(), 50);
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.api.seen().len(), 101);
}

/// An answer by a machine whose clock is so many seconds ahead.
fn dated(error: &str, ahead: u64) -> Response<Full<Bytes>> {
    let mut response = api::challenge(error);
    let date = httpdate::fmt_http_date(api::now() + std::time::Duration::from_secs(ahead));
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

/// A gateway in front of the API dates its answers; the API has our clock.
#[tokio::test(start_paused = true)]
async fn the_date_of_another_machine_keeps_no_dead_token_alive_and_spoils_no_origin() {
    for said in ["invalid_dpop_proof", "invalid_token"] {
        let scene = Scene::new();
        scene.get("/orders").await;
        scene.api.revoke_all();
        for error in ["invalid_token", said] {
            scene.api.next(move || dated(error, 60));
        }
        let response = scene.get("/orders").await;
        assert_eq!((response.status().as_u16(), scene.fetched()), (200, 2), "{said}");
        assert_eq!(scene.api.statuses(), [200, 401, 401, 200], "{said}");
        scene.get("/orders").await;
        assert!(scene.api.refusals().is_empty(), "dated by our own clock again: {:?}", scene.api.refusals());
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspected_clock_that_was_learned_for_nothing_is_dropped_by_the_call_that_suffers_from_it() {
    let scene = Scene::new();
    scene.get("/orders").await;
    // Suspected, and then something else went wrong.
    scene.api.next(|| dated("invalid_token", 60));
    scene.api.next(|| Response::builder().status(503).body(Full::default()).unwrap());
    assert_eq!(scene.get("/orders").await.status(), 503);
    // From here on each proof of another date than ours is answered in words about the token.
    for _ in 0..2 {
        scene.api.next(|| dated("invalid_token", 60));
    }
    let response = scene.get("/orders").await;
    assert_eq!((response.status().as_u16(), scene.fetched()), (200, 2));
    assert!(scene.api.refusals().is_empty(), "{:?}", scene.api.refusals());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_sent_again_suspects_no_clock() {
    let scene = Scene::new();
    let mut once = get("/orders");
    once.extensions_mut().insert(tower_reauth::NoReplay);
    scene.api.next(|| dated("invalid_token", 60));
    assert_eq!(scene.send(once).await.unwrap().status(), 401);
    scene.get("/orders").await;
    assert!(scene.api.refusals().is_empty(), "{:?}", scene.api.refusals());
}

/// It waited below the layer, or was sent twice there.
#[tokio::test(start_paused = true)]
async fn a_proof_that_aged_or_was_seen_is_made_anew_once() {
    let scene = Scene::new();
    scene.api.next(|| api::challenge("invalid_dpop_proof"));
    let response = scene.send(post("/orders", "order")).await.unwrap();
    assert_eq!((response.status().as_u16(), scene.api.statuses(), scene.fetched()), (200, vec![401, 200], 1));
    assert!(scene.api.refusals().is_empty(), "another one: {:?}", scene.api.refusals());
}
