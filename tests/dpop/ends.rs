//! Logouts in the middle, and calls that are dropped at every await.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::{runtime::Builder, task::yield_now};
use tower_reauth::testing::Gate;

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_with_a_nonce_after_a_logout() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(1000);
    scene.session.token().await.unwrap();
    let gate = Gate::closed();
    scene.api.holds(&gate);
    let call = tokio::spawn(scene.service().oneshot(get("/orders")));
    gate.arrived(1).await;
    scene.session.logout().await.unwrap();
    gate.open();
    let response = call.await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), why(&response).0), (401, ErrorKind::LoggedOut));
    assert_eq!(scene.api.seen().len(), 1);
    // The key and what it learned are the session's: the next login has the nonce already.
    scene.session.login(grant(&scene.api, &scene.key, &scene.fetched));
    assert_eq!(scene.get("/orders").await.status(), 200);
    assert_eq!(scene.api.statuses(), [401, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_private_copy_of_a_bound_token_is_void_after_a_logout() {
    let scene = Scene::new();
    let mut service = scene.service();
    for _ in 0..4 {
        assert_eq!(call(&mut service, get("/orders")).await.unwrap().status(), 200);
    }
    scene.session.forget();
    let error = call(&mut service, get("/orders")).await.unwrap_err();
    assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::LoggedOut, 4));
    scene.session.login(grant(&scene.api, &scene.key, &scene.fetched));
    assert_eq!(call(&mut service, get("/orders")).await.unwrap().status(), 200);
    scene.refused_nothing_but_nonces();
}

/// A token that is bound no more, after a login with another grant, goes without a proof.
#[tokio::test(start_paused = true)]
async fn a_bearer_token_goes_without_a_proof_and_a_bound_one_after_it_with_one() {
    let mut scene = Scene::new();
    let bound = grant(&scene.api, &scene.key, &scene.fetched);
    scene.session = Session::builder(bound).dpop(scene.key.clone()).allow_bearer().build();
    let mut service = scene.service();
    assert_eq!(call(&mut service, get("/orders")).await.unwrap().status(), 200);
    scene.session.login(grant_fn(|_context| async { TokenSet::new("bearer-token") }));
    for _ in 0..3 {
        call(&mut service, get("/orders")).await.unwrap();
        let last = scene.api.seen().pop().unwrap();
        assert_eq!(last.headers["authorization"], "Bearer bearer-token");
        assert!(!last.headers.contains_key("dpop"));
    }
    scene.session.login(grant(&scene.api, &scene.key, &scene.fetched));
    let before = scene.api.refusals();
    for _ in 0..3 {
        assert_eq!(call(&mut service, get("/orders")).await.unwrap().status(), 200);
    }
    assert_eq!(scene.api.refusals(), before);
}

/// What is dropped after so many polls leaves nothing that holds up the next calls.
#[test]
fn a_call_that_is_dropped_anywhere_leaves_no_place_taken() {
    let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut polls = 0;
    loop {
        let ended = runtime().block_on(never_hangs(async {
            let scene = Scene::new();
            scene.api.is_slow(Duration::from_millis(10));
            let service = scene.service();
            scene.get("/first").await;
            // Three times another nonce, so that the call stands in line, and then a dead token.
            for number in 0..3 {
                scene.api.next(move || {
                    let mut response = api::challenge("use_dpop_nonce");
                    response.headers_mut().insert("dpop-nonce", format!("n-{number}").parse().unwrap());
                    response
                });
            }
            scene.api.next(|| api::challenge("invalid_token"));
            let ended = dropped_after(polls, service.clone().oneshot(post("/orders", "order"))).await;
            tokio::time::sleep(Duration::from_secs(120)).await;
            // What is left of the script is for these.
            for _ in 0..6 {
                scene.get("/orders").await;
            }
            scene.api.asks_for_nonces(2);
            let begun = tokio::time::Instant::now();
            for response in futures::future::join_all((0..10).map(|_| service.clone().oneshot(get("/orders")))).await {
                assert_eq!(response.unwrap().status(), 200, "{polls} polls");
            }
            assert!(begun.elapsed() < Duration::from_secs(1), "{polls} polls: {:?}", begun.elapsed());
            ended
        }));
        if ended {
            break;
        }
        polls += 1;
    }
    assert!(polls >= 10, "{polls}");
}

async fn dropped_after<T>(mut polls: usize, future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    let ended = poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if polls == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    });
    let ended = ended.await;
    yield_now().await;
    ended
}
