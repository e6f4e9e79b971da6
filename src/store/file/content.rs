//! Files that are read whole, and written so that others see the old content or the new one.

use std::{
    fs::{self, File, Metadata},
    io::{Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use super::private::{self, Missing, failed};
use crate::error::Error;

/// What a file holds, and the metadata of that very file.
type Content = (Zeroizing<Vec<u8>>, Metadata);

/// The content of a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Content>, Error> {
    let Some(mut file) = private::open(path, Missing::Leave)? else { return Ok(None) };
    let metadata = file.metadata().map_err(|error| failed("look at", path, error))?;
    // Large enough, so that no copy is left behind by a buffer that grew.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.read_to_end(&mut content).map_err(|error| failed("read", path, error))?;
    Ok(Some((content, metadata)))
}

/// Puts a file with this content into its place, so that it is there after a power cut as well.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<Metadata, Error> {
    let temporary = path.with_extension(format!("{:016x}.tmp", fastrand::u64(..)));
    let file = private::create(&temporary).map_err(|error| failed("create", &temporary, error))?;
    let written = fill(file, &temporary, content).and_then(|metadata| {
        fs::rename(&temporary, path).map(|()| metadata).map_err(|error| failed("replace", path, error))
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    let metadata = written?;
    sync_folder(path)?;
    Ok(metadata)
}

fn fill(mut file: File, path: &Path, content: &[u8]) -> Result<Metadata, Error> {
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| file.metadata())
        .map_err(|error| failed("write", path, error))
}

/// Elsewhere a folder is no file that could be opened.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("write", folder, error))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), Error> {
    Ok(())
}
