//! What is said to `tracing`, and how often. Every test begins with a [`Trace`]; the secrets are in `secrets.rs`.

mod support;

use std::time::Duration;

use support::*;
use tokio::time::advance;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn refused_credential_is_reported_once_however_often_calls_ask() {
    let trace = Trace::start();
    for kind in [Kind::Password, Kind::RefreshToken, Kind::Custom] {
        let (started, failed, refused) = counts(&trace);
        let world = World::new(kind);
        world.issuer.always(Answer::error(400, "invalid_grant"));
        for _ in 0..100 {
            world.get("/orders").await.unwrap_err();
            advance(MINUTE).await;
        }
        assert_eq!(counts(&trace), (started + 1, failed + 1, refused + 1), "{kind:?}: {:?}", trace.lines());
    }
}

fn counts(trace: &Trace) -> (usize, usize, usize) {
    let count = |message| trace.events(message).len();
    (count("renewal started"), count("renewal failed"), count("credentials refused"))
}
