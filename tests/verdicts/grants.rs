//! Case 67, and what grants of users say of their failures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::advance;
use tower_reauth::{
    Credential, Error, ErrorKind, Grant, GrantContext, Session, Status, TokenEndpoint, TokenSet, grant_with,
};

use crate::support::*;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn refusal_of_another_session_is_not_one_of_the_credentials_of_the_grant_that_asked_it() {
    let issuer = Issuer::new();
    issuer.always(Answer::error(400, "invalid_grant"));
    let other = Session::new(Kind::Password.grant(&issuer, "other"));
    let session = Session::new(grant_with(other.clone(), async |other: Arc<Session>, _| {
        let token = other.token().await?;
        Ok(token.token_set().clone())
    }));
    for _ in 0..10 {
        session.token().await.unwrap_err();
        advance(MINUTE).await;
    }
    assert_eq!((other.status(), session.status()), (Status::Refused, Status::Idle));
    // The user has logged in there again: the next call works.
    issuer.always(Answer::tokens());
    other.login(Kind::Password.grant(&issuer, "other"));
    session.token().await.unwrap();
    other.logout().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn other_sessions_that_are_logged_out_or_too_slow_are_no_refusal_either() {
    let gone = Session::logged_out();
    let issuer = Issuer::new();
    issuer.always(Answer::never());
    let slow = Session::builder(Kind::Password.grant(&issuer, "other")).waiting_time(Duration::from_secs(1)).build();
    for (other, kind) in [(gone, ErrorKind::LoggedOut), (slow, ErrorKind::WaitedTooLong)] {
        let session = Session::new(grant_with(other, async |other: Arc<Session>, _| {
            Ok(other.token().await?.token_set().clone())
        }));
        assert_eq!(session.token().await.unwrap_err().kind(), kind);
        for _ in 0..10 {
            session.token().await.unwrap_err();
            assert_eq!(session.status(), Status::Idle);
            advance(MINUTE).await;
        }
    }
}

/// A password that is sent by the user's own code, and fails in a way that the user knows.
struct Own {
    fails: fn() -> Error,
    sends: Arc<AtomicUsize>,
}

impl Grant for Own {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        self.sends.fetch_add(1, Ordering::SeqCst);
        Err((self.fails)())
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        None
    }

    fn credential(&self) -> Credential {
        Credential::Password
    }
}

async fn sends_in_ten_minutes(fails: fn() -> Error) -> usize {
    let sends = Arc::new(AtomicUsize::new(0));
    let session = Session::new(Own { fails, sends: sends.clone() });
    for _ in 0..10 * 60 {
        session.token().await.unwrap_err();
        advance(Duration::from_secs(1)).await;
    }
    sends.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn grant_can_say_that_nothing_was_sent_and_when_to_come_back() {
    let down = || Error::new(ErrorKind::Transport, "the vault is down");
    assert_eq!(sends_in_ten_minutes(down).await, 3);
    let never_left = sends_in_ten_minutes(|| Error::new(ErrorKind::Transport, "there is no network").not_sent()).await;
    assert!(never_left > 10, "{never_left}");
    let refused = || {
        let cause = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        Error::new(ErrorKind::Transport, "the vault is down").with_source(cause)
    };
    assert!(sends_in_ten_minutes(refused).await > 10);
    let patient = || {
        Error::new(ErrorKind::Unavailable, "the vault is busy").not_sent().with_retry_after(Duration::from_secs(200))
    };
    assert_eq!(sends_in_ten_minutes(patient).await, 3);
}
