//! A secret in a file that others replace.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};

/// No secret is larger.
const LIMIT: usize = 64 * 1024;

/// Reads the file as it is now, off the runtime's threads: it may lie on a network.
pub(super) async fn read(path: &Arc<PathBuf>) -> Result<SecretString, Error> {
    let from = path.clone();
    match spawn_blocking(move || content(&from)).await {
        Ok(read) => read,
        Err(_) => Err(failed(path, "could not be read: the runtime is shutting down")),
    }
}

fn content(path: &Path) -> Result<SecretString, Error> {
    let broken = |error: io::Error| failed(path, "cannot be read").with_source(error);
    let mut file = File::open(path).map_err(broken)?;
    let before = file.metadata().map_err(broken)?;
    if !before.is_file() {
        return Err(failed(path, "is no file"));
    }
    // As large as may be, so that no copy stays behind when it grows (invariant 9).
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    file.by_ref().take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > LIMIT {
        return Err(failed(path, "is larger than 64 KiB"));
    }
    if is_other(&before, &file.metadata().map_err(broken)?, bytes.len()) {
        return Err(failed(path, "changed while it was read"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(path, "is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(failed(path, "is empty"));
    }
    Ok(text.into())
}

/// Whether somebody writes into the very file.
fn is_other(before: &Metadata, after: &Metadata, read: usize) -> bool {
    before.len() != after.len() || after.len() != read as u64 || before.modified().ok() != after.modified().ok()
}

/// A token that begins as a JWT does is a whole one: three parts of base64url, of which the first is a JSON object.
pub(super) fn whole_token(path: &Path, token: SecretString) -> Result<SecretString, Error> {
    let text = token.expose_secret();
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed(path, "holds more than a token: there are spaces or other characters in it"));
    }
    if !text.starts_with("eyJ") {
        return Ok(token);
    }
    let parts: Vec<_> = text.split('.').collect();
    let is_whole = matches!(parts.len(), 3 | 5)
        && parts.iter().all(|part| {
            let mut decoded = Zeroizing::new(vec![0; part.len()]);
            Base64UrlUnpadded::decode(part, &mut decoded).is_ok_and(|decoded| !decoded.is_empty())
        });
    if is_whole { Ok(token) } else { Err(failed(path, "holds a token that is cut off")) }
}

fn failed(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Secret, format!("not sent, since the file {} {what}", path.display())).not_sent()
}

#[cfg(test)]
mod tests;
