//! A credential that the server refuses is sent by all processes together no more often than one of them would send it.

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{Record, Status};

use super::world::*;
use crate::support::*;

/// Calls of all of them, second after second.
async fn calls(fleet: &[Process], seconds: usize) {
    for _ in 0..seconds {
        for process in fleet {
            let _ = process.get().await;
        }
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn password_that_was_changed_is_sent_by_a_fleet_no_more_often_than_by_one_process() {
    let mut sends = Vec::new();
    for size in [1, 2, 8] {
        let household = Household::with_news();
        household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
        let fleet: Vec<_> = (0..size).map(|_| household.process(household.password())).collect();
        for process in &fleet {
            process.get().await.unwrap();
        }
        let before = household.issuer.token_requests_of("password");
        household.issuer.always_to("password", Answer::error(400, "invalid_grant"));
        household.issuer.revoke_all();
        calls(&fleet, 900).await;
        sends.push(household.issuer.token_requests_of("password") - before);
        assert!(fleet.iter().all(|process| process.is(Status::Refused)), "all know that it is certain");
    }
    assert_eq!(sends, [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn refusal_is_made_sure_of_by_another_process_where_the_first_one_has_died() {
    let household = Household::with_news();
    household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    let fleet = [household.process(household.password()), household.process(household.password())];
    for process in &fleet {
        process.get().await.unwrap();
    }
    household.issuer.always_to("password", Answer::error(400, "invalid_grant"));
    household.issuer.revoke_all();
    calls(&fleet[..1], 1).await;
    let [first, second] = fleet;
    drop(first);
    // So does one that begins later.
    let fleet = [second, household.process(household.password())];
    calls(&fleet, 58).await;
    assert_eq!(household.issuer.token_requests_of("password"), 2);
    assert!(fleet.iter().all(|process| !process.is(Status::Refused)), "nothing is certain yet");
    calls(&fleet, 10).await;
    assert_eq!(household.issuer.token_requests_of("password"), 3);
    assert!(fleet.iter().all(|process| process.is(Status::Refused)));
}

/// Its claims and refusals are written over the record of those who have one.
#[tokio::test(start_paused = true)]
async fn process_without_a_password_hands_on_what_others_know_of_theirs() {
    let household = Household::with_news();
    let (holder, other) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    other.get().await.unwrap();
    drop(holder);
    let now = MemoryStore::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let refusal = format!(r#""trials":{{"unsure":{{"at":{now},"again":{},"times":1}},"#, now + 60.0);
    let text = household.store.record(KEY).unwrap().to_json();
    household.store.put(KEY, Record::from_json(&text.expose_secret().replace(r#""trials":{"#, &refusal)).unwrap());
    household.issuer.always_to("refresh_token", Answer::error(503, "temporarily_unavailable"));
    household.issuer.revoke_all();
    calls(&[other], 5).await;
    assert!(household.issuer.token_requests_of("refresh_token") > 0);
    assert!(household.store.record(KEY).unwrap().to_json().expose_secret().contains(r#""unsure":"#));
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_was_refused_is_sent_by_a_fleet_no_more_often_than_by_one_process() {
    let mut sends = Vec::new();
    for size in [1, 2, 8] {
        let household = Household::with_news();
        let first = household.logged_in().await;
        let mut fleet: Vec<_> = (1..size).map(|_| household.process(household.stored())).collect();
        fleet.push(first);
        for process in &fleet {
            process.get().await.unwrap();
        }
        let before = household.issuer.token_requests_of("refresh_token");
        household.issuer.revoke_refresh_tokens();
        household.issuer.revoke_all();
        calls(&fleet, 300).await;
        sends.push(household.issuer.token_requests_of("refresh_token") - before);
        assert!(fleet.iter().all(|process| process.is(Status::Refused)), "all know that it is certain");
    }
    assert_eq!(sends, [2, 2, 2]);
}
