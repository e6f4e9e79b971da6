//! Whether a file has changed since it was read or written last, by a look at its metadata alone.

use std::{
    collections::HashMap,
    fs::{self, Metadata},
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::private::{Identity, failed, identity};
use crate::{error::Error, store::version::Version};

/// Two writes within one tick of a file system's clock look alike; the longest tick is that of FAT.
const TICK: Duration = Duration::from_secs(2);
/// Forgetting costs one load each.
const MOST: usize = 4096;

/// The last look at each file.
#[derive(Default)]
pub(super) struct Looks(Mutex<HashMap<Box<str>, (Look, Version)>>);

#[derive(PartialEq)]
struct Look {
    modified: SystemTime,
    length: u64,
    identity: Identity,
}

impl Looks {
    /// The file with this metadata holds this version. What was written just now is not remembered: another write within the
    /// same tick could not be told from it.
    pub(super) fn remember(&self, name: &str, metadata: &Metadata, version: Version) {
        let look = Look::of(metadata)
            .filter(|look| SystemTime::now().duration_since(look.modified).is_ok_and(|age| age > TICK));
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= MOST {
            looks.clear();
        }
        match look {
            Some(look) => looks.insert(name.into(), (look, version)),
            None => looks.remove(name),
        };
    }

    /// Whether something else than this version may stand there now.
    pub(super) fn changed(&self, name: &str, path: &Path, seen: Option<Version>) -> Result<bool, Error> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(seen.is_some()),
            Err(error) => return Err(failed("look at", path, error)),
        };
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(looks
            .get(name)
            .is_none_or(|(look, version)| Some(*version) != seen || Some(look) != Look::of(&found).as_ref()))
    }
}

impl Look {
    fn of(metadata: &Metadata) -> Option<Self> {
        let modified = metadata.modified().ok()?;
        Some(Self { modified, length: metadata.len(), identity: identity(metadata) })
    }
}
