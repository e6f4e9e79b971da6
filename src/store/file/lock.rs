//! Lock files, and the leases that are made of them.
//!
//! 1. The operating system lets go of a lock when its process dies, however it dies.
//! 2. A lock counts only while its file stands in its place: whoever gets the lock looks. So a lock file may be removed by
//!    whoever holds it.
//! 3. Two handles of one process exclude each other as two processes do.

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::private::{self, Missing};
use crate::error::Error;

/// How long a save waits for another one. A session waits for two seconds.
const WAIT: Duration = Duration::from_millis(1500);

/// The files that this process holds leases of: some systems grant a lock twice to one process.
static LEASED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Lock(File);

/// A lease that is held. Its file is unlocked before another thread may ask for it.
pub(super) struct FileLease {
    _lock: Lock,
    _entry: Entry,
}

struct Entry(PathBuf);

impl FileLease {
    /// The lease of this file, if nobody holds it.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, Error> {
        if !LEASED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
            return Ok(None);
        }
        let entry = Entry(path.to_owned());
        Ok(try_lock(path)?.map(|lock| Self { _lock: lock, _entry: entry }))
    }
}

/// The lock of this file, if nobody holds it.
pub(super) fn try_lock(path: &Path) -> Result<Option<Lock>, Error> {
    loop {
        let Some(file) = private::open(path, Missing::Create)? else { continue };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(no_locks(path).with_source(error)),
        }
        let lock = Lock(file);
        if private::is_in_place(path, &lock.0)? {
            return Ok(Some(lock));
        }
    }
}

/// The lock of this file, when whoever holds it has let go of it.
pub(super) fn lock(path: &Path) -> Result<Lock, Error> {
    let end = Instant::now() + WAIT;
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        if Instant::now() >= end {
            return Err(Error::store(format!(
                "another process has held {} for longer than {WAIT:?}: if it was stopped, let it go on, or end it",
                path.display()
            )));
        }
        thread::sleep(Duration::from_millis(fastrand::u64(1..10)));
    }
}

/// Holds the lock of this file, if nobody else does, and makes sure that it keeps others out.
pub(super) fn probe(
    path: &Path,
    try_lock: impl Fn(&Path) -> Result<Option<Lock>, Error>,
) -> Result<Option<Lock>, Error> {
    let lock = try_lock(path)?;
    if lock.is_some() && try_lock(path)?.is_some() {
        return Err(no_locks(path));
    }
    Ok(lock)
}

fn no_locks(path: &Path) -> Error {
    Error::store(format!(
        "could not lock {}: the file system has no locks, as some network file systems have none; choose a folder on a local one",
        path.display()
    ))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that was just started may still have a copy of the handle.
        let _ = self.0.unlock();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        LEASED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    fn file(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("tower-reauth-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn locks_that_keep_nobody_out_are_refused() {
        let path = file("lax");
        let lax = |path: &Path| Ok(private::open(path, Missing::Create)?.map(Lock));
        let error = probe(&path, lax).unwrap_err().to_string();
        assert!(error.contains("has no locks") && error.contains(path.to_str().unwrap()), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn locks_that_fail_are_refused() {
        let error = probe(&file("none"), |path| Err(no_locks(path))).unwrap_err().to_string();
        assert!(error.contains("has no locks"), "{error}");
    }

    #[test]
    fn locks_that_keep_others_out_are_taken() {
        let path = file("good");
        let lock = probe(&path, try_lock).unwrap();
        assert!(lock.is_some());
        // Somebody else is opening the folder.
        assert!(probe(&path, try_lock).unwrap().is_none());
        drop(lock);
        assert!(probe(&path, try_lock).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
