//! Clocks that differ.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::ErrorKind;

use super::*;

#[tokio::test(start_paused = true)]
async fn clock_that_is_minutes_off_is_learned_from_the_answer_once() {
    for ahead in [-600, 600] {
        for_every_bound(async |world| {
            world.issuer.set_clock(ahead);
            let first = world.session.token().await.unwrap();
            assert_eq!(world.issuer.token_requests(), 2);
            let dated: Vec<_> = proofs(&world.issuer).iter().map(|claims| claims["iat"].as_i64().unwrap()).collect();
            assert!((dated[1] - dated[0] - ahead).abs() <= 3, "{dated:?}");
            advance(Duration::from_secs(60)).await;
            world.session.renew(first.generation()).await.unwrap();
            assert_eq!(world.issuer.token_requests(), 3, "it is known from then on");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn clock_and_nonce_are_learned_in_one_renewal() {
    for_every_bound(async |world| {
        world.issuer.set_clock(300);
        world.issuer.ask_for_nonces(100);
        world.session.token().await.unwrap();
        assert_eq!(world.issuer.token_requests(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn proof_that_is_refused_by_a_clock_like_ours_is_an_error_and_not_repeated() {
    for_every_bound(async |world| {
        let date = httpdate::fmt_http_date(MemoryStore::now());
        world.issuer.next(Answer::error(400, "invalid_dpop_proof").header("date", &date));
        let error = world.session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dpop);
        assert_eq!(world.issuer.token_requests(), 1);
        advance(Duration::from_secs(16 * 60)).await;
        world.session.token().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_helps_nothing_is_told_in_the_error() {
    for_every_bound(async |world| {
        let date = httpdate::fmt_http_date(MemoryStore::now() + Duration::from_secs(3000));
        for _ in 0..2 {
            world.issuer.next(Answer::error(400, "invalid_dpop_proof").header("date", &date));
        }
        let error = world.session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dpop);
        assert_eq!(world.issuer.token_requests(), 2);
        assert!(
            error.to_string().contains("3000 s ahead of ours") || error.to_string().contains("2999 s ahead"),
            "{error}"
        );
    })
    .await;
}
