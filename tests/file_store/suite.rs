//! The suite of the feature `testing`: who passes, and that it finds each rule that is not kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tower_reauth::{FileStore, Record, StoreKey, store_fn, testing::check_store};

use super::{
    folder::{Folder, secret},
    memory::{Bug, Memory},
};

#[tokio::test]
async fn folder_keeps_the_rules() {
    let folder = Folder::new();
    let store = folder.store();
    check_store(&store, &store.clone()).await.unwrap();
}

#[tokio::test]
async fn folder_that_two_have_opened_keeps_the_rules() {
    let folder = Folder::new();
    check_store(&folder.store(), &folder.store()).await.unwrap();
}

#[tokio::test]
async fn encrypted_folder_keeps_the_rules() {
    let folder = Folder::new();
    let open = || FileStore::builder(&*folder).encrypt_with("a", secret(1)).naming_key(secret(2)).open().unwrap();
    check_store(&open(), &open()).await.unwrap();
}

#[tokio::test]
async fn closures_keep_the_rules() {
    let records = Arc::new(Mutex::new(HashMap::<StoreKey, Record>::new()));
    let saved = Arc::clone(&records);
    let store = store_fn(
        move |key: StoreKey| {
            let record = records.lock().unwrap().get(&key).cloned();
            async move { Ok(record) }
        },
        move |key, record| {
            saved.lock().unwrap().insert(key, record);
            async { Ok(()) }
        },
    );
    check_store(&store, &store).await.unwrap();
}

#[tokio::test]
async fn map_keeps_the_rules() {
    let store = Memory::default();
    check_store(&store, &store.clone()).await.unwrap();
}

async fn is_found(bug: Bug, rule: &str) {
    let store = Memory::with(bug);
    let found = check_store(&store, &store.clone()).await.expect_err("the suite finds it");
    assert!(found.starts_with(rule), "{bug:?}: {found}");
}

/// One test for each bug: its name, the bug, and the rule that must be named.
macro_rules! finds {
    ($($name:ident: $bug:ident, $rule:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            is_found(Bug::$bug, $rule).await;
        }
    )*};
}

finds! {
    store_that_finds_what_was_never_saved_is_found: FindsWhatWasNeverSaved, "there is nothing under an unknown key";
    store_that_loses_extras_is_found: LosesExtras, "what was saved is loaded, with everything in it";
    store_with_one_record_for_all_keys_is_found: OneRecordForAllKeys, "keys do not see each other's records";
    store_that_takes_keys_for_texts_is_found: KeysAreTexts, "keys do not see each other's records";
    store_that_ignores_what_was_seen_is_found: IgnoresSeen, "nothing is written over a record that was not seen";
    store_that_lost_something_and_stays_so_is_found: SeenOfNothingMatters, "a record that was lost is written again";
    store_that_refuses_what_it_had_lost_is_found: RefusesOlderNumbers, "a store that holds something older";
    store_that_forgets_marks_is_found: ForgetsMarks, "the mark of a logout is saved over the record, and stays";
    store_that_writes_over_marks_is_found: WritesOverMarks, "nothing of a login is written over its logout";
    store_that_ends_logins_for_ever_is_found: RefusesLoginsAfterMarks, "a login after the logout is saved";
    store_that_ignores_token_requests_is_found: IgnoresSpending, "no token request is begun while another";
    store_that_waits_for_the_dead_is_found: SpendingIsForEver, "a token request that is over holds nobody up";
    store_that_lets_both_win_is_found: ComparesBeforeItWaits, "of two saves at the same time one wins";
    store_that_tells_of_the_wrong_record_is_found: TellsWhatItRefused, "nothing is written over a record that was not seen";
    store_that_keeps_news_to_itself_is_found: NoNews, "a change is told of";
    store_that_gives_a_lease_to_all_is_found: LeasesAreForAll, "a lease is held by one at a time";
    store_with_one_lease_for_all_keys_is_found: OneLeaseForAllKeys, "a lease is of one key";
    store_that_never_frees_a_lease_is_found: LeasesLast, "a lease that was dropped is free";
    store_that_leases_to_nobody_is_found: LeasesOutliveTheirQuestion, "a lease is free if whoever asked for it";
    store_that_tells_of_no_save_is_found: SavesAreNotTold, "whoever listens is told of a save";
    store_that_tells_everybody_everything_is_found: NewsAreForAll, "whoever listens is told of one key alone";
    store_that_ends_leases_in_silence_is_found: LeasesEndInSilence, "whoever listens is told that a lease has ended";
    store_that_passes_no_request_on_is_found: RequestsGetLost, "whoever listens is told what is asked for";
    store_that_denies_that_somebody_listens_is_found: RequestsAreDenied, "whoever listens is told what is asked for";
    store_that_tells_whoever_has_left_is_found: EarsAreNeverClosed, "nothing is told to whoever does not listen any more";
}
