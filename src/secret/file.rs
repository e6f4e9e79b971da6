//! A secret in a file that others replace.
//!
//! 1. A file may lie on a network that hangs, and then a read never ends. So it is read by a thread of its own: the runtime can end
//!    without it, and its threads stay free.
//! 2. One such thread at a time for each source, so that a file that hangs costs one thread, however often it is asked for.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Mutex as AsyncMutex, task::spawn_blocking, time::timeout};
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind},
    timer,
};

/// No secret is larger.
const LIMIT: usize = 64 * 1024;
/// How long one read may take, and how long another one waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct SecretFile {
    path: PathBuf,
    /// Held by the thread that reads.
    turn: Arc<AsyncMutex<()>>,
}

impl SecretFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, turn: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file as it is now.
    ///
    /// # Cancel safety
    /// Safe: what was read is wiped.
    pub(super) async fn read(&self) -> Result<SecretString, Error> {
        self.read_by(content, PATIENCE).await
    }

    async fn read_by(
        &self,
        content: impl FnOnce(&Path) -> Result<SecretString, Error> + Send + 'static,
        patience: Duration,
    ) -> Result<SecretString, Error> {
        if !timer::keep_time() {
            let why =
                format!("not sent, since the file {} is read on a tokio runtime with timers", self.path.display());
            return Err(Error::new(ErrorKind::NoRuntime, why).not_sent());
        }
        let turn = timeout(patience, self.turn.clone().lock_owned()).await;
        let turn = turn.map_err(|_| failed(&self.path, "is still being read by an earlier attempt"))?;
        let (tell, told) = mpsc::sync_channel(1);
        let path = self.path.clone();
        let reader = move || {
            let read = content(&path);
            // First of all: whoever is told may come back at once.
            drop(turn);
            // Nobody listens if that took too long.
            let _ = tell.send(read);
        };
        let broken = |error: io::Error| failed(&self.path, "cannot be read").with_source(error);
        thread::Builder::new().name("tower-reauth-secret".into()).spawn(reader).map_err(broken)?;
        // A paused clock stands still while a blocking task runs, and would not for the thread alone.
        match spawn_blocking(move || told.recv_timeout(patience)).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(failed(&self.path, &format!("was not read within {patience:?}"))),
            Err(_) => Err(failed(&self.path, "could not be read: the runtime is shutting down")),
        }
    }
}

fn content(path: &Path) -> Result<SecretString, Error> {
    let broken = |error: io::Error| failed(path, "cannot be read").with_source(error);
    // Looked at before: to open a pipe waits for its writer, and to open a device may do things.
    if !fs::metadata(path).map_err(broken)?.is_file() {
        return Err(failed(path, "is no file"));
    }
    let mut file = File::open(path).map_err(broken)?;
    let before = file.metadata().map_err(broken)?;
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
    // A byte order mark, as Windows writes it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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

/// A token that begins as a JWT does is a whole one: three parts of base64url, or five if it is encrypted.
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
        && parts.iter().enumerate().all(|(at, part)| {
            let mut decoded = Zeroizing::new(vec![0; part.len()]);
            // RFC 7516 §5.1: an encrypted token holds no key where both sides have one.
            let may_be_empty = parts.len() == 5 && at == 1;
            Base64UrlUnpadded::decode(part, &mut decoded).is_ok_and(|decoded| may_be_empty || !decoded.is_empty())
        });
    if is_whole { Ok(token) } else { Err(failed(path, "holds a token that is cut off")) }
}

fn failed(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Secret, format!("not sent, since the file {} {what}", path.display())).not_sent()
}

#[cfg(test)]
mod tests;
