//! A folder that cannot be written, or that goes away.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tower_reauth::{Leased, Saved, StoreKey, TokenStore};

use super::folder::{Folder, key, number, record, save, says, version};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// For whoever has no bounds, such as root, a read-only folder is like any other: then the save goes well.
#[tokio::test]
async fn folder_that_cannot_be_written_is_told_and_still_read() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    set_mode(&folder, 0o500);
    let is_bounded = fs::write(folder.join("probe"), "").is_err();
    match store.save(&key(), &record(2), Some(version(1))).await {
        Err(error) if is_bounded => says(&error, &["could not create", folder.to_str().unwrap()]),
        Ok(Saved::Saved) if !is_bounded => save(&store, 3).await,
        other => panic!("{other:?}, and the folder's bounds hold: {is_bounded}"),
    }
    let expected = if is_bounded { 1 } else { 3 };
    assert_eq!(number(&store).await, Some(expected));
    set_mode(&folder, 0o700);
    save(&store, expected + 1).await;
}

#[tokio::test]
async fn folder_that_was_removed_is_told_of_until_it_is_back() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let away = folder.with_extension("away");
    fs::rename(&*folder, &away).unwrap();
    let words = ["could not find the folder", folder.to_str().unwrap()];
    says(&store.load(&key()).await.unwrap_err(), &words);
    says(&store.save(&key(), &record(2), Some(version(1))).await.unwrap_err(), &words);
    says(&store.lease(&key()).await.unwrap_err(), &words);
    says(&store.changed(&key(), Some(version(1))).await.unwrap_err(), &words);
    assert!(!folder.exists());
    fs::rename(&away, &*folder).unwrap();
    assert_eq!(number(&store).await, Some(1));
    save(&store, 2).await;
}

#[tokio::test]
async fn folder_that_was_made_anew_is_shared_by_old_and_new_handles() {
    let folder = Folder::new();
    let old = folder.store();
    save(&old, 1).await;
    fs::remove_dir_all(&*folder).unwrap();
    // It has another naming key now.
    let new = folder.store();
    assert_eq!(number(&old).await, None);
    assert!(old.changed(&key(), Some(version(1))).await.unwrap());
    let lease = old.lease(&key()).await.unwrap();
    assert!(matches!(lease, Leased::Held(_)));
    assert!(matches!(new.lease(&key()).await.unwrap(), Leased::Taken));
    assert!(matches!(old.save(&key(), &record(2), Some(version(1))).await.unwrap(), Saved::Saved));
    assert_eq!(number(&new).await, Some(2));
}

/// Somebody clears the folder by hand: a lock whose file is gone keeps nobody out, and is not taken for one that does.
#[tokio::test]
async fn lock_counts_only_while_its_file_is_there() {
    let folder = Folder::new();
    let store = folder.store();
    let old = store.lease(&StoreKey::from("old")).await.unwrap();
    fs::remove_file(folder.only(".lease")).unwrap();
    let other = folder.store();
    // Within one process the list of leases still knows it.
    assert!(matches!(other.lease(&StoreKey::from("old")).await.unwrap(), Leased::Taken));
    drop(old);
    assert!(matches!(other.lease(&StoreKey::from("old")).await.unwrap(), Leased::Held(_)));
    folder.only(".lease");
}
