//! The folder, and who can reach what is in it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tower_reauth::{ErrorKind, FileStore, TokenStore};

use super::{
    child::Child,
    folder::{Folder, key, number, save, says},
};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(mode: &str, path: &Path) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
}

#[test]
fn what_is_written_is_the_owners_alone() {
    let folder = Folder::new();
    let inner = folder.join("one/two");
    // A process that denies nothing to others.
    Child::with_shell("umask 0", "save and lease", &inner).says("done");
    for path in [&*folder, &folder.join("one"), &inner] {
        assert_eq!(mode(path), 0o700, "{path:?}");
    }
    let files: Vec<PathBuf> = fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for path in files {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}

#[test]
fn folder_that_others_can_reach_is_refused() {
    let folder = Folder::new();
    fs::create_dir(&*folder).unwrap();
    for mode in ["750", "705", "710", "777", "1777"] {
        chmod(mode, &folder);
        let error = FileStore::open(&*folder).unwrap_err();
        says(&error, &[folder.to_str().unwrap(), mode, "chmod 700"]);
        assert_eq!(fs::read_dir(&*folder).unwrap().count(), 0);
    }
    chmod("700", &folder);
    folder.store();
}

#[tokio::test]
async fn folder_that_others_can_reach_later_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    chmod("755", &folder);
    says(&store.load(&key()).await.unwrap_err(), &["mode 755"]);
    says(&store.lease(&key()).await.unwrap_err(), &["mode 755"]);
    says(&store.changed(&key(), None).await.unwrap_err(), &["mode 755"]);
    chmod("700", &folder);
    assert_eq!(number(&store).await, Some(1));
}

#[test]
fn folder_that_is_a_link_is_refused() {
    let (folder, link) = (Folder::new(), Folder::new());
    drop(folder.store());
    symlink(&*folder, &*link).unwrap();
    // A slash at the end leads through a link.
    for path in [link.to_path_buf(), link.join(""), link.join(".")] {
        says(&FileStore::open(path).unwrap_err(), &[link.to_str().unwrap(), "symbolic link"]);
    }
    fs::remove_file(&*link).unwrap();
    symlink(link.join("nowhere"), &*link).unwrap();
    says(&FileStore::open(&*link).unwrap_err(), &["symbolic link"]);
    fs::remove_file(&*link).unwrap();
    // Further up a link is what the user wants.
    symlink(&*folder, &*link).unwrap();
    FileStore::open(link.join("inner")).unwrap();
    assert!(folder.join("inner").is_dir());
    fs::remove_file(&*link).unwrap();
}

#[test]
fn folder_that_is_a_file_is_refused() {
    let folder = Folder::new();
    fs::write(&*folder, "").unwrap();
    chmod("600", &folder);
    says(&FileStore::open(&*folder).unwrap_err(), &[folder.to_str().unwrap(), "is no folder"]);
    says(&FileStore::open(folder.join("inner")).unwrap_err(), &["could not create the folder"]);
    fs::remove_file(&*folder).unwrap();
}

#[test]
fn naming_key_that_is_damaged_is_refused() {
    let folder = Folder::new();
    drop(folder.store());
    let path = folder.only("names.key");
    let whole = fs::read_to_string(&path).unwrap();
    for content in ["", "AAAA", &whole[1..]] {
        fs::write(&path, content).unwrap();
        says(&FileStore::open(&*folder).unwrap_err(), &[path.to_str().unwrap(), "is damaged"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::write(&path, &whole).unwrap();
    chmod("644", &path);
    says(&FileStore::open(&*folder).unwrap_err(), &["mode 644"]);
}

#[test]
fn store_without_a_runtime_says_so() {
    let folder = Folder::new();
    let store = folder.store();
    let error = futures::executor::block_on(store.load(&key())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRuntime);
}
