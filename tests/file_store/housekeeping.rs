//! What is removed when a folder is opened, and when a file counts as changed.

use std::{fs, path::Path, time::Duration};

use tower_reauth::{FileStore, Saved, StoreKey, TokenStore};

use super::folder::{Folder, age, key, mark, number, record, save, secret, version};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn put(store: &FileStore, key: &str, record: &tower_reauth::Record) {
    assert!(matches!(store.save(&StoreKey::from(key), record, None).await.unwrap(), Saved::Saved));
}

#[tokio::test]
async fn marks_are_removed_after_ninety_days_and_records_are_not() {
    for is_encrypted in [false, true] {
        let folder = Folder::new();
        let open = || {
            let builder = FileStore::builder(&*folder);
            if is_encrypted { builder.encrypt_with("a", secret(1)) } else { builder }.open().unwrap()
        };
        let store = open();
        put(&store, "old mark", &mark(1)).await;
        let old = folder.only(".json");
        age(&old, 91 * DAY);
        put(&store, "old record", &record(1)).await;
        let records = folder.all(".json").into_iter().find(|path| *path != old).unwrap();
        age(&records, 91 * DAY);
        put(&store, "mark", &mark(1)).await;
        let marks = folder.all(".json").into_iter().find(|path| *path != old && *path != records).unwrap();
        age(&marks, 89 * DAY);

        let store = open();
        assert!(!old.exists() && records.exists() && marks.exists());
        assert!(store.load(&StoreKey::from("old mark")).await.unwrap().is_none());
        assert!(store.load(&StoreKey::from("mark")).await.unwrap().unwrap().is_logged_out());
    }
}

#[tokio::test]
async fn mark_is_not_removed_under_a_save() {
    let folder = Folder::new();
    put(&folder.store(), "mark", &mark(1)).await;
    let path = folder.only(".json");
    age(&path, 91 * DAY);
    let lock = fs::File::options().write(true).open(path.with_extension("lock")).unwrap();
    lock.try_lock().unwrap();
    folder.store();
    assert!(path.exists());
    drop(lock);
    folder.store();
    assert!(!path.exists());
}

#[tokio::test]
async fn locks_without_a_record_are_removed_unless_they_are_held() {
    let folder = Folder::new();
    let store = folder.store();
    let held = store.lease(&StoreKey::from("held")).await.unwrap();
    let held_path = folder.only(".lease");
    drop(store.lease(&StoreKey::from("free")).await.unwrap());
    let free_path = folder.all(".lease").into_iter().find(|path| *path != held_path).unwrap();
    save(&store, 1).await;
    let own = folder.only(".json").with_extension("lock");
    for path in [&held_path, &free_path, &own, &folder.only("folder.lock")] {
        age(path, 91 * DAY);
    }
    folder.store();
    assert!(held_path.exists() && !free_path.exists() && own.exists() && folder.join("folder.lock").exists());
    drop(held);
    folder.store();
    assert!(!held_path.exists());
}

#[tokio::test]
async fn what_killed_writers_left_is_removed_after_an_hour() {
    let folder = Folder::new();
    save(&folder.store(), 1).await;
    let left = |name: &str, ago: Duration| {
        let path = folder.only(".json").with_extension(name);
        fs::write(&path, "").unwrap();
        age(&path, ago);
        path
    };
    let (old, young) = (left("0.tmp", HOUR + HOUR / 60), left("1.tmp", HOUR - HOUR / 60));
    let store = folder.store();
    assert!(!old.exists() && young.exists());
    assert_eq!(number(&store).await, Some(1));
}

async fn changed(store: &FileStore, number: Option<u64>) -> bool {
    store.changed(&key(), number.map(version)).await.unwrap()
}

/// Looked at now, as written a while ago.
async fn settle(store: &FileStore, path: &Path) {
    age(path, HOUR);
    store.load(&key()).await.unwrap();
}

#[tokio::test]
async fn file_that_did_not_change_is_not_read_again() {
    let folder = Folder::new();
    let (store, other) = (folder.store(), folder.store());
    assert!(!changed(&store, None).await && changed(&store, Some(1)).await);
    save(&store, 1).await;
    let path = folder.only(".json");
    settle(&store, &path).await;
    assert!(!changed(&store, Some(1)).await);
    // Whoever has not looked does not know, and whoever saw something else is told.
    assert!(changed(&other, Some(1)).await);
    assert!(changed(&store, None).await && changed(&store, Some(0)).await && changed(&store, Some(2)).await);
    save(&other, 2).await;
    assert!(changed(&store, Some(1)).await && changed(&store, Some(2)).await);
    settle(&store, &path).await;
    assert!(changed(&store, Some(1)).await && !changed(&store, Some(2)).await);
}

#[tokio::test]
async fn file_that_was_written_within_one_tick_of_the_clock_counts_as_changed() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    // Written over in place, with the same length, at the same time.
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    store.load(&key()).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(r#""number":1"#, r#""number":2"#)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    assert!(changed(&store, Some(1)).await);
    assert_eq!(number(&store).await, Some(2));
}

#[tokio::test]
async fn another_file_with_the_same_length_and_time_counts_as_changed() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    settle(&store, &path).await;
    let (copy, modified) = (path.with_extension("copy"), fs::metadata(&path).unwrap().modified().unwrap());
    fs::copy(&path, &copy).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
    fs::rename(&copy, &path).unwrap();
    assert!(changed(&store, Some(1)).await);
}
