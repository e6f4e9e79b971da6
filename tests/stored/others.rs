//! Several processes that begin, fail or lose something together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures::future::join_all;
use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ClientCredentialsGrant, ErrorKind, Record, RenewAhead, Session, Status, TokenSet, grant_fn};

use super::world::*;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn eight_processes_that_begin_after_a_logout_make_one_request() {
    let household = Household::new();
    household.logged_in().await.session.logout().await.unwrap();
    advance(SECOND).await;
    household.issuer.always(Answer::tokens().with_refresh_token().expires_in(3600).after(SECOND));
    let processes: Vec<_> = (0..8).map(|_| household.process(household.password())).collect();
    let statuses = join_all(processes.iter().map(Process::status_of_a_call)).await;
    assert_eq!((statuses, household.issuer.token_requests()), (vec![200; 8], 2));
}

#[tokio::test(start_paused = true)]
async fn wrong_password_is_sent_once_again_by_all_after_fifteen_minutes() {
    let household = Household::new();
    household.issuer.always_to("password", Answer::error(400, "invalid_grant"));
    let processes: Vec<_> = (0..8).map(|_| household.process(household.password())).collect();
    for round in 1..5 {
        for failed in join_all(processes.iter().map(Process::get)).await {
            assert_eq!(failed.unwrap_err().kind(), ErrorKind::Refused);
        }
        assert_eq!(household.issuer.token_requests(), round);
        advance(901 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn process_that_began_without_the_store_does_not_end_the_others() {
    let household = Household::new();
    let one = household.process(household.password());
    one.get().await.unwrap();
    advance(SECOND).await;
    household.store.fails(Fails::Everything);
    let two = household.process(household.password());
    assert_eq!(two.status_of_a_call().await, 200);
    household.store.fails(Fails::Nothing);
    advance(10 * SECOND).await;
    assert!(two.session.shutdown(60 * SECOND).await);
    household.issuer.revoke_all();
    assert_eq!(two.status_of_a_call().await, 200);
    assert_eq!(one.status_of_a_call().await, 200);
    assert!(one.is(Status::Active) && two.is(Status::Active));
}

#[tokio::test(start_paused = true)]
async fn record_of_another_owner_is_a_clear_error_and_nothing_is_sent() {
    let household = Household::new();
    let named = |name: &str| {
        let builder = Session::builder(household.password()).store(household.store.clone(), KEY);
        household.process_with(builder.owner(name).build())
    };
    named("alice").get().await.unwrap();
    let bob = named("bob");
    for _ in 0..5 {
        assert_eq!(bob.get().await.unwrap_err().kind(), ErrorKind::Store);
        advance(61 * SECOND).await;
    }
    assert_eq!(household.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn closure_is_not_given_a_stored_refresh_token_without_the_store() {
    let household = Household::new();
    let given = Arc::new(AtomicUsize::new(0));
    let session = || {
        let given = given.clone();
        let grant = grant_fn(move |context| {
            given.fetch_add(context.refresh_token().map_or(0, |_| 1), Relaxed);
            async { Ok(TokenSet::new("a-token")?.with_refresh_token("stored")) }
        });
        Session::builder(grant).store(household.store.clone(), KEY).build()
    };
    session().token().await.unwrap();
    let process = household.process_with(session());
    // The resource does not know the token.
    assert_eq!(process.status_of_a_call().await, 401);
    assert_eq!(given.load(Relaxed), 1);
    household.store.fails(Fails::Everything);
    advance(61 * SECOND).await;
    assert_eq!(process.status_of_a_call().await, 401);
    assert_eq!(given.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn session_that_is_kept_alive_goes_on_after_news() {
    let household = Household::new();
    household.logged_in().await;
    let builder = Session::builder(household.stored()).store(household.store.clone(), KEY);
    let one = household.process_with(builder.renew_ahead(RenewAhead::Always).build());
    let two = household.process(household.stored());
    one.get().await.unwrap();
    two.get().await.unwrap();
    advance(2000 * SECOND).await;
    household.issuer.revoke_all();
    two.get().await.unwrap();
    // Traffic brings the news; the older token still works.
    household.issuer.accept(&household.issuer.access_tokens()[0]);
    let mut api = one.api();
    call(&mut api, get("/orders")).await.unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(one.session.record().unwrap().version() == two.session.record().unwrap().version());
    assert_eq!(household.issuer.token_requests(), 2);
    drop((two, api));
    tokio::time::sleep(10_000 * SECOND).await;
    assert!(household.issuer.token_requests() >= 4, "{}", household.issuer.token_requests());
}

#[tokio::test(start_paused = true)]
async fn record_that_the_store_lost_is_written_again_within_thirty_seconds_of_traffic() {
    for older in [true, false] {
        let household = Household::new();
        let process = household.logged_in().await;
        let old = household.store.record(KEY).unwrap();
        household.issuer.revoke_all();
        process.get().await.unwrap();
        let newest = household.store.record(KEY).unwrap().version();
        if older {
            household.store.put(KEY, old);
        } else {
            household.store.lose(KEY);
        }
        let mut api = process.api();
        for _ in 0..16 {
            advance(2 * SECOND).await;
            call(&mut api, get("/orders")).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(process.session.shutdown(60 * SECOND).await);
        assert_eq!(household.store.record(KEY).map(|record| record.version()), Some(newest));
    }
}

#[tokio::test(start_paused = true)]
async fn restored_session_is_kept_alive_without_a_call() {
    let household = Household::new();
    let record = household.logged_in().await.session.record().unwrap();
    let builder = Session::builder(household.stored()).store(household.store.clone(), KEY);
    let _session = builder.renew_ahead(RenewAhead::Always).record(record).unwrap().build();
    tokio::time::sleep(10_000 * SECOND).await;
    assert!(household.issuer.token_requests() >= 4, "{}", household.issuer.token_requests());
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_a_dead_process_may_have_spent_stays_in_doubt_after_a_failure() {
    for other in [false, true] {
        let household = Household::new();
        household.process(household.password()).get().await.unwrap();
        let text = household.store.record(KEY).unwrap().to_json().expose_secret().to_owned();
        let now = MemoryStore::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claim = format!(r#""spending":{{"by":"00000000000000aa","since":{},"until":{}}}"#, now - 200, now - 100);
        let text = format!("{},{claim}}}", text.strip_suffix('}').unwrap());
        household.store.put(KEY, Record::from_json(&text).unwrap());
        household.issuer.revoke_all();
        let process = household.process(household.password());
        household.issuer.next(Answer::error(503, "temporarily_unavailable"));
        assert_eq!(process.status_of_a_call().await, 401);
        advance(61 * SECOND).await;
        let next = if other { household.process(household.password()) } else { process };
        assert_eq!(next.status_of_a_call().await, 200);
        assert_eq!(household.issuer.token_requests_of("refresh_token"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn claim_of_a_clock_that_was_an_hour_ahead_holds_nobody_up_for_an_hour() {
    let household = Household::new();
    household.logged_in().await;
    for ahead in [30, 3600] {
        let text = household.store.record(KEY).unwrap().to_json().expose_secret().to_owned();
        let since = MemoryStore::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + ahead;
        let claim = format!(r#""spending":{{"by":"00000000000000aa","since":{since},"until":{}}}"#, since + 120);
        let record = Record::from_json(&format!("{},{claim}}}", text.strip_suffix('}').unwrap())).unwrap();
        household.store.put(KEY, record);
        household.issuer.revoke_all();
        let process = household.process(household.stored());
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(process.status_of_a_call().await);
            advance(30 * SECOND).await;
        }
        assert!(statuses.contains(&200), "{ahead}: {statuses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn client_secret_that_was_refused_is_tried_again_after_a_minute_as_without_a_store() {
    let household = Household::new();
    let process = household.process(ClientCredentialsGrant::new(household.issuer.endpoint()));
    household.issuer.next(Answer::error(401, "invalid_client"));
    assert!(process.get().await.is_err());
    advance(61 * SECOND).await;
    assert_eq!(process.status_of_a_call().await, 200);
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_was_refused_is_not_left_to_others() {
    let household = Household::new();
    let process = household.process(household.password());
    process.get().await.unwrap();
    household.issuer.revoke_refresh_tokens();
    household.issuer.revoke_all();
    household.issuer.always_to("password", Answer::tokens().without_refresh_token().expires_in(3600));
    assert_eq!(process.status_of_a_call().await, 200);
    assert!(household.store.record(KEY).unwrap().refresh_token().is_none());
}
