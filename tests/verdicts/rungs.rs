//! Each answer at each rung of the ladder: what the call gets, what is kept, what is sent next.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::{ErrorKind, RenewalFailed, Status};

use super::answers::{ROWS, Row, Says};
use crate::support::*;

/// What is sent when the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    /// A refresh token with a password behind it.
    Refresh,
    /// A refresh token with nothing behind it.
    RefreshAlone,
    NewPassword,
    /// A password that had worked.
    Password,
    Secret,
    /// A closure that had worked.
    Closure,
}

use Rung::*;

/// When the next token request goes out, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The same call sent the password, and was healed.
    Healed,
    /// The backoff's business: within a second.
    Backoff,
    At(u64),
    Never,
}

use Next::*;

fn next(rung: Rung, says: Says) -> Next {
    use Says::*;
    match (rung, says) {
        (_, Wait) | (Refresh | RefreshAlone | Secret | Closure, Throttled) => At(1),
        (NewPassword | Password, Throttled) => At(300),
        (_, Client) => At(60),
        (Refresh | RefreshAlone | Secret | Closure, Broken | Page) => Backoff,
        (NewPassword, Broken | Page | Address) => At(10),
        (Password, Broken | Page | Address) => At(5),
        (Refresh, NotAllowed | Known | Code | Status | Vague | Address) => Healed,
        (_, NotAllowed) => At(60),
        (RefreshAlone, Known) => At(2),
        (RefreshAlone, Code | Status) => At(15),
        (RefreshAlone, Vague | Address) => At(30 * 60),
        (NewPassword, Known | Code | Status | Vague) => Never,
        (Password, Known | Code | Status | Vague) => At(60),
        (Secret | Closure, Known | Code | Status | Vague | Address) => At(60),
    }
}

fn status(rung: Rung, says: Says) -> Status {
    use Says::*;
    match (rung, says) {
        (NewPassword, Known | Code | Status | Vague) => tower_reauth::Status::Refused,
        (Secret, Known | Code | Status | Vague | Address | Client) => tower_reauth::Status::Refused,
        (NewPassword, _) => tower_reauth::Status::Idle,
        _ => tower_reauth::Status::Active,
    }
}

/// A session that is about to send what the rung says, and the grant type by which it does.
async fn world(rung: Rung) -> (World, &'static str) {
    let (kind, sends) = match rung {
        Refresh => (Kind::Password, "refresh_token"),
        RefreshAlone => (Kind::RefreshToken, "refresh_token"),
        NewPassword | Password => (Kind::Password, "password"),
        Secret => (Kind::ClientCredentials, "client_credentials"),
        Closure => (Kind::Custom, "urn:example:custom"),
    };
    let world = World::new(kind);
    if rung != NewPassword {
        let tokens = Answer::tokens();
        let has_refresh_token = matches!(rung, Refresh | RefreshAlone);
        world.issuer.next(if has_refresh_token { tokens.with_refresh_token() } else { tokens.without_refresh_token() });
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
    }
    (world, sends)
}

/// One call: the kind of the error that kept it from a token, if one did.
async fn call(world: &World) -> Option<ErrorKind> {
    match world.get("/orders").await {
        Ok(response) if response.status() == 200 => None,
        Ok(response) => Some(response.extensions().get::<RenewalFailed>().expect("the layer says why").error().kind()),
        Err(error) => Some(error.kind()),
    }
}

async fn answered(rung: Rung, row: &Row) {
    let (world, sends) = world(rung).await;
    let before = world.issuer.token_requests();
    let refresh_token = (sends == "refresh_token").then(|| world.issuer.last_refresh_token());
    world.issuer.next(row.answer());
    let failed = call(&world).await;

    let next = next(rung, row.says);
    if next == Healed {
        assert_eq!(failed, None);
        let asked: Vec<_> = world.issuer.requests()[before..].iter().map(|one| one.grant_type().to_owned()).collect();
        assert_eq!(asked, ["refresh_token", "password"]);
        return;
    }
    assert_eq!(failed, Some(row.kind));
    assert_eq!(world.issuer.token_requests(), before + 1);
    assert_eq!(world.session.status(), status(rung, row.says));

    // From here on the server is in order.
    match next {
        Healed => unreachable!(),
        Backoff => advance(Duration::from_secs(1)).await,
        At(seconds) => {
            advance(Duration::from_secs(seconds) - Duration::from_millis(10)).await;
            assert!(call(&world).await.is_some());
            assert_eq!(world.issuer.token_requests(), before + 1, "sent too early");
            advance(Duration::from_millis(10)).await;
        }
        Never => {
            for _ in 0..24 {
                advance(Duration::from_secs(3600)).await;
                assert_eq!(call(&world).await, Some(ErrorKind::Refused));
            }
            assert_eq!(world.issuer.token_requests(), before + 1);
            return;
        }
    }
    assert_eq!(call(&world).await, None, "not healed");
    let request = world.issuer.last_request();
    assert_eq!((world.issuer.token_requests(), request.grant_type()), (before + 2, sends));
    assert_eq!(request.parameter("refresh_token").map(str::to_owned), refresh_token, "the refresh token is kept");
    assert_eq!(world.session.status(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn every_answer_at_every_rung_is_treated_as_the_tables_say() {
    let rungs = [Refresh, RefreshAlone, NewPassword, Password, Secret, Closure];
    assert!(ROWS.len() * rungs.len() >= 150);
    for rung in rungs {
        for row in ROWS {
            println!("{rung:?}: {} {} {:?}", row.status, row.body, row.headers);
            Box::pin(answered(rung, row)).await;
        }
    }
}
