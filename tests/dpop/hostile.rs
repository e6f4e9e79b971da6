//! APIs that give nonces which nobody could want, or never enough of them.

use std::time::Duration;

use futures::future::join_all;
use http::HeaderValue;
use tokio::time::Instant;
use tower_reauth::Sessions;

use super::*;

fn with_nonce(mut response: Response<Full<Bytes>>, nonce: &[u8]) -> Response<Full<Bytes>> {
    response.headers_mut().append("dpop-nonce", HeaderValue::from_bytes(nonce).unwrap());
    response
}

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_none_is_not_sent_back_and_takes_no_place_of_a_good_one() {
    let long = vec![b'a'; 10 * 1024];
    for nonce in [&long[..], b"", b" ", b"with space", b"\xe2\x82\xac", b"\"quoted\"", b"back\\slash", b"tab\there"] {
        let scene = Scene::new();
        let (good, bad) = (nonce.to_owned(), nonce.to_owned());
        scene.api.next(|| with_nonce(Response::new(Full::default()), b"good"));
        scene.api.next(move || with_nonce(Response::new(Full::default()), &good));
        scene.api.next(move || with_nonce(api::challenge("use_dpop_nonce"), &bad));
        for _ in 0..2 {
            scene.get("/orders").await;
        }
        let response = scene.get("/orders").await;
        assert_eq!(why(&response).0, ErrorKind::Dpop, "it gave nothing that could be sent");
        let sent: Vec<_> = scene.api.nonces().into_iter().flatten().collect();
        assert_eq!(sent, ["good", "good"], "{:?}", String::from_utf8_lossy(&nonce[..nonce.len().min(20)]));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_lines_one_is_sent_back_and_never_both() {
    let scene = Scene::new();
    scene.api.next(|| with_nonce(with_nonce(Response::new(Full::default()), b"one"), b"two"));
    scene.get("/orders").await;
    scene.get("/orders").await;
    let sent = scene.api.nonces()[1].clone().unwrap();
    assert!(["one", "two"].contains(&sent.as_str()), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_asks_for_what_it_gave_is_asked_no_more() {
    for nonce in [None, Some(&b"same"[..])] {
        let scene = Scene::new();
        for _ in 0..6 {
            scene.api.next(move || match nonce {
                Some(nonce) => with_nonce(api::challenge("use_dpop_nonce"), nonce),
                None => api::challenge("use_dpop_nonce"),
            });
        }
        let response = scene.get("/orders").await;
        let sends = 1 + usize::from(nonce.is_some());
        assert_eq!((why(&response).0, scene.api.seen().len()), (ErrorKind::Dpop, sends));
        assert_eq!(text(response).await, "refused", "the API's own answer");
        assert_eq!(scene.fetched(), 1);
    }
}

/// An API that gives a new nonce with each answer, and takes none.
fn asks_always(scene: &Scene, times: usize) {
    for number in 0..times {
        scene.api.next(move || with_nonce(api::challenge("use_dpop_nonce"), format!("n-{number}").as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_asks_for_another_nonce_each_time_ends_in_its_own_401_and_costs_no_renewal() {
    let scene = Scene::new();
    asks_always(&scene, 100);
    let begun = Instant::now();
    let response = scene.get("/orders").await;
    assert_eq!((response.status().as_u16(), why(&response).0), (401, ErrorKind::Dpop));
    // The first send, and sixteen more.
    assert_eq!((scene.api.seen().len(), scene.fetched()), (17, 1));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Nothing is held against the token, and nothing damps.
    scene.api.next(|| api::challenge("invalid_token"));
    while scene.api.seen().len() < 100 {
        scene.get("/orders").await;
    }
    assert_eq!((scene.get("/orders").await.status().as_u16(), scene.fetched()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_does_not_wait_for_an_api_that_takes_no_nonce_at_all() {
    let scene = Scene::new();
    asks_always(&scene, 10_000);
    scene.api.is_slow(Duration::from_millis(20));
    scene.session.token().await.unwrap();
    let begun = Instant::now();
    let service = scene.service();
    let calls = (0..200).map(|_| service.clone().oneshot(get("/orders")));
    for response in join_all(calls).await {
        assert_eq!(response.unwrap().status(), 401);
    }
    println!("{} sends, done after {:?}", scene.api.seen().len(), begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(scene.api.seen().len() < 200 * 4, "{}", scene.api.seen().len());
    assert_eq!(scene.fetched(), 1);
    let before = scene.api.seen().len();
    service.oneshot(get("/orders")).await.unwrap();
    assert_eq!(scene.api.seen().len(), before + 2, "one more attempt each, as long as nothing passes");
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct User(&'static str);

/// Nonces are each session's own, and so are the turns that it takes for them.
#[tokio::test(start_paused = true)]
async fn one_user_whose_nonces_are_all_refused_costs_the_others_nothing() {
    let scene = Scene::new();
    let sessions = Sessions::builder().build();
    for user in ["mallory", "alice"] {
        let bound = grant(&scene.api, &scene.key, &scene.fetched);
        sessions.insert(User(user), Session::builder(bound).dpop(scene.key.clone()).build());
    }
    let service = ReauthLayer::new(sessions, Origins::only(ORIGIN).unwrap()).layer(scene.api.clone());
    let call = |user: &'static str| {
        let mut request = get("/orders");
        request.extensions_mut().insert(User(user));
        service.clone().oneshot(request)
    };
    // Until hers are thought to be refused in vain.
    asks_always(&scene, 38);
    while scene.api.seen().len() < 38 {
        assert_eq!(call("mallory").await.unwrap().status(), 401);
    }
    asks_always(&scene, 2);
    assert_eq!(call("alice").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn many_origins_push_out_the_oldest_and_cost_it_a_send() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(usize::MAX);
    let origins: Vec<_> = (0..70).map(|number| format!("https://n{number}.example")).collect();
    let layer = ReauthLayer::new(scene.session.clone(), Origins::any_of(&origins).unwrap());
    let mut service = layer.layer(scene.api.clone());
    for origin in [&origins[..], &origins[69..], &origins[..1]].concat() {
        scene.api.is_at(&origin);
        assert_eq!(call(&mut service, get(&format!("{origin}/"))).await.unwrap().status(), 200, "{origin}");
    }
    let statuses = scene.api.statuses();
    assert_eq!((&statuses[140..], statuses.len()), (&[200, 401, 200][..], 143));
}
