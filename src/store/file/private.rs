//! Files and folders that only their owner can reach. On Windows, and wherever else there are no modes, only links are refused.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io,
    path::Path,
};

use crate::error::Error;

/// A save may put a new file into the place between two steps of opening it; not as often as this.
const ATTEMPTS: usize = 100;

/// Tells a file from another one that stands in its place later.
#[cfg(unix)]
pub(super) type Identity = (u64, u64);
#[cfg(not(unix))]
pub(super) type Identity = ();

/// What becomes of a file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Leave,
}

pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path).map_err(|error| failed("create the folder", path, error))
}

/// Looks at a folder. Whoever may write in it could put another file in the place of each one.
pub(super) fn folder(path: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(|error| failed("find the folder", path, error))?;
    check(path, &found, found.is_dir(), "folder", "700")
}

/// Opens a file: to read it, and if it may be created, to lock it.
pub(super) fn open(path: &Path, missing: Missing) -> Result<Option<File>, Error> {
    for _ in 0..ATTEMPTS {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match missing {
                Missing::Leave => return Ok(None),
                Missing::Create => match create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                    created => return created.map(Some).map_err(|error| failed("create", path, error)),
                },
            },
            Err(error) => return Err(failed("find", path, error)),
        };
        check(path, &found, found.is_file(), "file", "600")?;
        let file = match File::options().read(true).write(missing == Missing::Create).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("open", path, error)),
        };
        // Between the look and the opening a link may have slipped in.
        if is_still(path, &file, &found)? {
            return Ok(Some(file));
        }
    }
    Err(Error::store(format!("could not open {}: other files take its place all the time", path.display())))
}

/// A new file.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// Whether the file that was opened is the one that stands in its place now.
pub(super) fn is_in_place(path: &Path, file: &File) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) => is_still(path, file, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("find", path, error)),
    }
}

/// An error of the operating system: what failed, and where.
pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::store(format!("could not {doing} {}", path.display())).with_source(error)
}

fn is_still(path: &Path, file: &File, found: &Metadata) -> Result<bool, Error> {
    let opened = file.metadata().map_err(|error| failed("look at", path, error))?;
    Ok(identity(&opened) == identity(found))
}

fn check(path: &Path, found: &Metadata, is_right: bool, what: &str, mode: &str) -> Result<(), Error> {
    let at = path.display();
    if found.is_symlink() {
        return Err(Error::store(format!(
            "{at} is a symbolic link, which may lead to where others can read: name the {what} that it leads to, or remove it"
        )));
    }
    if !is_right {
        return Err(Error::store(format!("{at} is no {what}: remove it, or choose another folder")));
    }
    match others(found) {
        0 => Ok(()),
        all => Err(Error::store(format!(
            "others can reach {at}, a {what} with tokens (mode {all:o}): choose a {what} of your own, or `chmod {mode} {at}`"
        ))),
    }
}

/// The mode, if it lets anybody in but the owner.
#[cfg(unix)]
fn others(found: &Metadata) -> u32 {
    let mode = std::os::unix::fs::MetadataExt::mode(found) & 0o7777;
    if mode & 0o077 == 0 { 0 } else { mode }
}

#[cfg(not(unix))]
fn others(_: &Metadata) -> u32 {
    0
}

#[cfg(unix)]
pub(super) fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;

    (found.dev(), found.ino())
}

#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> Identity {}
