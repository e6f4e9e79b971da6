//! Cases 64 and 65: a password that the server will not have, and one that it has no fault in.

use std::time::Duration;

use tokio::time::{Instant, advance};
use tower_reauth::{
    BoxGrant, Credential, Error, ErrorKind, Grant, GrantContext, PasswordGrant, Session, Status, TokenSet,
};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Calls every 20 s for a day, all of which fail.
async fn a_day_of_calls(world: &World) {
    let start = Instant::now();
    while start.elapsed() < DAY {
        world.get("/orders").await.unwrap_err();
        advance(20 * SECOND).await;
    }
}

// Case 64

#[tokio::test(start_paused = true)]
async fn wrong_password_is_sent_once_in_whatever_words_it_is_refused() {
    for answer in [
        Answer::status(403, ""),
        Answer::status(401, ""),
        Answer::status(400, ""),
        Answer::status(401, "<html>wrong password</html>"),
        Answer::error(400, "invalid_request"),
        Answer::error(400, "account_locked"),
        Answer::error(401, "invalid_credentials"),
        Answer::error(403, "anything_else"),
        Answer::error(200, "invalid_grant"),
    ] {
        println!("{answer:?}");
        let world = World::new(Kind::Password);
        world.issuer.always(answer);
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(world.session.status(), Status::Refused);
        a_day_of_calls(&world).await;
        assert_eq!(world.issuer.token_requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn password_that_nobody_says_anything_of_is_sent_five_times_and_by_pages_twice() {
    for (answer, most) in [
        (Answer::broken(), 5),
        (Answer::lost_tokens(), 5),
        (Answer::status(502, ""), 5),
        (Answer::status(302, ""), 5),
        (Answer::status(200, "{}"), 5),
        (Answer::status(429, ""), 5),
        (Answer::error(400, "invalid_client"), 5),
        (Answer::status(403, "<html>blocked</html>"), 2),
        (Answer::status(200, "<html>log in here</html>"), 2),
    ] {
        println!("{answer:?}");
        let world = World::new(Kind::Password);
        world.issuer.always(answer);
        a_day_of_calls(&world).await;
        assert_eq!(world.issuer.token_requests(), most);
        assert_eq!(world.session.status(), Status::Refused);
        assert_eq!(world.get("/orders").await.unwrap_err().kind(), ErrorKind::Refused);
    }
}

// Case 65

/// The server is down for so long; how long after its return a call works again.
async fn healed_after(outage: Duration, kind: Kind, trouble: Answer) -> Duration {
    let world = World::new(kind);
    world.issuer.next(Answer::tokens().without_refresh_token());
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.always(trouble);
    let start = Instant::now();
    while start.elapsed() < outage {
        assert_ne!(world.get("/orders").await.unwrap().status(), 200);
        assert_ne!(world.session.status(), Status::LoggedOut);
        advance(SECOND / 4).await;
    }
    if kind == Kind::Password {
        assert_eq!(world.session.status(), Status::Active, "nobody is asked for a password");
    }
    world.issuer.always(Answer::tokens());
    let back = Instant::now();
    while world.get("/orders").await.unwrap().status() != 200 {
        advance(SECOND / 4).await;
    }
    back.elapsed()
}

#[tokio::test(start_paused = true)]
async fn password_that_had_worked_heals_within_ten_seconds_of_a_short_outage() {
    for trouble in [Answer::status(502, ""), Answer::status(503, ""), Answer::broken(), Answer::status(403, "<html>")] {
        for outage in [1, 4, 7, 10] {
            let healed = healed_after(outage * SECOND, Kind::Password, trouble.clone()).await;
            assert!(healed <= 10 * SECOND, "{healed:?} after {outage} s of {trouble:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn password_that_had_worked_heals_within_five_minutes_of_a_long_outage() {
    for minutes in [3, 10, 30, 50] {
        let healed = healed_after(minutes * MINUTE, Kind::Password, Answer::status(502, "")).await;
        assert!(healed <= 5 * MINUTE, "{healed:?} after {minutes} min");
    }
}

#[tokio::test(start_paused = true)]
async fn client_whose_secret_is_refused_without_a_code_for_an_hour_works_within_a_quarter() {
    let healed = healed_after(60 * MINUTE, Kind::ClientCredentials, Answer::status(401, "")).await;
    assert!(healed <= 15 * MINUTE, "{healed:?}");
}

/// A grant around a password.
struct Around(PasswordGrant);

impl Grant for Around {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.0.fetch(context).await
    }

    fn credential(&self) -> Credential {
        self.0.credential()
    }

    fn confirm_after(&self) -> Option<&[Duration]> {
        self.0.confirm_after()
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_before_a_password_is_confirmed_can_be_said() {
    let hands: [fn(PasswordGrant) -> BoxGrant; 3] =
        [PasswordGrant::boxed, |grant| Around(grant).boxed(), |grant| Around(grant).boxed().boxed()];
    for hand in hands {
        let world = World::new(Kind::Password);
        let grant =
            PasswordGrant::new(world.issuer.endpoint(), USERNAME, PASSWORD).confirmations([MINUTE, 15 * MINUTE]);
        let world = world.with_session(Session::new(hand(grant)));
        world.issuer.next(Answer::tokens().without_refresh_token());
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.issuer.always(Answer::error(400, "invalid_grant"));
        let start = Instant::now();
        while world.session.status() != Status::Refused {
            world.get("/orders").await.unwrap();
            advance(SECOND).await;
        }
        let sends: Vec<_> = world.issuer.requests()[1..].iter().map(|one| (one.at - start).as_secs()).collect();
        assert_eq!(sends, [0, 60, 60 + 15 * 60]);
    }
}
