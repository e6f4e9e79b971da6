//! What cannot be read is told of, and is not written over.

use std::{fs, os::unix::fs::symlink, process::Command};

use tower_reauth::{FileStore, TokenStore};

use super::folder::{Folder, age, is_refused, key, mark, number, record, save, says, secret, text, version};

#[tokio::test]
async fn record_that_is_cut_off_anywhere_is_refused() {
    for is_encrypted in [false, true] {
        let folder = Folder::new();
        let builder = FileStore::builder(&*folder);
        let store = if is_encrypted { builder.encrypt_with("a", secret(1)) } else { builder }.open().unwrap();
        save(&store, 1).await;
        let path = folder.only(".json");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            is_refused(&store, &path, &["cut off"]).await;
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(number(&store).await, Some(1));
    }
}

#[tokio::test]
async fn foreign_content_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    let whole = text(&record(1));
    for (content, words) in [
        ("", "cut off"),
        ("null", "cut off"),
        ("[]", "cut off"),
        ("{}", "no `format`"),
        (r#"{"access_token":"access-s3cret"}"#, "no `format`"),
        (r#"{"format":1}"#, "`epoch`"),
        (&whole.replace(r#""format":1"#, r#""format":3"#), "its format is 3"),
        (&whole.replace(r#""format":1"#, r#""format":18446744073709551615"#), "its format is 18446744073709551615"),
        (&whole.replace(r#""format":1"#, r#""format":"access-s3cret""#), "no `format`"),
        (&whole.replace(r#""access-s3cret""#, "7"), "`token`"),
        (&whole.replace(r#""ff""#, r#""access-s3cret""#).replace("00000000000000ff", "access-s3cret"), "`random`"),
        (&format!("{whole} {whole}"), "cut off"),
        (&format!("\u{feff}{whole}"), "cut off"),
    ] {
        fs::write(&path, content).unwrap();
        is_refused(&store, &path, &[words]).await;
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    is_refused(&store, &path, &["no text"]).await;
}

#[tokio::test]
async fn record_that_others_can_reach_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    for mode in ["640", "604", "620", "601", "666"] {
        Command::new("chmod").arg(mode).arg(&path).status().unwrap();
        is_refused(&store, &path, &[&format!("mode {mode}"), "chmod 600"]).await;
    }
    Command::new("chmod").arg("600").arg(&path).status().unwrap();
    assert_eq!(number(&store).await, Some(1));
}

#[tokio::test]
async fn record_that_is_a_link_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    let elsewhere = folder.join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    is_refused(&store, &path, &["symbolic link"]).await;
    assert!(path.is_symlink());

    // One that leads nowhere, too.
    fs::remove_file(&elsewhere).unwrap();
    let error = store.load(&key()).await.unwrap_err();
    says(&error, &["symbolic link"]);
    store.save(&key(), &record(1), None).await.unwrap_err();
    assert!(path.is_symlink() && !elsewhere.exists());
}

#[tokio::test]
async fn lock_that_is_a_link_is_refused() {
    for ending in ["lock", "lease"] {
        let folder = Folder::new();
        let store = folder.store();
        save(&store, 1).await;
        let (path, elsewhere) = (folder.only(".json").with_extension(ending), folder.join("elsewhere"));
        let _ = fs::remove_file(&path);
        symlink(&elsewhere, &path).unwrap();
        let error = match ending {
            "lock" => store.save(&key(), &record(2), Some(version(1))).await.unwrap_err(),
            _ => store.lease(&key()).await.unwrap_err(),
        };
        says(&error, &["symbolic link", path.to_str().unwrap()]);
        assert!(!elsewhere.exists(), "the link made a file elsewhere");
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_holds_nobody_up() {
    let folder = Folder::new();
    let store = folder.store();
    save(&store, 1).await;
    let path = folder.only(".json");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    says(&store.load(&key()).await.unwrap_err(), &["is no file"]);
    says(&store.save(&key(), &record(1), None).await.unwrap_err(), &["is no file"]);
    fs::remove_dir(&path).unwrap();
    // Whoever opens a pipe waits until somebody writes into it.
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());
    says(&store.load(&key()).await.unwrap_err(), &["is no file"]);
    says(&store.save(&key(), &record(1), None).await.unwrap_err(), &["is no file"]);
}

#[tokio::test]
async fn damaged_record_is_not_swept_away() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(matches!(store.save(&key(), &mark(1), None).await, Ok(tower_reauth::Saved::Saved)));
    let path = folder.only(".json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    age(&path, std::time::Duration::from_secs(91 * 24 * 60 * 60));
    is_refused(&folder.store(), &path, &["cut off"]).await;
}
