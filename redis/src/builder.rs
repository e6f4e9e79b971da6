//! Sets up a store.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tower_reauth::{Error, ErrorKind, Seal, StoreSecret};

use crate::{
    clock::Clock,
    connection::Connection,
    failure, lease,
    news::Switchboard,
    place::{Place, Tls, Urls},
    store::{Inner, RedisStore},
};

/// Sets up a [`RedisStore`]. Both keys are required.
///
/// `Debug` shows neither the URL nor a key.
#[must_use]
pub struct RedisStoreBuilder {
    urls: Urls,
    tls: Tls,
    prefix: Box<str>,
    naming: Option<StoreSecret>,
    newest: Option<(Box<str>, StoreSecret)>,
    older: Vec<(Box<str>, StoreSecret)>,
    lease_life: Duration,
}

impl RedisStore {
    /// A store in the Redis at this URL: `redis://user:password@host:6379/0`, with TLS (feature `tls`) `rediss://..`.
    ///
    /// Special characters of the user name and the password are percent-encoded.
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Urls::One(url.as_ref().to_owned()))
    }

    /// A store in the master that these sentinels know. The master's URL has its name in place of a host, and otherwise what is
    /// needed to connect to it: `redis://user:password@mymaster/0`. The sentinels' URLs are like `redis://10.0.0.1:26379`; where
    /// they ask for a password, the first URL has it for all.
    ///
    /// After a fail-over the new master is asked for as soon as the old one fails.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), tower_reauth::Error> {
    /// # let (naming_key, key) = (tower_reauth::StoreSecret::from([1; 32]), tower_reauth::StoreSecret::from([2; 32]));
    /// use tower_reauth_redis::RedisStore;
    ///
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
    /// let store = RedisStore::sentinel("redis://orders:secret@mymaster/0", sentinels)
    ///     .naming_key(naming_key)
    ///     .encrypt_with("2026-11", key)
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "sentinel")]
    pub fn sentinel(
        master: impl AsRef<str>,
        sentinels: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> RedisStoreBuilder {
        let sentinels = sentinels.into_iter().map(|url| url.as_ref().to_owned()).collect();
        RedisStoreBuilder::new(Urls::Sentinels { master: master.as_ref().to_owned(), sentinels })
    }

    /// A store in the cluster of which these are some nodes; the others are learnt from them. All have the same user name and
    /// password. The nodes are Redis 7 or later, or Valkey.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), tower_reauth::Error> {
    /// # let (naming_key, key) = (tower_reauth::StoreSecret::from([1; 32]), tower_reauth::StoreSecret::from([2; 32]));
    /// use tower_reauth_redis::RedisStore;
    ///
    /// let store = RedisStore::cluster(["redis://orders:secret@10.0.0.1:6379", "redis://orders:secret@10.0.0.2:6379"])
    ///     .naming_key(naming_key)
    ///     .encrypt_with("2026-11", key)
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "cluster")]
    pub fn cluster(nodes: impl IntoIterator<Item = impl AsRef<str>>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Urls::Cluster(nodes.into_iter().map(|url| url.as_ref().to_owned()).collect()))
    }
}

impl RedisStoreBuilder {
    fn new(urls: Urls) -> Self {
        Self {
            urls,
            tls: Tls::default(),
            prefix: "tower-reauth".into(),
            naming: None,
            newest: None,
            older: Vec::new(),
            lease_life: lease::LIFE,
        }
    }

    /// Hashes the names of records with this key; required. It must be the same for all replicas, and must never change: records of
    /// another naming key are not found.
    pub fn naming_key(mut self, key: StoreSecret) -> Self {
        self.naming = Some(key);
        self
    }

    /// Encrypts what is saved from now on with this key; required. The id tells keys from each other; it stands in Redis, and is no
    /// secret.
    pub fn encrypt_with(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.newest = Some((id.into(), key));
        self
    }

    /// Reads what was encrypted with this other key, too. To replace a key, first give the new one to all replicas as an
    /// `older_key`, then make it the one to [`encrypt_with`](Self::encrypt_with), and drop the old one when all records were
    /// saved anew or have expired. Marks of logouts count as well: they live for 90 days at least.
    pub fn older_key(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.older.push((id.into(), key));
        self
    }

    /// What all keys in Redis begin with; it tells programs from each other that share one Redis. Default: `tower-reauth`.
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Trusts certificates of this authority (PEM), and not those that the system trusts. Without it `SSL_CERT_FILE` can name a
    /// file as well.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.root = Some(pem.into());
        self
    }

    /// Shows this certificate with its private key (both PEM), where Redis asks for one (`tls-auth-clients`, the default).
    #[cfg(feature = "tls")]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((certificate.into(), key.into()));
        self
    }

    /// How long a lease lives that is not extended; for tests.
    #[doc(hidden)]
    pub fn lease_life(mut self, life: Duration) -> Self {
        self.lease_life = life;
        self
    }

    /// Connects, and makes sure that Redis can be read, written and published in, by a lease and a record of its own that ends a second
    /// later. Do it when the program starts. Whether it tells news is not looked at: sessions do without, and the store warns.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a key is missing, or the URL cannot be used. [`ErrorKind::NoRuntime`]: there is no tokio runtime.
    /// [`ErrorKind::Store`]: Redis cannot be reached, or not be used. [*Errors*](RedisStore#errors) lists the causes. A
    /// program that can work without the store for a while uses [`connect_lazily`](Self::connect_lazily).
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn connect(self) -> Result<RedisStore, Error> {
        let store = self.connect_lazily()?;
        store.probe().await?;
        Ok(store)
    }

    /// As [`connect`](Self::connect), but it does not wait for Redis, which may be down: until it is there, sessions use their
    /// own grant. Those that have nothing but what the store keeps fail with [`ErrorKind::Store`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a key is missing, or the URL cannot be used. [`ErrorKind::NoRuntime`]: there is no tokio runtime.
    pub fn connect_lazily(self) -> Result<RedisStore, Error> {
        let Self { urls, tls, prefix, naming, newest, older, lease_life } = self;
        let invalid = |what: &'static str| Error::new(ErrorKind::Invalid, what);
        let naming = naming.ok_or_else(|| invalid("a store in Redis needs a `naming_key`"))?;
        let (id, key) = newest.ok_or_else(|| invalid("a store in Redis needs a key to `encrypt_with`"))?;
        let seal = older.into_iter().fold(Seal::with(id, key), |seal, (id, key)| seal.older_key(id, key));
        if prefix.contains(['{', '}']) {
            return Err(invalid(
                "the prefix of a store in Redis has no braces: a cluster would keep all records in one place",
            ));
        }
        let home = failure::runtime()?;
        let place = Place::new(urls, tls).map_err(|error| {
            // Redis' own words may hold the URL.
            let what = match error.kind() {
                redis::ErrorKind::InvalidClientConfig if cfg!(not(feature = "tls")) => {
                    "the URL of Redis cannot be used: it is like `redis://user:password@host:6379/0`, and `rediss://` needs the feature `tls`"
                }
                _ => "the URL of Redis, or a certificate, cannot be used: a URL is like `redis://user:password@host:6379/0`",
            };
            invalid(what)
        })?;
        let connection = Connection::to(place.clone(), home);
        let board = Switchboard::new(place);
        let looked = AtomicBool::new(false);
        Ok(RedisStore {
            inner: Arc::new(Inner {
                prefix,
                naming,
                seal,
                connection,
                board,
                lease_life,
                looked,
                clock: Clock::default(),
            }),
        })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
