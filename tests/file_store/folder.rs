//! What the tests share: a folder that is removed at the end, and records to put into it.

use std::{
    fs::{self, File},
    ops::Deref,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use secrecy::ExposeSecret;
use tower_reauth::{Error, ErrorKind, FileStore, Record, Saved, StoreKey, StoreSecret, TokenStore, Version};

/// What no file name and no error may show.
pub(crate) const SECRETS: [&str; 3] = ["access-s3cret", "refresh-s3cret", "alice@example"];

/// The path of a folder that nobody else uses. It is not there yet.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("file_store-{}-{count}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::open(&self.0).unwrap()
    }

    /// The only file with this ending.
    pub(crate) fn only(&self, ending: &str) -> PathBuf {
        let mut found = self.all(ending);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    pub(crate) fn all(&self, ending: &str) -> Vec<PathBuf> {
        Self::all_in(&self.0, ending)
    }

    pub(crate) fn all_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
        found.sort();
        found
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn key() -> StoreKey {
    SECRETS[2].into()
}

pub(crate) fn secret(byte: u8) -> StoreSecret {
    [byte; 32].into()
}

pub(crate) fn version(number: u64) -> Version {
    Version::from_parts(1, number, 0xff)
}

/// A record with secrets in it.
pub(crate) fn record(number: u64) -> Record {
    Record::from_json(&format!(
        r#"{{"format":1,"epoch":1,"number":{number},"random":"ff","created":1700000000,
            "access_tokens":[{{"token":"{}"}}],"refresh_token":"{}"}}"#,
        SECRETS[0], SECRETS[1]
    ))
    .unwrap()
}

/// The mark of a logout.
pub(crate) fn mark(number: u64) -> Record {
    let text = r#"{"format":1,"epoch":1,"number":NUMBER,"random":"ff","created":1700000000,"logged_out":true}"#;
    Record::from_json(&text.replace("NUMBER", &number.to_string())).unwrap()
}

pub(crate) async fn save(store: &FileStore, number: u64) {
    let seen = number.checked_sub(1).map(version);
    assert!(matches!(store.save(&key(), &record(number), seen).await.unwrap(), Saved::Saved));
}

/// The number of the record that stands there.
pub(crate) async fn number(store: &FileStore) -> Option<u64> {
    store.load(&key()).await.unwrap().map(|record| record.version().number())
}

/// Loading and saving fail alike, with these words, with no secret in them, and the file stays as it is.
pub(crate) async fn is_refused(store: &FileStore, path: &Path, words: &[&str]) -> Error {
    let before = fs::read(path).unwrap();
    let loaded = store.load(&key()).await.expect_err("what cannot be read is not loaded");
    let saved = store.save(&key(), &record(9), Some(version(8))).await.expect_err("nothing is written over it");
    assert_eq!(loaded.to_string(), saved.to_string());
    assert_eq!(fs::read(path).unwrap(), before);
    says(&loaded, words);
    says(&loaded, &[path.to_str().unwrap()]);
    loaded
}

/// An error of the store with these words, and with no secret.
pub(crate) fn says(error: &Error, words: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Store);
    let said = error.to_string();
    assert!(words.iter().all(|word| said.contains(word)), "{said} lacks one of {words:?}");
    let all = format!("{said} {error:?}");
    assert!(!SECRETS.iter().any(|secret| all.contains(secret)), "{all}");
}

/// As if the file had been written so long ago.
pub(crate) fn age(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

pub(crate) fn text(record: &Record) -> String {
    record.to_json().expose_secret().to_owned()
}
