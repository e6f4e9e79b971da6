//! Where tokens outlive the process: the [`TokenStore`] trait, and the [`Record`] that it keeps.
//!
//! 1. A store holds one record under each key. Whoever saves says which version it has seen last, and a store writes nothing
//!    over a newer one: [`Record::may_replace`] is the whole rule, and the same for all.
//! 2. A record never holds what a login began with: no password, no client secret, no key, no assertion.
//! 3. What a small store cannot do, it says by a default method; a session then does without.

mod boxed;
mod claim;
mod closure;
#[cfg(feature = "file")]
mod file;
mod json;
mod lease;
mod news;
#[cfg(feature = "oauth2")]
mod oauth2;
mod owner;
mod record;
#[cfg(feature = "seal")]
mod seal;
#[cfg(feature = "seal")]
mod secret;
mod trials;
mod version;

use std::{fmt, future::Future, time::Duration};

#[cfg(feature = "file")]
pub use self::file::{FileStore, FileStoreBuilder};
#[cfg(feature = "testing")]
pub(crate) use self::record::Access;
pub(crate) use self::{
    boxed::SharedStore,
    claim::{Spending, milliseconds},
    owner::{Owner, OwnerFacts},
    record::MOST_TOKENS,
    trials::{REMEMBERED, Refused, Trials, Unsure, elsewhere},
};
pub use self::{
    claim::Claim,
    closure::{StoreFn, store_fn},
    lease::{Lease, Leased},
    news::{Ear, Listening, News},
    record::Record,
    version::Version,
};
#[cfg(feature = "seal")]
pub use self::{seal::Seal, secret::StoreSecret};
use crate::error::{Error, ErrorKind};

/// Names the record of one login in a [`TokenStore`]: a user's name, an account, a session's key.
///
/// It should be hard to guess where others can read the store's names; `FileStore` hides it behind a keyed
/// hash. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreKey(Box<[u8]>);

/// Where records are kept: a folder, a database, a place of your own.
///
/// Most programs use a store that exists: `FileStore` (feature `file`), or [`store_fn`], which makes one of two closures.
/// Implement this trait for a place with leases or news of its own. The feature `testing` has a suite that tells whether a
/// store keeps the rules.
///
/// A session waits for a store for two seconds at most, each time. What takes longer counts as failed.
///
/// # A small store
/// Only [`load`](TokenStore::load) and [`save`](TokenStore::save) have to be written. The other methods have a default that says
/// that the place does not know such a thing.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex, time::SystemTime};
/// use tower_reauth::{Error, Record, Saved, StoreKey, TokenStore, Version};
///
/// #[derive(Default)]
/// struct Memory(Mutex<HashMap<StoreKey, Record>>);
///
/// impl TokenStore for Memory {
///     async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///
///     async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
///         let mut records = self.0.lock().unwrap();
///         if let Some(current) = records.get(key)
///             && !record.may_replace(current, seen, SystemTime::now())
///         {
///             return Ok(Saved::Overtaken(Box::new(current.clone())));
///         }
///         records.insert(key.clone(), record.clone());
///         Ok(Saved::Saved)
///     }
/// }
/// ```
pub trait TokenStore: Send + Sync + 'static {
    /// The record that stands under a key.
    ///
    /// # Errors
    /// The place cannot be read, or what stands there is no record. Nothing is written over what cannot be read.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Record>, Error>> + Send;

    /// Puts a record under a key, if [`Record::may_replace`] allows it for what stands there: comparing and writing are one step
    /// that no other process can come between. `seen` is the version that the session has seen last.
    ///
    /// A record that says [`is_logged_out`](Record::is_logged_out) holds no secrets. It is saved like any other, so that other
    /// processes learn of the logout. It may be dropped when the refresh token that it replaced would have expired; a place
    /// that does not know keeps it for 90 days.
    ///
    /// # Errors
    /// The place cannot be written, or what stands there cannot be read.
    ///
    /// # Cancel safety
    /// May be dropped at any point. It is then not known whether the record was saved, and the session asks.
    fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        seen: Option<Version>,
    ) -> impl Future<Output = Result<Saved, Error>> + Send;

    /// Asks for the right to send token requests for this key, for all processes that share the place. It must not wait: where
    /// somebody else holds it, it says [`Leased::Taken`], and the session asks again.
    ///
    /// A lease ends when it is dropped, and when its process dies. Default: [`Leased::Unknown`].
    ///
    /// # Errors
    /// The place cannot be reached.
    fn lease(&self, key: &StoreKey) -> impl Future<Output = Result<Leased, Error>> + Send {
        let _ = key;
        async { Ok(Leased::Unknown) }
    }

    /// Whether something else than what was loaded or saved here last may stand under the key, and that was of this version. It should
    /// be cheap: it is asked again and again while there is traffic. `None`: nothing was seen there. Default: `true`, and the record is
    /// loaded.
    ///
    /// # Errors
    /// The place cannot be reached.
    fn changed(&self, key: &StoreKey, seen: Option<Version>) -> impl Future<Output = Result<bool, Error>> + Send {
        let _ = (key, seen);
        async { Ok(true) }
    }

    /// How often a session with traffic asks [`changed`](TokenStore::changed). With up to two seconds for the answers this bounds how
    /// late a logout by another process is seen. Default: 30 s.
    fn news_every(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Tells this ear what others do with the key, as soon as they do it, until the [`Listening`] is dropped. News may be lost or come
    /// twice: they make things fast, and nothing depends on them. A session's own saves may be told, too. It must not block.
    ///
    /// A session listens from its first use of the store until its login ends or it is dropped. A logout elsewhere ends it at once
    /// then, a renewal elsewhere is adopted without a call, and whoever waits for another process is woken. Tell
    /// [`News::Missed`] when something may have been missed, as after a lost connection: within a second each session looks, and one
    /// that knows more than the store writes it back.
    ///
    /// `None`, the default: the place carries no news, and sessions look by themselves.
    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        let _ = (key, ear);
        None
    }

    /// Asks whoever holds a credential for this key, such as a password, to renew the tokens of this version, which are dead: they
    /// hear [`News::Wanted`]. Says whether somebody else than the one who asks may have heard it: that one waits for up to 5 s
    /// then, and longer while it finds somebody's claim. Default: `false`.
    ///
    /// # Errors
    /// The place cannot be reached.
    fn ask(&self, key: &StoreKey, dead: Version) -> impl Future<Output = Result<bool, Error>> + Send {
        let _ = (key, dead);
        async { Ok(false) }
    }
}

/// What came of [`TokenStore::save`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Saved {
    /// The record stands in its place.
    Saved,
    /// Something newer stands there, and was left as it is: another process was first, or the login was ended.
    Overtaken(Box<Record>),
}

impl StoreKey {
    /// A key of these bytes.
    pub fn new(key: impl AsRef<[u8]>) -> Self {
        Self(key.as_ref().into())
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for StoreKey {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

impl From<String> for StoreKey {
    fn from(key: String) -> Self {
        Self::new(key)
    }
}

// Whoever knows the key of a browser's session may be able to use it.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey")
    }
}

impl Error {
    /// A token store failed: `what` says at which step, and on what. For your own stores; the message must not hold a secret.
    pub fn store(what: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Store, what).not_sent()
    }
}
