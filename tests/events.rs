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

#[tokio::test(start_paused = true)]
async fn damping_is_reported_with_its_remedy() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    for _ in 0..11 {
        assert!(trace.events("renewals damped").is_empty());
        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
    }
    let events = trace.events("renewals damped");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].starts_with("WARN") && events[0].contains("`device_`"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn revocation_is_reported_whether_it_works_or_fails_even_when_nobody_waits_for_it() {
    let trace = Trace::start();
    for (answer, message) in [(Answer::status(200, ""), "tokens revoked"), (Answer::broken(), "revocation failed")] {
        let world = World::new(Kind::ClientCredentials);
        world.get("/orders").await.unwrap();
        world.issuer.next_revocation(answer);
        drop(world.session.logout());
        assert!(world.session.shutdown(MINUTE).await);
        assert_eq!(trace.events(message).len(), 1, "{message}");
    }
    assert_eq!(trace.events("logged out").len(), 2);
}
