//! Secrets that change while the program runs: from a file, or from a closure. They are read for each token request.
//!
//! 1. What is read is held for one token request, and wiped after it (invariant 9).
//! 2. A secret that can't be read is no send: nothing left this machine. The session backs off, and reads it again (invariant 5).
//! 3. An error names the file, and never what is in it.

mod file;

use std::{fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use self::file::SecretFile;
use crate::error::{Error, ErrorKind};

/// A secret that is fixed, or one that may change: a client secret, a key, an assertion, a subject token.
///
/// One that may change is read for each token request, so that a new value is used without a restart:
///
/// ```
/// use secrecy::{ExposeSecret, SecretString};
/// use tower_reauth::{ClientAuth, Error, SecretSource};
///
/// # async fn ask_the_vault() -> Result<SecretString, Error> { Ok("secret".into()) }
/// let fixed = ClientAuth::basic("billing", "consumer-secret");
/// let from_file = ClientAuth::basic("billing", SecretSource::file("/run/secrets/billing"));
/// let from_vault = ClientAuth::basic("billing", SecretSource::from_fn(|| ask_the_vault()));
/// ```
///
/// # Files
/// A file is opened by its name each time, so it may be replaced: by a rename, or by a symbolic link, as Kubernetes does with
/// projected tokens, and a Vault or SPIFFE agent with its own. A byte order mark at its start and one line break at its end are not
/// part of the secret.
///
/// These are errors of the kind [`ErrorKind::Secret`](crate::ErrorKind::Secret):
///
/// - the file is missing, empty, or larger than 64 KiB;
/// - it is not UTF-8, or not a regular file (a pipe);
/// - it changes while it is read;
/// - it is to hold a JWT, and the JWT is cut off.
///
/// Nothing is sent then. The session backs off for a second or more, and reads the file again.
///
/// A file on a network may hang. It is an error after 5 s, and it is not read again before the network lets go of it: each source
/// reads its file once at a time, on a thread of its own. A program can end meanwhile.
#[derive(Clone)]
pub struct SecretSource {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Fixed(SecretString),
    File(Arc<SecretFile>),
    Closure(Arc<Closure>),
}

type Read = Pin<Box<dyn Future<Output = Result<SecretString, Error>> + Send>>;
/// Is told which value the server refused, if it is asked for another one.
type Closure = dyn Fn(Option<&SecretString>) -> Read + Send + Sync;

impl SecretSource {
    /// The content of a file, read for each token request.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { kind: Kind::File(Arc::new(SecretFile::new(path.into()))) }
    }

    /// What a closure returns. It is called for each token request; sessions that share the source may call it side by side. The
    /// renewal's [limit](crate::SessionBuilder::renewal_limit) holds for it as well.
    ///
    /// If it returns an error or an empty secret, nothing is sent. [`Error::with_retry_after`] says when it may be called again.
    pub fn from_fn<F>(read: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<SecretString, Error>> + Send + 'static,
    {
        Self::renewable(move |_| read())
    }

    /// As [`from_fn`](SecretSource::from_fn); the closure is told which value the server refused, if it is asked for another one.
    pub(crate) fn renewable<F>(read: impl Fn(Option<&SecretString>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<SecretString, Error>> + Send + 'static,
    {
        Self { kind: Kind::Closure(Arc::new(move |refused| Box::pin(read(refused)))) }
    }

    /// The secret, where it never changes.
    pub(crate) fn fixed(&self) -> Option<&SecretString> {
        match &self.kind {
            Kind::Fixed(secret) => Some(secret),
            Kind::File(_) | Kind::Closure(_) => None,
        }
    }

    /// Tells what differs where the secret comes from elsewhere, or is another fixed one.
    pub(crate) fn mark(&self, tell: &mut impl FnMut(&str)) {
        match &self.kind {
            Kind::Fixed(secret) => tell(secret.expose_secret()),
            Kind::File(file) => tell(&file.path().to_string_lossy()),
            Kind::Closure(closure) => tell(&format!("{:p}", Arc::as_ptr(closure))),
        }
    }

    /// Where it comes from, for a message.
    #[cfg(feature = "jwt-no-provider")]
    pub(crate) fn place(&self) -> String {
        match &self.kind {
            Kind::Fixed(_) => "memory".into(),
            Kind::File(file) => format!("the file {}", file.path().display()),
            Kind::Closure(_) => "the closure".into(),
        }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(crate) async fn read(&self) -> Result<SecretString, Error> {
        match &self.kind {
            Kind::Fixed(secret) => Ok(secret.clone()),
            Kind::File(file) => file.read().await,
            Kind::Closure(read) => filled(read(None).await),
        }
    }

    /// As [`read`](SecretSource::read), for a token: another one than the server refused, if there is one. A file that is to hold a JWT
    /// and holds half of one is an error.
    pub(crate) async fn read_again(&self, refused: Option<&SecretString>, is_jwt: bool) -> Result<SecretString, Error> {
        match &self.kind {
            Kind::Closure(read) => filled(read(refused).await),
            _ if is_jwt => self.read_token().await,
            _ => self.read().await,
        }
    }

    /// As [`read`](SecretSource::read), for a JWT: one that was cut off is not sent.
    pub(crate) async fn read_token(&self) -> Result<SecretString, Error> {
        let token = self.read().await?;
        match &self.kind {
            Kind::File(file) => file::whole_token(file.path(), token),
            Kind::Fixed(_) | Kind::Closure(_) => Ok(token),
        }
    }
}

/// What a closure returned: an empty secret is none, as with a file.
fn filled(read: Result<SecretString, Error>) -> Result<SecretString, Error> {
    match read {
        Ok(secret) if secret.expose_secret().trim().is_empty() => {
            Err(Error::new(ErrorKind::Secret, "not sent, since the closure returned an empty secret").not_sent())
        }
        read => read.map_err(Error::not_sent),
    }
}

impl From<SecretString> for SecretSource {
    fn from(secret: SecretString) -> Self {
        Self { kind: Kind::Fixed(secret) }
    }
}

impl From<&str> for SecretSource {
    fn from(secret: &str) -> Self {
        SecretString::from(secret).into()
    }
}

impl From<String> for SecretSource {
    fn from(secret: String) -> Self {
        SecretString::from(secret).into()
    }
}

impl From<Box<str>> for SecretSource {
    fn from(secret: Box<str>) -> Self {
        SecretString::from(secret).into()
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fixed(_) => f.write_str("SecretSource([redacted])"),
            Kind::File(file) => write!(f, "SecretSource({})", file.path().display()),
            Kind::Closure(_) => f.write_str("SecretSource(closure)"),
        }
    }
}
