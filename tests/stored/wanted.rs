//! Holders of a credential renew for whoever asks: also where they missed something, and not without end.

use tokio::time::{Instant, advance};
use tower_reauth::{News, Session};

use super::world::*;
use crate::support::*;

fn without_refresh_token() -> Household {
    let household = Household::with_news();
    household.issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    household
}

#[tokio::test(start_paused = true)]
async fn holder_that_missed_a_save_looks_and_renews() {
    let household = without_refresh_token();
    let (one, two) = (household.process(household.password()), household.process(household.password()));
    let asker = household.process(household.stored());
    for process in [&one, &two, &asker] {
        process.get().await.unwrap();
    }
    // The first one's subscription is just being made anew.
    household.store.messages(Messages::GetLost);
    household.issuer.revoke_all();
    assert_eq!((two.status_of_a_call().await, asker.status_of_a_call().await), (200, 200));
    household.store.messages(Messages::Arrive);
    drop(two);
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!((asker.status_of_a_call().await, began.elapsed()), (200, AT_ONCE));
}

#[tokio::test(start_paused = true)]
async fn replica_that_asks_without_end_makes_one_renewal_in_four_seconds() {
    let household = without_refresh_token();
    let builder = Session::builder(household.password()).store(household.store.clone(), KEY);
    let holder = household.process_with(builder.renewals_per_minute(None).build());
    holder.get().await.unwrap();
    let before = household.issuer.token_requests();
    for _ in 0..600 {
        household.store.tell(KEY, News::Wanted(holder.session.record().unwrap().version()));
        settled().await;
        advance(SECOND / 10).await;
    }
    assert_eq!(household.issuer.token_requests() - before, 15);
    // And its own renewals still work.
    household.issuer.revoke_all();
    assert_eq!(holder.status_of_a_call().await, 200);
}

#[tokio::test(start_paused = true)]
async fn token_that_dies_again_at_once_is_renewed_for_whoever_asks_when_it_is_their_turn() {
    let household = Household::with_news();
    let (holder, asker) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    asker.get().await.unwrap();
    for _ in 0..3 {
        household.issuer.revoke_refresh_tokens();
        household.issuer.revoke_all();
        assert_eq!(asker.status_of_a_call().await, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_that_others_have_begun_is_waited_for_longer_than_for_a_sign_of_life() {
    let household = Household::with_news();
    let (holder, asker) = (household.process(household.password()), household.process(household.stored()));
    holder.get().await.unwrap();
    asker.get().await.unwrap();
    household.issuer.always_to("password", Answer::tokens().expires_in(3600).after(7 * SECOND));
    household.issuer.revoke_refresh_tokens();
    household.issuer.revoke_all();
    let began = Instant::now();
    assert_eq!((asker.status_of_a_call().await, began.elapsed()), (200, 7 * SECOND));
}
