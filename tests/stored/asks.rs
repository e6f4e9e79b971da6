//! A process without a credential of its own asks those that have one.

use secrecy::ExposeSecret;
use tokio::time::{Instant, advance};
use tower_reauth::{ErrorKind, News, PasswordGrant, Record, Session, Status, Version};

use super::world::*;
use crate::support::*;

/// A process with the password, one that has only what the store keeps, and no refresh token: the server gives none.
async fn without_refresh_token(household: &Household) -> (Process, Process) {
    household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    let (holder, asker) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    asker.get().await.unwrap();
    (holder, asker)
}

#[tokio::test(start_paused = true)]
async fn holder_of_the_password_renews_for_whoever_asks_and_all_calls_are_replayed() {
    let household = Household::with_news();
    let (holder, asker) = without_refresh_token(&household).await;
    household.issuer.revoke_all();
    let began = Instant::now();
    let calls = (0..20).map(|_| asker.status_of_a_call());
    assert_eq!(futures::future::join_all(calls).await, [200; 20]);
    assert_eq!(began.elapsed(), AT_ONCE);
    assert_eq!((household.issuer.token_requests(), household.store.asks().len()), (2, 1));
    assert_eq!(household.issuer.last_request().grant_type(), "password");
    assert_eq!(holder.session.record().unwrap().version(), asker.session.record().unwrap().version());
    assert!(!household.store.is_leased(KEY));
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_was_refused_is_not_sent_by_the_holder_as_well() {
    let household = Household::with_news();
    let (holder, asker) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    asker.get().await.unwrap();
    let statuses = asker.session.subscribe();
    household.issuer.revoke_refresh_tokens();
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!((asker.status_of_a_call().await, began.elapsed()), (200, AT_ONCE));
    assert_eq!(household.issuer.token_requests_of("refresh_token"), 1);
    assert_eq!(household.issuer.token_requests_of("password"), 2);
    assert!(asker.is(Status::Active) && !statuses.has_changed().unwrap(), "it was never refused");
}

#[tokio::test(start_paused = true)]
async fn refusal_that_nobody_has_something_better_for_is_made_sure_of() {
    let household = Household::with_news();
    let (asker, other) = (household.logged_in().await, household.process(household.stored()));
    other.get().await.unwrap();
    household.issuer.revoke_refresh_tokens();
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!((asker.status_of_a_call().await, began.elapsed()), (401, 5 * SECOND));
    assert!(!asker.is(Status::Refused), "nothing is certain yet");
    advance(2 * SECOND).await;
    assert_eq!(asker.status_of_a_call().await, 401);
    assert!(asker.is(Status::Refused));
}

/// As after a process that died in the middle of a renewal.
#[tokio::test(start_paused = true)]
async fn refresh_token_that_a_dead_process_may_have_spent_is_sent_only_if_nobody_has_something_better() {
    for has_holder in [true, false] {
        let household = Household::with_news();
        let (holder, asker) = (household.process(household.password()), household.process(household.stored()));
        holder.get().await.unwrap();
        asker.get().await.unwrap();
        let session = Session::builder(household.stored()).store(household.store.clone(), KEY);
        let dead = household.process_with(session.renewal_limit(2 * SECOND).build());
        household.issuer.next(Answer::never());
        household.issuer.revoke_all();
        assert_eq!(dead.status_of_a_call().await, 401);
        drop(dead);
        if !has_holder {
            drop(holder);
        }
        let refreshed = household.issuer.token_requests_of("refresh_token");
        assert_eq!(asker.status_of_a_call().await, 200);
        let sent = household.issuer.token_requests_of("refresh_token") - refreshed;
        assert_eq!((sent, household.store.asks().len()), (usize::from(!has_holder), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_holds_neither_lease_nor_claim() {
    let household = Household::with_news();
    let (_holder, asker) = without_refresh_token(&household).await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.store.hold(Step::Ask, &gate);
    let call = tokio::spawn(async move { asker.status_of_a_call().await });
    never_hangs(gate.arrived(1)).await;
    assert!(!household.store.is_leased(KEY));
    assert!(
        household.store.record(KEY).unwrap().claim(MemoryStore::now()).is_none_or(|claim| claim.until <= claim.since)
    );
    gate.open();
    assert_eq!(call.await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn whoever_learns_of_a_refusal_under_the_lease_gives_it_back_before_asking() {
    let household = Household::with_news();
    let (_holder, asker) = (household.process(household.password()), household.process(household.stored()));
    _holder.get().await.unwrap();
    asker.get().await.unwrap();
    household.issuer.revoke_all();
    let (lease, ask) = (Gate::closed(), Gate::closed());
    household.store.hold(Step::Lease, &lease);
    let call = tokio::spawn(async move { asker.status_of_a_call().await });
    never_hangs(lease.arrived(1)).await;
    // Another process is refused meanwhile.
    let now = MemoryStore::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let refusal = format!(r#""trials":{{"refresh_token":{{"at":{now},"again":{},"times":1}},"#, now + 2.0);
    let text = household.store.record(KEY).unwrap().to_json();
    let text = text.expose_secret().replace(r#""trials":{"#, &refusal);
    household.store.put(KEY, Record::from_json(&text).unwrap());
    household.store.hold(Step::Ask, &ask);
    lease.open();
    never_hangs(ask.arrived(1)).await;
    assert!(!household.store.is_leased(KEY));
    ask.open();
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(household.issuer.token_requests_of("refresh_token"), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_answers_is_waited_for_five_seconds_and_asked_less_and_less_often() {
    let household = Household::with_news();
    let (holder, asker) = without_refresh_token(&household).await;
    let _other = household.process(household.stored());
    _other.get().await.unwrap();
    drop(holder);
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!(asker.status_of_a_call().await, 401);
    assert_eq!((began.elapsed(), household.store.asks().len()), (5 * SECOND, 1));
    assert!(asker.is(Status::Refused));
    let mut asked = vec![0];
    while began.elapsed() < 600 * SECOND {
        advance(SECOND).await;
        let before = household.store.asks().len();
        let now = began.elapsed().as_secs();
        assert_eq!(asker.status_of_a_call().await, 401);
        asked.extend((before < household.store.asks().len()).then_some(now));
    }
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && pauses.last().is_some_and(|last| (60..=67).contains(last)), "{pauses:?}");
    assert!(asked.len() < 16, "{asked:?}");
    assert_eq!(household.issuer.token_requests(), 1);
    // A process with the password that starts now begins with its own.
    assert_eq!(household.process(household.password()).status_of_a_call().await, 200);
    settled().await;
    assert!(asker.is(Status::Active));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_have_heard_it_nobody_is_waited_for() {
    for household in [Household::new(), Household::with_news()] {
        let (holder, asker) = without_refresh_token(&household).await;
        drop(holder);
        household.issuer.revoke_all();
        let began = Instant::now();
        assert_eq!(asker.status_of_a_call().await, 401);
        assert_eq!(began.elapsed(), AT_ONCE);
        assert!(asker.is(Status::Refused));
    }
}

#[tokio::test(start_paused = true)]
async fn answer_is_waited_for_no_longer_than_a_renewal_may_take() {
    let household = Household::with_news();
    household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    let (holder, other) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    other.get().await.unwrap();
    drop(holder);
    let session = Session::builder(household.stored()).store(household.store.clone(), KEY).renewal_limit(2 * SECOND);
    let asker = household.process_with(session.build());
    asker.get().await.unwrap();
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!(asker.status_of_a_call().await, 401);
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn wrong_password_is_sent_no_more_often_for_being_asked_for() {
    let household = Household::with_news();
    let (holder, asker) = without_refresh_token(&household).await;
    household.issuer.always_to("password", Answer::error(400, "invalid_grant"));
    household.issuer.revoke_all();
    for _ in 0..600 {
        let _ = asker.get().await;
        advance(SECOND).await;
    }
    let asked = household.issuer.token_requests();
    assert!(household.store.asks().len() > 5);
    assert_eq!((holder.status_of_a_call().await, asker.status_of_a_call().await), (401, 401));
    assert!(asker.is(Status::Refused));
    // As many as the holder sends by itself: once, and again to make sure.
    assert_eq!(asked, 1 + 2);
}

#[tokio::test(start_paused = true)]
async fn renewals_for_others_are_damped_like_the_holders_own() {
    let household = Household::with_news();
    household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    let builder = Session::builder(household.password()).store(household.store.clone(), KEY);
    let holder = household.process_with(builder.renewals_per_minute(Some(3)).build());
    let asker = household.process(household.stored());
    holder.get().await.unwrap();
    asker.get().await.unwrap();
    let began = Instant::now();
    while began.elapsed() < 50 * SECOND {
        household.issuer.revoke_all();
        let _ = asker.get().await;
        advance(SECOND).await;
    }
    assert_eq!(household.issuer.token_requests(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn older_version_or_another_login_is_not_renewed() {
    let household = Household::with_news();
    let (_holder, asker) = without_refresh_token(&household).await;
    let old = household.store.record(KEY).unwrap().version();
    household.issuer.revoke_all();
    asker.get().await.unwrap();
    for version in [old, Version::from_parts(old.epoch() + 1, 1, 1), Version::from_parts(old.epoch(), 9, 9)] {
        household.store.tell(KEY, News::Wanted(version));
        settled().await;
    }
    assert_eq!(household.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_holders_and_a_request_that_comes_again_make_one_renewal() {
    let household = Household::with_news();
    let (_holder, asker) = without_refresh_token(&household).await;
    let second = household.process(PasswordGrant::new(household.issuer.endpoint(), USERNAME, PASSWORD));
    second.get().await.unwrap();
    household.store.messages(Messages::Repeat(3));
    household.issuer.next(Answer::tokens().without_refresh_token().expires_in(3600).after(SECOND));
    household.issuer.revoke_all();
    assert_eq!(asker.status_of_a_call().await, 200);
    settled().await;
    assert_eq!(household.issuer.token_requests(), 2);
    assert_eq!(second.session.record().unwrap().version(), asker.session.record().unwrap().version());
}

#[tokio::test(start_paused = true)]
async fn logout_while_others_are_asked_ends_the_wait() {
    let household = Household::with_news();
    let (holder, asker) = without_refresh_token(&household).await;
    household.issuer.next(Answer::never());
    household.issuer.revoke_all();
    let call = tokio::spawn({
        let asker = asker.clone();
        async move { asker.status_of_a_call().await }
    });
    never_hangs(household.issuer.arrived(2)).await;
    let began = Instant::now();
    holder.session.logout().await.unwrap();
    assert_eq!((call.await.unwrap(), began.elapsed()), (401, AT_ONCE));
    assert!(asker.is(Status::LoggedOut));
}

#[tokio::test(start_paused = true)]
async fn answer_whose_word_is_lost_is_found_by_a_look() {
    let household = Household::with_news();
    let (_holder, asker) = without_refresh_token(&household).await;
    let gate = Gate::closed();
    household.issuer.next(Answer::tokens().without_refresh_token().expires_in(3600).delivered_behind(&gate));
    household.issuer.revoke_all();
    let call = tokio::spawn(async move { asker.status_of_a_call().await });
    never_hangs(household.issuer.arrived(2)).await;
    household.store.messages(Messages::GetLost);
    gate.open();
    let began = Instant::now();
    assert_eq!(call.await.unwrap(), 200);
    assert!(began.elapsed() <= SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn asking_that_fails_is_as_if_nobody_were_there() {
    let household = Household::with_news();
    let (_holder, asker) = without_refresh_token(&household).await;
    household.issuer.revoke_all();
    let gate = Gate::closed();
    household.store.hold(Step::Ask, &gate);
    let call = tokio::spawn({
        let asker = asker.clone();
        async move { asker.status_of_a_call().await }
    });
    never_hangs(gate.arrived(1)).await;
    household.store.fails(Fails::Everything);
    gate.open();
    let began = Instant::now();
    assert_eq!((call.await.unwrap(), began.elapsed()), (401, AT_ONCE));
    household.store.fails(Fails::Nothing);
    advance(2 * SECOND).await;
    assert_eq!(asker.status_of_a_call().await, 200);
    assert!(asker.is(Status::Active));
    assert_eq!(asker.session.logout().await.map_err(|error| error.kind()), Ok::<_, ErrorKind>(()));
}
