//! A store that loses its newest writes, or answers with what stood there before.

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ErrorKind, News, Record, Status, Version};

use super::world::*;
use crate::support::*;

/// Two processes of one login, of which the second was not there when the first one renewed: what it holds and the record are of
/// the version before.
async fn fail_over(household: &Household) -> (Process, Process, Record) {
    let (one, two) = (household.logged_in().await, household.process(household.stored()));
    two.get().await.unwrap();
    let old = household.store.record(KEY).unwrap();
    household.store.messages(Messages::GetLost);
    household.issuer.revoke_all();
    one.get().await.unwrap();
    household.store.put(KEY, old.clone());
    household.store.messages(Messages::Arrive);
    (one, two, old)
}

fn refresh_token(process: &Process) -> String {
    process.session.record().unwrap().refresh_token().unwrap().expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn lower_version_is_never_news_and_whoever_has_the_newer_pair_spends_that() {
    let household = Household::with_news();
    let (one, _two, old) = fail_over(&household).await;
    let newest = one.session.record().unwrap().version();
    household.store.tell(KEY, News::Saved(old.version()));
    settled().await;
    assert_eq!(household.store.record(KEY).unwrap().version(), newest, "it is written back at once");
    household.store.put(KEY, old);
    household.issuer.revoke_all();
    assert_eq!(one.status_of_a_call().await, 200);
    assert!(household.store.record(KEY).unwrap().version() > newest);
    assert_eq!(household.issuer.dead_refresh_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn pair_that_the_store_lost_is_written_back_at_the_next_look() {
    for whole in [false, true] {
        let household = Household::with_news();
        let (one, two, _) = fail_over(&household).await;
        if whole {
            household.store.lose(KEY);
        }
        let mut api = one.api();
        for _ in 0..2 {
            advance(2 * SECOND).await;
            call(&mut api, get("/orders")).await.unwrap();
            settled().await;
        }
        let newest = one.session.record().unwrap().version();
        assert_eq!(household.store.record(KEY).unwrap().version(), newest);
        assert_eq!(two.session.record().unwrap().version(), newest, "and the others hear of it");
    }
}

/// As after a lost connection, or a fail-over.
#[tokio::test(start_paused = true)]
async fn process_that_may_have_missed_something_looks_within_a_second() {
    let household = Household::with_news();
    let (one, two, _) = fail_over(&household).await;
    let newest = one.session.record().unwrap().version();
    household.store.tell(KEY, News::Missed);
    settled().await;
    advance(SECOND).await;
    settled().await;
    assert_eq!(household.store.record(KEY).unwrap().version(), newest);
    // It may have looked a moment ago, and then there is a pause before it looks again.
    for _ in 0..3 {
        advance(SECOND / 10).await;
        settled().await;
    }
    assert_eq!(two.session.record().unwrap().version(), newest);
}

#[tokio::test(start_paused = true)]
async fn claim_on_an_older_pair_is_news_to_whoever_has_the_newer_one() {
    let household = Household::with_news();
    let (one, two, _) = fail_over(&household).await;
    // The server keeps an old refresh token from being spent as long as the claim takes to be heard of.
    household.issuer.next(Answer::error(400, "invalid_grant").after(SECOND / 10));
    assert_eq!(two.status_of_a_call().await, 200);
    assert_eq!(refresh_token(&one), refresh_token(&two));
    assert_eq!(household.issuer.dead_refresh_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_pairs_of_one_number_all_choose_the_same() {
    for higher in [true, false] {
        let household = Household::with_news();
        let process = household.logged_in().await;
        household.issuer.revoke_all();
        process.get().await.unwrap();
        let own = process.session.record().unwrap();
        let random = if higher { u64::MAX } else { 0 };
        let version = Version::from_parts(own.version().epoch(), own.version().number(), random);
        let text = own.to_json();
        let text = text.expose_secret().replace(&format!("{:016x}", own.version().random()), &format!("{random:016x}"));
        let other = Record::from_json(&text).unwrap();
        assert_eq!(other.version(), version);
        household.store.put(KEY, other);
        household.store.tell(KEY, News::Saved(version));
        settled().await;
        let chosen = if higher { version } else { own.version() };
        assert_eq!(household.store.record(KEY).unwrap().version(), chosen);
        assert_eq!(process.session.record().unwrap().version(), chosen);
    }
}

#[tokio::test(start_paused = true)]
async fn stale_answers_cost_no_second_request() {
    for stale in 1..4 {
        let household = Household::with_news();
        let (one, two) = (household.logged_in().await, household.process(household.stored()));
        two.get().await.unwrap();
        for _ in 0..3 {
            household.store.messages(Messages::GetLost);
            household.issuer.revoke_all();
            assert_eq!(one.status_of_a_call().await, 200);
            household.store.loads_are_stale(stale);
            assert_eq!(two.status_of_a_call().await, 200);
            household.store.loads_are_stale(0);
            household.issuer.revoke_all();
            household.store.loads_are_stale(stale);
            assert_eq!(one.status_of_a_call().await, 200);
            household.store.loads_are_stale(0);
        }
        assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (1 + 6, 0), "{stale}");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_answer_does_not_make_a_stored_refresh_token_anybodys_own() {
    for lost in [false, true] {
        let household = Household::with_news();
        let (one, two) = (household.logged_in().await, household.process(household.stored()));
        two.get().await.unwrap();
        household.issuer.revoke_all();
        one.get().await.unwrap();
        settled().await;
        // Both have the same pair; and this one sees that it is not in the store, or so it seems.
        if lost {
            household.store.lose(KEY);
        } else {
            household.store.loads_are_stale(1);
        }
        household.store.fails(Fails::Saves);
        household.issuer.revoke_all();
        assert_eq!(two.status_of_a_call().await, 401);
        assert_eq!(household.issuer.token_requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn pair_whose_save_may_have_been_done_is_not_spent_without_the_store() {
    let household = Household::with_news();
    let (one, two) = (household.logged_in().await, household.process(household.stored()));
    two.get().await.unwrap();
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().with_refresh_token().expires_in(3600).delivered_behind(&gate));
    let call = tokio::spawn({
        let one = one.clone();
        async move { one.status_of_a_call().await }
    });
    never_hangs(household.issuer.arrived(2)).await;
    // It is saved, and the connection breaks before the answer to that.
    household.store.fails(Fails::Answers);
    gate.open();
    assert_eq!(call.await.unwrap(), 200);
    household.store.fails(Fails::Everything);
    household.issuer.revoke_all();
    assert_eq!(one.status_of_a_call().await, 401);
    assert_eq!(household.issuer.token_requests(), 2);
    household.store.fails(Fails::Nothing);
    advance(6 * SECOND).await;
    assert_eq!((two.status_of_a_call().await, one.status_of_a_call().await), (200, 200));
    assert_eq!((household.issuer.token_requests(), household.issuer.dead_refresh_tokens()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn mark_that_the_store_lost_brings_nobody_back() {
    let household = Household::with_news();
    let (one, two) = (household.logged_in().await, household.process(household.stored()));
    two.get().await.unwrap();
    let record = household.store.record(KEY).unwrap();
    one.session.logout().await.unwrap();
    settled().await;
    household.store.put(KEY, record);
    for process in [&one, &two] {
        assert_eq!(process.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
    }
    // Whoever starts now finds tokens that the server has revoked.
    let next = household.process(household.stored());
    for _ in 0..2 {
        assert_eq!(next.status_of_a_call().await, 401);
        advance(3 * SECOND).await;
    }
    assert!(next.is(Status::Refused));
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_the_lease_reads_again_before_anything_is_sent() {
    let household = Household::with_news();
    let (one, two) = (household.logged_in().await, household.process(household.stored()));
    two.get().await.unwrap();
    household.store.messages(Messages::GetLost);
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.store.hold(Step::Lease, &gate);
    let call = tokio::spawn({
        let two = two.clone();
        async move { two.status_of_a_call().await }
    });
    // It has looked, and found nothing new.
    never_hangs(gate.arrived(1)).await;
    assert_eq!(one.status_of_a_call().await, 200);
    let saves = household.store.history().len();
    gate.open();
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(household.issuer.token_requests(), 2);
    assert_eq!(household.store.history().len(), saves, "not even a claim");
}
