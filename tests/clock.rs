//! Clocks that stand still, jump, or are asked to count what no clock counts.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::time::Duration;

use crate::support::*;
use tokio::time::advance;
use tower_reauth::{ErrorKind, Status};

#[tokio::test(start_paused = true)]
async fn token_that_expired_while_the_machine_was_suspended_is_healed_by_the_rejection() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().expires_in(60));
        world.get("/orders").await.unwrap();
        // The monotonic clock stands still during the sleep; only the server sees the hour pass.
        world.issuer.revoke_all();
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lifetimes_that_make_no_sense_cause_neither_panic_nor_loop() {
    for seconds in ["0", "-1", "-9223372036854775809", "1000000000000000000", "18446744073709551616", "1e400", "0.5"] {
        for_every_credential(async |world| {
            world.issuer.always(Answer::tokens().expires_in(None).member("expires_in", seconds));
            for _ in 0..100 {
                assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{seconds}");
            }
            assert_eq!(world.issuer.token_requests(), 1, "{seconds}");
            // Hours later the token still counts as good, and a rejection heals it.
            advance(Duration::from_secs(20 * 3600)).await;
            world.get("/orders").await.unwrap();
            assert_eq!(world.issuer.token_requests(), 1, "{seconds}");
            world.issuer.revoke_all();
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{seconds}");
            assert_eq!(world.issuer.token_requests(), 2, "{seconds}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn wall_clock_that_is_years_off_costs_five_minutes_at_most() {
    // What a server says whose clock, or ours, is off by years: seen from here, a date long past or far ahead.
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        for_every_credential(async |world| {
            world.issuer.next(Answer::status(503, "").header("retry-after", date));
            assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Unavailable, "{date}");
            advance(Duration::from_secs(300)).await;
            assert_eq!(world.get("/orders").await.unwrap().status(), 200, "{date}");
            assert_eq!(world.session.status(), Status::Active);
        })
        .await;
    }
}
