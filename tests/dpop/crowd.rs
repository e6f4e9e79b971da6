//! Crowds, at a server that gives another nonce for every few requests and takes no older one.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

const CALLS: usize = 1_000;

/// Nobody is refused, and how often the server asked.
async fn all_pass(scene: &Scene, calls: usize) -> usize {
    let service = scene.service();
    let calls = (0..calls).map(|number| {
        let service = service.clone();
        tokio::spawn(service.oneshot(get(&format!("/orders/{number}"))))
    });
    for (number, response) in join_all(calls).await.into_iter().enumerate() {
        let response = response.unwrap().unwrap();
        let failed = response.extensions().get::<RenewalFailed>().map(|failed| failed.error().to_string());
        assert_eq!(response.status(), 200, "{number}: {failed:?}, {:?}", scene.api.refusals());
    }
    scene.refused_nothing_but_nonces();
    assert_eq!(scene.fetched(), 1);
    scene.api.refusals().get("nonce").copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_once_are_none_refused_while_nonces_change_with_every_few_requests() {
    for (every, latency) in [(5, 10), (3, 5)] {
        fastrand::seed(17);
        let scene = Scene::new();
        scene.api.asks_for_nonces(every);
        scene.api.is_slow(Duration::from_millis(latency));
        let begun = Instant::now();
        let asked = all_pass(&scene, CALLS).await;
        println!("every {every}, up to {latency} ms: asked {asked} times, done after {:?}", begun.elapsed());
        // All of them before the first nonce, nearly all once more; then they take turns.
        assert!(asked <= 3 * CALLS, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_that_come_one_after_another_wait_for_nobody() {
    fastrand::seed(18);
    let scene = Scene::new();
    scene.api.asks_for_nonces(7);
    scene.api.is_slow(Duration::from_millis(10));
    scene.session.token().await.unwrap();
    let service = scene.service();
    let calls = (0..CALLS).map(|number| {
        let service = service.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(5 * number as u64)).await;
            let begun = Instant::now();
            let response = service.oneshot(get("/orders")).await.unwrap();
            let failed = response.extensions().get::<RenewalFailed>().map(|failed| failed.error().to_string());
            (response.status().as_u16(), failed, begun.elapsed())
        })
    });
    let mut longest = Duration::ZERO;
    for call in join_all(calls).await {
        let (status, failed, took) = call.unwrap();
        assert_eq!(status, 200, "{failed:?}");
        longest = longest.max(took);
    }
    println!("longest: {longest:?}, asked {:?}", scene.api.refusals());
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    scene.refused_nothing_but_nonces();
}

/// As most servers do it: by time.
#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_good_for_a_while_costs_a_crowd_one_more_send_each() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(usize::MAX);
    scene.api.is_slow(Duration::from_millis(50));
    let begun = Instant::now();
    assert_eq!(all_pass(&scene, CALLS).await, CALLS);
    assert!(begun.elapsed() < Duration::from_millis(300), "nobody waits for anybody: {:?}", begun.elapsed());
}

/// A call that nobody drives any more has the first turn, and keeps nobody waiting for long.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_driven_holds_up_nobody() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1);
    scene.session.token().await.unwrap();
    let gate = tower_reauth::testing::Gate::closed();
    scene.api.holds(&gate);
    let service = scene.service();
    let mut stuck = Box::pin(service.clone().oneshot(get("/stuck")));
    // Its first nonce, its second one, and out in its turn.
    for admitted in 1..=3 {
        assert!(futures::poll!(&mut stuck).is_pending());
        if admitted < 3 {
            // Somebody else takes the nonce that it is about to have.
            scene.api.rotates();
            gate.admit(1);
            while scene.api.statuses().len() < admitted + 1 {
                assert!(futures::poll!(&mut stuck).is_pending());
                tokio::task::yield_now().await;
                scene.api.rotates();
            }
        }
    }
    gate.open();
    let begun = Instant::now();
    for response in join_all((0..20).map(|_| service.clone().oneshot(get("/orders")))).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// More of them than the API lets through within the waiting time.
#[tokio::test(start_paused = true)]
async fn a_call_whose_turn_does_not_come_in_time_ends_in_the_apis_own_401() {
    fastrand::seed(19);
    let mut scene = Scene::new();
    let grant = grant(&scene.api, &scene.key, &scene.fetched);
    scene.session = Session::builder(grant).dpop(scene.key.clone()).waiting_time(Duration::from_secs(3)).build();
    scene.session.token().await.unwrap();
    scene.api.asks_for_nonces(1);
    scene.api.is_slow(Duration::from_millis(300));
    let service = scene.service();
    let begun = Instant::now();
    let (mut passed, mut waited) = (0, 0);
    for response in join_all((0..60).map(|_| service.clone().oneshot(get("/orders")))).await {
        let response = response.unwrap();
        if response.status() == 200 {
            passed += 1;
            continue;
        }
        let (kind, said) = why(&response);
        assert_eq!((response.status().as_u16(), kind), (401, ErrorKind::Dpop), "{said}");
        waited += usize::from(said.contains("turn"));
        assert_eq!(text(response).await, "refused", "the API's own answer");
    }
    println!("{passed} passed, {waited} waited in vain, done after {:?}", begun.elapsed());
    assert!(passed > 5 && waited > 5, "{passed}, {waited}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    // Those who left hold up nobody.
    assert_eq!(service.oneshot(get("/orders")).await.unwrap().status(), 200);
    scene.refused_nothing_but_nonces();
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_while_they_wait_for_their_turn_hold_up_nobody() {
    fastrand::seed(20);
    let scene = Scene::new();
    scene.api.asks_for_nonces(1);
    scene.api.is_slow(Duration::from_millis(10));
    scene.session.token().await.unwrap();
    let service = scene.service();
    let mut calls: Vec<_> = (0..40).map(|_| tokio::spawn(service.clone().oneshot(get("/orders")))).collect();
    sleep(Duration::from_millis(60)).await;
    let begun = Instant::now();
    for call in calls.drain(..20) {
        call.abort();
    }
    for response in join_all(calls).await {
        assert_eq!(response.unwrap().unwrap().status(), 200, "{:?}", scene.api.refusals());
    }
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}
