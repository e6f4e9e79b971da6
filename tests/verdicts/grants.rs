//! Case 67, and what grants of users say of their failures.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
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
    let session = Session::new(grant_with(other.clone(), async |other: Session, _| {
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
        let session =
            Session::new(grant_with(other, async |other: Session, _| Ok(other.token().await?.token_set().clone())));
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

/// What a user's grant says at first; later it has tokens.
#[derive(Clone)]
struct Says {
    error: Error,
    asked: Arc<AtomicUsize>,
    works: Arc<AtomicBool>,
    endpoint: TokenEndpoint,
}

impl Says {
    fn world(error: Error) -> (World, Self) {
        let world = World::new(Kind::Custom);
        let says = Self { error, asked: Arc::default(), works: Arc::default(), endpoint: world.issuer.endpoint() };
        let grant = grant_with(says.clone(), async |says, context| {
            says.asked.fetch_add(1, Ordering::SeqCst);
            if !says.works.load(Ordering::SeqCst) {
                return Err(says.error);
            }
            let parameters = [("grant_type", "urn:example:custom"), ("owner", USERNAME)];
            says.endpoint.request(&context, &parameters).await
        });
        (world.with_session(Session::new(grant)), says)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn calls_ask_a_users_grant_no_earlier_than_it_said() {
    let pause = Duration::from_secs(200);
    let (world, says) = Says::world(Error::new(ErrorKind::Unavailable, "the vault is busy").with_retry_after(pause));
    for second in 0..200 {
        let error = world.get("/orders").await.unwrap_err();
        assert_eq!((error.kind(), says.asked()), (ErrorKind::Unavailable, 1));
        assert_eq!(error.retry_after(), Some(pause - Duration::from_secs(second)));
        advance(Duration::from_secs(1)).await;
    }
    says.works.store(true, Ordering::SeqCst);
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!((says.asked(), world.resource.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn calls_ask_a_users_grant_that_sent_nothing_again_and_again() {
    let broken = Error::new(ErrorKind::Transport, "the vault cannot be reached");
    for (error, within, works) in [(broken.clone(), 10..=10, false), (broken.not_sent(), 13..=1000, true)] {
        let (world, says) = Says::world(error);
        for _ in 0..14 * 60 {
            world.get("/orders").await.unwrap_err();
            advance(Duration::from_secs(1)).await;
        }
        assert!(within.contains(&says.asked()), "{}", says.asked());
        // It is back within the 15 minutes that sends are counted in; the longest pause is a minute.
        says.works.store(true, Ordering::SeqCst);
        let mut answers = Vec::new();
        for _ in 0..60 {
            answers.push(world.get("/orders").await.is_ok());
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(answers.last(), Some(&works));
    }
}
