//! How a process begins.

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ErrorKind, Record, RefreshTokenGrant, Session, Status, TokenSet};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn next_process_goes_on_with_the_stored_token_and_asks_for_nothing() {
    let household = Household::new();
    household.logged_in().await;
    for grant in [true, false] {
        let process = match grant {
            true => household.process(household.stored()),
            false => household.process(RefreshTokenGrant::new(household.issuer.endpoint(), "an old one")),
        };
        assert!(process.is(Status::Idle));
        assert_eq!(process.status_of_a_call().await, 200);
        assert!(process.is(Status::Active));
    }
    assert_eq!(household.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn next_process_redeems_the_stored_refresh_token_once_the_access_token_has_expired() {
    let household = Household::new();
    household.logged_in().await;
    advance(3601 * SECOND).await;
    let process = household.process(household.stored());
    assert_eq!(process.status_of_a_call().await, 200);
    assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (2, 0));
    assert_eq!(household.resource.count_of(401), 0);
}

#[tokio::test(start_paused = true)]
async fn process_with_nothing_in_the_store_and_nothing_of_its_own_asks_for_a_login() {
    let household = Household::new();
    let process = household.process(household.stored());
    assert_eq!(process.get().await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(process.is(Status::Refused));
    assert_eq!(household.issuer.token_requests(), 0);
    // Another process does it, and this one finds that within a second.
    household.logged_in().await;
    advance(SECOND).await;
    assert_eq!(process.status_of_a_call().await, 200);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_password_is_ever_saved() {
    let household = Household::new();
    let process = household.process(household.password());
    process.get().await.unwrap();
    household.issuer.revoke_all();
    process.get().await.unwrap();
    process.session.logout().await.unwrap();
    assert!(household.store.history().len() >= 4);
    for record in household.store.history() {
        assert!(!record.to_json().expose_secret().contains(PASSWORD));
        assert!(!record.to_json().expose_secret().contains(CLIENT_SECRET));
    }
}

#[tokio::test(start_paused = true)]
async fn login_from_elsewhere_is_saved_when_that_is_asked_for() {
    let household = Household::new();
    let token = household.issuer.mint_refresh_token(USERNAME);
    let tokens = TokenSet::new("from-elsewhere").unwrap().with_lifetime(600 * SECOND).with_refresh_token(&*token);
    household.issuer.accept("from-elsewhere");
    let session =
        Session::builder(household.stored()).store(household.store.clone(), KEY).record(tokens).unwrap().build();
    session.save().await.unwrap();
    let record = household.store.record(KEY).unwrap();
    assert_eq!(record.refresh_token().unwrap().expose_secret(), token);
    // Twice is once.
    session.save().await.unwrap();
    assert_eq!(household.store.history().len(), 1);

    let process = household.process(household.stored());
    assert_eq!(process.status_of_a_call().await, 200);
    assert_eq!(household.issuer.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn record_alone_goes_on_without_a_token_request_and_says_so_of_nothing_else() {
    let household = Household::new();
    let process = household.process_with(Session::new(household.password()));
    assert!(process.session.record().is_none());
    process.get().await.unwrap();
    let text = process.session.record().unwrap().to_json();
    let record = Record::from_json(text.expose_secret()).unwrap();
    let again = Session::builder(household.password()).record(record.clone()).unwrap().build();
    let again = household.process_with(again);
    assert_eq!(again.status_of_a_call().await, 200);
    assert_eq!(household.issuer.token_requests(), 1);
    // At its end the refresh token is redeemed, not the password.
    advance(3601 * SECOND).await;
    assert_eq!(again.status_of_a_call().await, 200);
    assert_eq!(household.issuer.last_request().grant_type(), "refresh_token");
    // One that has expired on the shelf is not tried.
    let late = household.process_with(Session::builder(household.password()).record(record).unwrap().build());
    assert_eq!(late.session.status(), Status::Idle);
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_nothing_was_done_with_yet_is_saved_when_that_is_asked_for() {
    let household = Household::new();
    let token = household.issuer.mint_refresh_token(USERNAME);
    household.process(RefreshTokenGrant::new(household.issuer.endpoint(), &*token)).session.save().await.unwrap();
    assert_eq!(household.store.record(KEY).unwrap().refresh_token().unwrap().expose_secret(), token);
    let later = household.issuer.mint_refresh_token(USERNAME);
    let process = household.process(household.stored());
    process.session.login(RefreshTokenGrant::new(household.issuer.endpoint(), &*later));
    process.session.save().await.unwrap();
    assert_eq!(household.store.record(KEY).unwrap().refresh_token().unwrap().expose_secret(), later);

    // One that goes on, and not one that begins, has nothing to say over another owner's record.
    let stranger = Session::builder(household.stored()).store(household.store.clone(), KEY).owner("bob").build();
    let error = stranger.save().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Store && error.to_string().contains("another owner"), "{error}");
}
