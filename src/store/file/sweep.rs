//! What is removed when a folder is opened: what killed processes have left behind, and marks of logouts that nobody needs any
//! more. What fails is left for the next time.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use super::{content, lock};
use crate::store::seal::Seal;

/// No save takes as long as this.
const TEMPORARY: Duration = Duration::from_secs(60 * 60);
/// No refresh token that was in force at the logout is good any more.
const MARK: Duration = Duration::from_secs(90 * 24 * 60 * 60);

pub(super) fn sweep(folder: &Path, keys: &Seal) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let now = SystemTime::now();
    for entry in entries.flatten() {
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
        let is_older = |age| age_of(&metadata, now) > age;
        let _ = match path.extension().and_then(OsStr::to_str) {
            Some("tmp") if is_older(TEMPORARY) => fs::remove_file(&path),
            Some("json") if is_older(MARK) => remove_mark(&path, keys),
            Some("lock" | "lease") if is_older(MARK) => remove_lock(&path),
            _ => Ok(()),
        };
    }
}

/// By the file's own time: a folder that was copied begins anew.
fn age_of(metadata: &Metadata, now: SystemTime) -> Duration {
    metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok()).unwrap_or_default()
}

fn remove_mark(path: &Path, keys: &Seal) -> io::Result<()> {
    let Ok(Some(_lock)) = lock::try_lock(&path.with_extension("lock")) else { return Ok(()) };
    let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    match content::read(path).ok().flatten().and_then(|(content, _)| keys.open(name, &content).ok()) {
        Some(record) if record.is_logged_out() => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A lock file that belongs to no record; that of the folder is held by now. Where the system cannot tell whether a lock's file is still in its place, it stays.
fn remove_lock(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) || path.with_extension("json").exists() {
        return Ok(());
    }
    let Ok(Some(_lock)) = lock::try_lock(path) else { return Ok(()) };
    fs::remove_file(path)
}
