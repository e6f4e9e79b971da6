//! Case 86: which answers say that a logout has reached the server.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use crate::support::*;
use tower_reauth::ErrorKind;

fn refused(code: &str) -> Answer {
    Answer::error(400, code)
}

fn ok() -> Answer {
    Answer::status(200, "")
}

/// Logs a session out whose refresh token's revocation is answered by the first, and its access token's by the others.
async fn logout(answers: Vec<Answer>) -> Result<(), ErrorKind> {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    let sends = answers.len();
    answers.into_iter().for_each(|answer| world.issuer.next_revocation(answer));
    let result = world.session.logout().await.map_err(|error| error.kind());
    let seen = world.issuer.revocations();
    assert_eq!(seen.len(), sends);
    assert_eq!(seen[0].parameter("token_type_hint"), Some("refresh_token"));
    assert_eq!(seen[1].parameter("token_type_hint"), Some("access_token"));
    result
}

#[tokio::test(start_paused = true)]
async fn refusal_of_the_access_token_does_not_count_once_the_refresh_token_is_revoked() {
    for answer in [
        refused("invalid_token"),
        refused("unsupported_token_type"),
        refused("invalid_request"),
        Answer::status(400, ""),
        Answer::error(200, "invalid_token"),
    ] {
        assert_eq!(logout(vec![ok(), answer]).await, Ok(()));
    }
    assert_eq!(logout(vec![Answer::status(204, ""), refused("invalid_token")]).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn token_type_that_is_not_supported_counts_only_where_nothing_was_revoked() {
    let unsupported = || refused("unsupported_token_type");
    assert_eq!(logout(vec![unsupported(), ok()]).await, Ok(()));
    assert_eq!(logout(vec![unsupported(), unsupported()]).await, Err(ErrorKind::NotRevoked));
}

#[tokio::test(start_paused = true)]
async fn failure_that_says_nothing_of_the_token_counts() {
    let busy = || Answer::status(503, "");
    for answers in [
        vec![ok(), Answer::error(401, "invalid_client")],
        vec![ok(), Answer::status(403, "<html>a firewall</html>")],
        vec![ok(), Answer::status(200, "<html>log in</html>")],
        vec![ok(), Answer::broken()],
        vec![ok(), busy(), busy(), busy()],
        vec![refused("invalid_token"), ok()],
        vec![refused("invalid_token"), refused("invalid_token")],
        vec![Answer::error(200, "invalid_client"), refused("invalid_token")],
    ] {
        assert_eq!(logout(answers).await, Err(ErrorKind::NotRevoked));
    }
}

#[tokio::test(start_paused = true)]
async fn no_error_of_a_logout_tells_a_token_of_the_session() {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    let (access, refresh) = (world.issuer.last_access_token(), world.issuer.last_refresh_token());
    let body = format!(r#"{{"error":"invalid_request","error_description":"no {access}, no {refresh}"}}"#);
    for _ in 0..2 {
        world.issuer.next_revocation(Answer::status(400, body.as_str()));
    }
    let error = world.session.logout().await.unwrap_err();
    assert_eq!(error.description_untrusted(), Some("no [redacted], no [redacted]"));
}
