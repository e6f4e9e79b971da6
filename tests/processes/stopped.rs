//! A process is stopped in the middle of a renewal, and goes on when another one has renewed.

use std::sync::Arc;

use rustix::process::Signal;
use secrecy::ExposeSecret;
use tower_reauth::FileStore;

use super::process_support::{Folder, Holds, child::Child, fault::Step, front::Front, issuer::Issuer, session};

/// What a process says that is stopped at this step, and the token that another one has by then. `requests` were sent in all.
async fn stop_at(step: Step, holds: Holds, requests: &[&str]) -> (String, String) {
    let (front, folder) = (Front::apart(Arc::new(Issuer::default())), Folder::new());
    let tokens = front.log_in().await;
    let process = |tokens| {
        let store = FileStore::open(&*folder).unwrap();
        session(holds, front.endpoint_without_socket(), store, |settings| settings.tokens.clone_from(&tokens))
    };
    process(Some(tokens)).save().await.unwrap();

    let mut child = Child::new("stop while renewing", &folder, &front.url, holds, Some(step));
    child.says("at the step");
    child.signal(Signal::STOP);

    // Its clock is stopped, and goes on by as much as it waits.
    let other = process(None);
    let found = other.token().await.unwrap();
    let renewed = other.renew(found.generation()).await.unwrap();

    child.signal(Signal::CONT);
    child.go_on();
    let said = child.says("");
    child.go_on();
    assert_eq!(child.says("called"), "Ok(200)");
    let asked: Vec<_> = front.asked().into_iter().map(|asked| asked.grant_type).collect();
    assert_eq!(asked, requests);
    // And the login lives.
    other.renew(renewed.generation()).await.unwrap();
    assert!(!front.saw_one_twice());
    (said, renewed.token_set().access_token().expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn process_stopped_with_the_lease_is_passed_over_and_adopts_when_it_goes_on() {
    let (said, renewed) = stop_at(Step::AfterTheLease, Holds::Nothing, &["refresh_token"]).await;
    assert_eq!(said, format!("has {renewed}"));
}

#[tokio::test(start_paused = true)]
async fn process_stopped_after_its_claim_sends_nothing_when_it_goes_on() {
    let (said, _) = stop_at(Step::AfterTheClaim, Holds::Nothing, &["refresh_token"]).await;
    assert!(said.starts_with("failed the renewal did not end within its limit"), "{said}");
}

/// Nobody but itself has the pair that it brings, and others have begun anew by then: one of the two is what all go on with.
#[tokio::test(start_paused = true)]
async fn process_stopped_before_its_save_and_its_heir_go_on_with_one_login() {
    stop_at(Step::BeforeTheSave, Holds::Password, &["refresh_token", "password"]).await;
}
