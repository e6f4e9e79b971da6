//! Records that are encrypted: who can read them, and how keys change.

use std::{fs, os::unix::fs::PermissionsExt};

use tower_reauth::{FileStore, Saved, StoreKey, TokenStore};

use super::folder::{Folder, SECRETS, is_refused, key, number, record, save, secret, text};

fn open(folder: &Folder, id: &str, byte: u8) -> FileStore {
    FileStore::builder(&**folder).encrypt_with(id, secret(byte)).open().unwrap()
}

#[tokio::test]
async fn encrypted_record_shows_no_secret() {
    let folder = Folder::new();
    let store = open(&folder, "a", 1);
    save(&store, 1).await;
    let text = fs::read_to_string(folder.only(".json")).unwrap();
    assert!(text.starts_with(r#"{"format":1,"epoch":1,"number":1,"random":"00000000000000ff","key":"a","nonce":""#));
    for path in folder.all("") {
        let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!SECRETS.iter().any(|secret| content.contains(secret)), "{path:?}");
    }
    let shown = format!("{store:?} {:?}", FileStore::builder(&*folder).encrypt_with("a", secret(1)));
    assert!(shown.contains("\"a\"") && !shown.contains("[1, 1"), "{shown}");
}

#[tokio::test]
async fn nonce_is_another_one_each_time() {
    let folders = [Folder::new(), Folder::new()];
    let mut nonces = Vec::new();
    for folder in &folders {
        save(&open(folder, "a", 1), 1).await;
        let text = fs::read_to_string(folder.only(".json")).unwrap();
        let start = text.find("\"nonce\":").unwrap();
        nonces.push(text[start..start + 42].to_owned());
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn record_of_another_key_is_refused() {
    let folder = Folder::new();
    save(&open(&folder, "a", 1), 1).await;
    let path = folder.only(".json");
    is_refused(&open(&folder, "a", 2), &path, &["encrypted with another key", "\"a\""]).await;
    is_refused(&open(&folder, "b", 1), &path, &["the key \"a\"", "are: \"b\""]).await;
    is_refused(&folder.store(), &path, &["the key \"a\"", "are: none"]).await;
    assert_eq!(number(&open(&folder, "a", 1)).await, Some(1));
}

#[tokio::test]
async fn record_that_was_changed_is_refused() {
    let folder = Folder::new();
    let store = open(&folder, "a", 1);
    save(&store, 1).await;
    let path = folder.only(".json");
    let whole = fs::read_to_string(&path).unwrap();
    let nonce = whole.find("nonce\":\"").unwrap() + 8;
    let sealed = whole.find("sealed\":\"").unwrap() + 9;
    let other = |at: usize| {
        let byte = if whole.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{byte}{}", &whole[..at], &whole[at + 1..])
    };
    for (changed, words) in [
        (whole.replace(r#""epoch":1"#, r#""epoch":2"#), "was changed"),
        (whole.replace(r#""number":1"#, r#""number":2"#), "was changed"),
        (whole.replace("00ff", "00fe"), "was changed"),
        (other(nonce), "was changed"),
        (other(sealed), "was changed"),
        (other(sealed + 100), "was changed"),
        (whole.replace("nonce\":\"", "nonce\":\"AAAA"), "no good `nonce`"),
        (whole.replace("sealed\":\"", "sealed\":\"!"), "no good `sealed`"),
        (whole.replace(r#""key":"a""#, r#""key":7"#), "no good `key`"),
        (whole.replace(r#""format":1"#, r#""format":3"#), "its format is 3"),
    ] {
        assert_ne!(changed, whole);
        fs::write(&path, changed).unwrap();
        is_refused(&store, &path, &[words]).await;
    }
}

#[tokio::test]
async fn record_in_anothers_place_is_refused() {
    let folder = Folder::new();
    let store = open(&folder, "a", 1);
    save(&store, 1).await;
    let path = folder.only(".json");
    let other = StoreKey::from("bob");
    assert!(matches!(store.save(&other, &record(1), None).await.unwrap(), Saved::Saved));
    let others = folder.all(".json").into_iter().find(|found| *found != path).unwrap();
    fs::copy(&others, &path).unwrap();
    is_refused(&store, &path, &["was changed or renamed"]).await;
    assert!(store.load(&other).await.unwrap().is_some());
}

#[tokio::test]
async fn key_is_rotated() {
    let folder = Folder::new();
    save(&open(&folder, "a", 1), 1).await;
    let path = folder.only(".json");
    let both = FileStore::builder(&*folder).encrypt_with("b", secret(2)).older_key("a", secret(1)).open().unwrap();
    assert_eq!(number(&both).await, Some(1));
    save(&both, 2).await;
    assert!(fs::read_to_string(&path).unwrap().contains(r#""key":"b""#));
    assert_eq!(number(&open(&folder, "b", 2)).await, Some(2));
    is_refused(&open(&folder, "a", 1), &path, &["the key \"b\""]).await;
}

#[tokio::test]
async fn encryption_is_switched_on_and_off() {
    let folder = Folder::new();
    save(&folder.store(), 1).await;
    let path = folder.only(".json");
    assert!(fs::read_to_string(&path).unwrap().contains(SECRETS[0]));
    let store = open(&folder, "a", 1);
    assert_eq!(number(&store).await, Some(1));
    save(&store, 2).await;
    assert!(!fs::read_to_string(&path).unwrap().contains(SECRETS[0]));
    let store = FileStore::builder(&*folder).older_key("a", secret(1)).open().unwrap();
    save(&store, 3).await;
    assert_eq!(number(&folder.store()).await, Some(3));
}

#[tokio::test]
async fn names_follow_the_naming_key_alone() {
    let folders = [Folder::new(), Folder::new(), Folder::new(), Folder::new()];
    let mut names = Vec::new();
    for (folder, (name, content)) in folders.iter().zip([(8, 1), (8, 2), (9, 1), (9, 1)]) {
        let builder = FileStore::builder(&**folder).encrypt_with("a", secret(content));
        save(&builder.naming_key(secret(name)).open().unwrap(), 1).await;
        names.push(folder.only(".json").file_name().unwrap().to_owned());
        assert!(folder.all("names.key").is_empty());
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[1], names[2]);
    assert_eq!(names[2], names[3]);
    // Without one the folder has its own.
    let folder = Folder::new();
    save(&folder.store(), 1).await;
    assert!(folder.only("names.key").is_file());
    assert_eq!(number(&folder.store()).await, Some(1));
    assert!(folder.store().load(&key()).await.unwrap().is_some());
}

/// Written by the first release; every later one reads it.
#[tokio::test]
async fn what_the_first_release_encrypted_is_read() {
    const CONTENT: &str = concat!(
        r#"{"format":1,"epoch":1,"number":1,"random":"00000000000000ff","key":"a","nonce":"SulFh8sY8s9cT4B3tkA5yt-3BzLJlq"#,
        r#"7s","sealed":"kItiJxMGadLsaZ-CzF-gJDVUJzb-6rXrOLc-FDV-BhaDXbQfDWaU4GqkpQ2F-81BU2OYBmjBL2kbUvIAgkE8OeCnYZ5MLnTK"#,
        r#"EzJBbe1y1FhPU6Dc9Pyi8julSG1eaPzSXQaM5imQQDi7XXqB0fg6Oj_suKyQ7AzI2_djd-EowTnXugkA9ax0J3MRujWLeoHdfwQRD3BDjnD6e6"#,
        r#"UXxyn02arrkcrbLFmnlyAr3VEg_MNOuzCfx33zBoHZh2FxP6qqNqMpMqJORzmRNDkUtuAxkRnbXYdA"}"#,
    );
    let folder = Folder::new();
    let store = FileStore::builder(&*folder).encrypt_with("a", secret(1)).naming_key(secret(8)).open().unwrap();
    let path = folder.join("6e8dfcf7c203d797e035af552ce825bc.json");
    fs::write(&path, CONTENT).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let found = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(text(&found), text(&record(1)));
}
