//! A folder with a file for each record.
//!
//! 1. What cannot be read is never written over.
//! 2. A name changes what it stands for in one step: whoever looks sees the old content or the new one, whole.
//! 3. All work is done by closures that own what they need: whoever asked for it may leave.

mod content;
mod folder;
mod lock;
mod private;
mod seen;
mod sweep;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::runtime::Handle;

use self::{
    folder::{Files, Folder},
    lock::FileLease,
    seen::Looks,
};
use super::{Lease, Leased, Record, Saved, StoreKey, StoreSecret, TokenStore, Version, seal::Seal};
use crate::{
    clock,
    error::{Error, ErrorKind},
};

/// A [`TokenStore`] in a folder, for the processes of one user on one machine: command lines, desktop programs, a server that is
/// started again. One file holds one record. Clones share what they know.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_reauth::{FileStore, Record, Saved, StoreKey, StoreSecret, TokenSet, TokenStore};
///
/// # let folder = std::env::temp_dir().join(format!("tower-reauth-doc-{}", std::process::id()));
/// # let variable = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// let store = FileStore::builder(&folder)
///     .encrypt_with("2026", StoreSecret::from_base64(variable)?)
///     .open()?;
///
/// let alice = StoreKey::from("alice");
/// let record = Record::new(TokenSet::new("mF_9.B5f-4.1JqM")?);
/// assert!(matches!(store.save(&alice, &record, None).await?, Saved::Saved));
/// assert!(store.load(&alice).await?.is_some());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(()) }
/// ```
///
/// # What it protects from
/// - **Other users of the machine.** The folder has the mode 0700, its files 0600. What others can reach is refused, and so are
///   symbolic links. Folders further up are not looked at.
/// - **Whoever gets a copy** of the folder, such as a backup, if the records are
///   [encrypted](FileStoreBuilder::encrypt_with) (XChaCha20-Poly1305). A record is bound to its key in the store and to its version.
///   The names of files are keyed hashes: they show no user's name to those who do not have the naming key. The version
///   and the time of the last save are not encrypted.
/// - **Processes that race.** A save compares and writes in one step. A lease is held by one process at a time.
/// - **Processes that die.** The operating system ends their locks. Others see the old record or the new one, after a power cut as
///   well.
///
/// # What it does not protect from
/// - Other programs of the same user: they can read the folder. Encryption helps if they do not get the key.
/// - Whoever can write in the folder: an old record can be put back, or one that is not encrypted.
/// - Network file systems: they are not supported. If a file system has no locks, [`open`](FileStore::open) fails.
/// - On Windows there are no modes: the folder is as private as the one that it is in. `%LOCALAPPDATA%` is the user's own.
///
/// # Files
/// | file | holds |
/// | --- | --- |
/// | `<hash>.json` | a record, as [`Record::to_json`] writes it. Encrypted: `format`, `epoch`, `number` and `random` as there, `key` (the id), `nonce`, and `sealed`: that JSON, encrypted |
/// | `<hash>.lock` | nothing. It is locked while a save compares and writes |
/// | `<hash>.lease` | nothing. It is locked while a lease is held |
/// | `<hash>.<random>.tmp` | a record that is being written |
/// | `names.key` | the random key of the hashes, unless there is a [naming key](FileStoreBuilder::naming_key). Without it no record is found |
/// | `folder.lock` | nothing. It is locked while somebody opens the folder |
///
/// Opening the folder removes the marks of logouts after 90 days, lock files that no record needs after 90 days, and what killed
/// processes left in `.tmp` files after an hour. Records stay. To end everything, remove the whole folder.
///
/// # Waiting
/// Files are read and written on tokio's blocking threads, never on those of the runtime. A save waits up to 1.5 s for another save
/// of the same record; nothing else waits for others. [`changed`](TokenStore::changed) reads the record's metadata only, and
/// is true for two seconds after a save, since not all file systems tell time more exactly.
///
/// # Errors
/// All are of the kind [`ErrorKind::Store`]. They name the path, and nothing is written over what they tell of.
///
/// | message | what to do |
/// | --- | --- |
/// | `others can reach ..` | `chmod 700` the folder, `chmod 600` the file. If others may have looked, log out and in |
/// | `.. is a symbolic link` | name the folder that it leads to |
/// | `.. is no file`, `.. is no folder` | something else stands there: remove it, or choose another folder |
/// | `could not lock ..` | choose a folder on a local file system |
/// | `another process has held ..` | a process was stopped in the middle of a save: let it go on (`kill -CONT`), or end it |
/// | `.. is cut off, or is no JSON object`, `its member ..` | the file is damaged: remove it, and log in again |
/// | `its format is ..` | a newer release wrote it: update this program |
/// | `it is encrypted with the key ..` | give that key, as [`older_key`](FileStoreBuilder::older_key) if it was replaced |
/// | `it was encrypted with another key ..` | the key of this id is a different one, or the file was changed or renamed |
/// | `names.key is damaged` | restore it, or remove the whole folder |
/// | `could not find the folder ..` | it was removed: calls go on, and saves do as soon as it is there again |
/// | `could not open ..`, `.. create ..`, `.. write ..` | the operating system says why: a full disk, a read-only folder, a file of another user (as after `sudo`) |
#[derive(Clone)]
pub struct FileStore {
    inner: Arc<Inner>,
}

/// Sets up a [`FileStore`] with keys.
pub struct FileStoreBuilder {
    path: PathBuf,
    keys: Seal,
    naming: Option<StoreSecret>,
}

struct Inner {
    folder: Folder,
    keys: Seal,
    looks: Looks,
}

impl FileStore {
    /// A store in this folder, which is made if it is missing. The records are not encrypted.
    ///
    /// # Errors
    /// See [`FileStoreBuilder::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(folder).open()
    }

    /// A store in this folder, with keys.
    pub fn builder(folder: impl AsRef<Path>) -> FileStoreBuilder {
        // Without a slash at its end, which would lead through a symbolic link.
        let path = folder.as_ref().components().collect();
        FileStoreBuilder { path, keys: Seal::none(), naming: None }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::NoRuntime, "token files are read and written on a tokio runtime").with_source(error)
        })?;
        let done = runtime.spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(Error::store("the work on a token file was cut off").with_source(error)))
    }
}

impl FileStoreBuilder {
    /// Encrypts what is saved from now on with this key. The id tells keys from each other; it stands in the files, and is no
    /// secret.
    ///
    /// Records that are not encrypted yet are still read, and are encrypted when they are saved next.
    #[must_use]
    pub fn encrypt_with(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.keys.newest = Some((id.into(), key));
        self
    }

    /// Reads what was encrypted with an older key. Once all records were saved anew, the key may go.
    #[must_use]
    pub fn older_key(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.keys.older.push((id.into(), key));
        self
    }

    /// Hashes the names of files with this key. It must be the same for all processes, and must never change: records of
    /// another naming key are not found. Default: a random key in the folder's `names.key`.
    #[must_use]
    pub fn naming_key(mut self, key: StoreSecret) -> Self {
        self.naming = Some(key);
        self
    }

    /// Opens the folder, and makes it if it is missing. It reads and writes a few files, so do it when the program starts.
    ///
    /// # Errors
    /// [`ErrorKind::Store`]: the folder cannot be made or used. [*Errors*](FileStore#errors) lists the causes.
    pub fn open(self) -> Result<FileStore, Error> {
        let Self { path, keys, naming } = self;
        let folder = Folder::open(&path, naming, &keys)?;
        Ok(FileStore { inner: Arc::new(Inner { folder, keys, looks: Looks::default() }) })
    }
}

impl TokenStore for FileStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        let key = key.clone();
        self.work(move |inner| inner.load(&inner.folder.files(&key)?)).await
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let (key, record) = (key.clone(), record.clone());
        self.work(move |inner| inner.save(&inner.folder.files(&key)?, &record, seen)).await
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        let key = key.clone();
        let lease = self.work(move |inner| FileLease::of(&inner.folder.files(&key)?.lease)).await?;
        Ok(lease.map_or(Leased::Taken, |lease| Leased::Held(Lease::new(lease))))
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        let key = key.clone();
        self.work(move |inner| {
            let files = inner.folder.files(&key)?;
            inner.looks.changed(&files.name, &files.record, seen)
        })
        .await
    }
}

impl Inner {
    fn load(&self, files: &Files) -> Result<Option<Record>, Error> {
        let Some((content, metadata)) = content::read(&files.record)? else { return Ok(None) };
        let record = self.keys.open(&files.name, &content).map_err(|error| {
            Error::store(format!("{} is not used, and not written over", files.record.display())).with_source(error)
        })?;
        self.looks.remember(&files.name, &metadata, record.version());
        Ok(Some(record))
    }

    fn save(&self, files: &Files, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let _lock = lock::lock(&files.lock)?;
        if let Some(current) = self.load(files)?
            && !record.may_replace(&current, seen, clock::date())
        {
            return Ok(Saved::Overtaken(Box::new(current)));
        }
        let metadata = content::write(&files.record, &self.keys.content(&files.name, record)?)?;
        self.looks.remember(&files.name, &metadata, record.version());
        Ok(Saved::Saved)
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.debug_struct("FileStore")
            .field("folder", &inner.folder.path())
            .field("keys", &inner.keys)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FileStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStoreBuilder").field("folder", &self.path).field("keys", &self.keys).finish_non_exhaustive()
    }
}
