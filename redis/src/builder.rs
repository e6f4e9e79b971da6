//! Sets up a store.

use std::{fmt, sync::Arc, time::Duration};

use redis::{Client, cmd};
use tokio::runtime::Handle;
use tower_reauth::{Error, ErrorKind, Seal, StoreSecret};

use crate::{
    connection::Connection,
    lease,
    news::Switchboard,
    store::{Inner, RedisStore},
};

/// Sets up a [`RedisStore`].
pub struct RedisStoreBuilder {
    url: String,
    prefix: Box<str>,
    naming: Option<StoreSecret>,
    newest: Option<(Box<str>, StoreSecret)>,
    older: Vec<(Box<str>, StoreSecret)>,
    lease_life: Duration,
}

impl RedisStore {
    /// A store in the Redis at this URL: `redis://user:password@host:6379/0`.
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder {
            url: url.as_ref().to_owned(),
            prefix: "tower-reauth".into(),
            naming: None,
            newest: None,
            older: Vec::new(),
            lease_life: lease::LIFE,
        }
    }
}

impl RedisStoreBuilder {
    /// Hashes the names of records with this key; required.
    #[must_use]
    pub fn naming_key(mut self, key: StoreSecret) -> Self {
        self.naming = Some(key);
        self
    }

    /// Encrypts what is saved from now on with this key; required. The id tells keys from each other; it stands beside what is
    /// encrypted, and is no secret.
    #[must_use]
    pub fn encrypt_with(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.newest = Some((id.into(), key));
        self
    }

    /// Reads what was encrypted with an older key.
    #[must_use]
    pub fn older_key(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.older.push((id.into(), key));
        self
    }

    /// What the names of all keys begin with. Default: `tower-reauth`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a lease lives that is not extended; for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn lease_life(mut self, life: Duration) -> Self {
        self.lease_life = life;
        self
    }

    /// Connects to Redis, and looks whether it can be used.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a key is missing, or the URL is none. [`ErrorKind::NoRuntime`]: there is no tokio runtime.
    /// [`ErrorKind::Store`]: Redis cannot be reached or used.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn connect(self) -> Result<RedisStore, Error> {
        let store = self.connect_lazily()?;
        store.inner.connection.send::<redis::Value>("reach Redis", &cmd("PING")).await?;
        Ok(store)
    }

    /// As [`connect`](Self::connect), but it does not wait for Redis, which may be down.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a key is missing, or the URL is none. [`ErrorKind::NoRuntime`]: there is no tokio runtime.
    pub fn connect_lazily(self) -> Result<RedisStore, Error> {
        let Self { url, prefix, naming, newest, older, lease_life } = self;
        let invalid = |what: &'static str| Error::new(ErrorKind::Invalid, what);
        let naming = naming.ok_or_else(|| invalid("a store in Redis needs a naming key"))?;
        let (id, key) = newest.ok_or_else(|| invalid("a store in Redis needs a key to encrypt with"))?;
        let seal = older.into_iter().fold(Seal::with(id, key), |seal, (id, key)| seal.older_key(id, key));
        Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::NoRuntime, "a store in Redis works on a tokio runtime").with_source(error)
        })?;
        let client =
            Client::open(url).map_err(|_| invalid("this is no URL of a Redis: `redis://user:password@host:6379/0`"))?;
        let connection = Connection::to(client.clone()).map_err(|_| invalid("this Redis cannot be connected to"))?;
        let board = Switchboard::new(client);
        Ok(RedisStore { inner: Arc::new(Inner { prefix, naming, seal, connection, board, lease_life }) })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
