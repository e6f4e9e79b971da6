//! What others say costs little, however much they say.

use tokio::time::advance;
use tower_reauth::{News, Version};

use super::world::*;

#[tokio::test(start_paused = true)]
async fn words_that_follow_each_other_lead_to_ten_looks_in_a_second() {
    let household = Household::with_news();
    let _process = household.logged_in().await;
    let before = household.store.loads();
    for number in 0..10_000 {
        household.store.tell(KEY, News::Saved(Version::from_parts(1, number, 1)));
        settled().await;
        advance(SECOND / 10_000).await;
    }
    let loads = household.store.loads() - before;
    assert!((10..=11).contains(&loads), "{loads}");
}

#[tokio::test(start_paused = true)]
async fn those_who_may_have_missed_something_do_not_look_all_at_once() {
    let household = Household::with_news();
    let mut fleet = vec![household.logged_in().await];
    fleet.extend((1..50).map(|_| household.process(household.stored())));
    for process in &fleet {
        process.get().await.unwrap();
    }
    let mut loads = vec![household.store.loads()];
    household.store.tell(KEY, News::Missed);
    for _ in 0..10 {
        settled().await;
        loads.push(household.store.loads());
        advance(SECOND / 10).await;
    }
    settled().await;
    loads.push(household.store.loads());
    assert_eq!(loads[11] - loads[0], 50);
    assert!(loads.windows(2).all(|pair| pair[1] - pair[0] < 25), "{loads:?}");
}

#[tokio::test(start_paused = true)]
async fn session_that_looks_when_it_is_logged_out_does_not_listen_again() {
    let household = Household::with_news();
    let process = household.logged_in().await;
    settled().await;
    assert_eq!(household.store.ears(), 1);
    advance(60 * SECOND).await;
    process.get().await.unwrap();
    process.session.logout().await.unwrap();
    settled().await;
    assert_eq!(household.store.ears(), 0);
}
