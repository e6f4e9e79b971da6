//! The folder of a store, and the names of the files in it.

use std::{
    io,
    path::{Path, PathBuf, absolute},
};

use base64ct::{Base64, Encoding};
use chacha20poly1305::aead::Generate;
use zeroize::Zeroizing;

use super::{
    content, lock,
    private::{self, failed},
    sweep,
};
use crate::{
    error::Error,
    store::{
        StoreKey,
        seal::Seal,
        secret::{LENGTH, StoreSecret},
    },
};

/// Kept for as long as the folder is in use.
const NAMING_KEY: &str = "names.key";
const OPENING: &str = "folder.lock";

/// The folder, and what it was opened with.
pub(super) struct Folder {
    path: PathBuf,
    naming: Option<StoreSecret>,
}

/// The files of one record.
pub(super) struct Files {
    pub(super) name: String,
    pub(super) record: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) lease: PathBuf,
}

impl Folder {
    /// Makes the folder if it is missing, looks whether it can be used, and tidies it up.
    pub(super) fn open(path: &Path, naming: Option<StoreSecret>, keys: &Seal) -> Result<Self, Error> {
        let path = absolute(path).map_err(|error| failed("find the folder", path, error))?;
        if path.symlink_metadata().is_err() {
            private::create_folder(&path)?;
        }
        private::folder(&path)?;
        // Whoever finds it locked knows that there are locks here.
        let opening = lock::probe(&path.join(OPENING), lock::try_lock)?;
        if opening.is_some() {
            sweep::sweep(&path, keys);
        }
        drop(opening);
        let folder = Self { path, naming };
        if folder.naming.is_none() {
            folder.naming_key()?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The files of the record of this key. All is looked at anew: the folder may have been closed to others, opened to them, or
    /// made anew since.
    pub(super) fn files(&self, key: &StoreKey) -> Result<Files, Error> {
        private::folder(&self.path)?;
        let name = match &self.naming {
            Some(given) => given.name(key),
            None => self.naming_key()?.name(key),
        };
        let file = |extension: &str| self.path.join(format!("{name}.{extension}"));
        let (record, lock, lease) = (file("json"), file("lock"), file("lease"));
        Ok(Files { name, record, lock, lease })
    }

    /// The key that the folder has. Whoever is first makes it.
    fn naming_key(&self) -> Result<StoreSecret, Error> {
        let path = self.path.join(NAMING_KEY);
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let _alone = lock::lock(&self.path.join(OPENING))?;
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let key = <[u8; LENGTH]>::try_generate()
            .map_err(|error| failed("find random numbers for", &path, io::Error::other(error)))?;
        let key = Zeroizing::new(key);
        content::write(&path, Base64::encode_string(&*key).as_bytes())?;
        Ok(StoreSecret::from(*key))
    }
}

fn read_key(path: &Path) -> Result<Option<StoreSecret>, Error> {
    let Some((text, _)) = content::read(path)? else { return Ok(None) };
    let key = str::from_utf8(&text).ok().and_then(|text| StoreSecret::from_base64(text).ok());
    key.map(Some).ok_or_else(|| {
        let at = path.display();
        Error::store(format!(
            "{at} is damaged, and without it no record is found: restore it, or remove the whole folder"
        ))
    })
}
