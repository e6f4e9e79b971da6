//! The store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use redis::{Value, cmd};
use tokio::time::timeout;
use tower_reauth::{
    Ear, Error, Leased, Listening, Record, Saved, Seal, StoreKey, StoreSecret, TokenSet, TokenStore, Version,
};

use crate::{
    clock::Clock,
    connection::{BOUND, Connection},
    content::{Answer, Arguments, Content},
    failure,
    lease::Held,
    names::{self, Names},
    news::{self, Switchboard},
    place::ANSWER,
    policy,
    script::{LOAD, SAVE},
};

/// How long the record lives by which a store that connects makes sure that it can save.
const PROBE: Duration = Duration::from_secs(1);

/// A [`TokenStore`] in Redis or Valkey, for replicas that share logins. Clones share its connections. [The crate](crate) says what
/// it protects from, and what stands in Redis.
///
/// ```no_run
/// # async fn run() -> Result<(), tower_reauth::Error> {
/// # let (naming_key, key) = (tower_reauth::StoreSecret::from([1; 32]), tower_reauth::StoreSecret::from([2; 32]));
/// use tower_reauth::{Record, Saved, StoreKey, TokenSet, TokenStore};
/// use tower_reauth_redis::RedisStore;
///
/// let store = RedisStore::builder("redis://orders:secret@redis.internal:6379/0")
///     .naming_key(naming_key)
///     .encrypt_with("2026-11", key)
///     .connect()
///     .await?;
///
/// let alice = StoreKey::from("alice");
/// let record = Record::new(TokenSet::new("mF_9.B5f-4.1JqM")?);
/// assert!(matches!(store.save(&alice, &record, None).await?, Saved::Saved));
/// assert!(store.load(&alice).await?.is_some());
/// # Ok(()) }
/// ```
///
/// # Errors
/// All are of the kind [`ErrorKind::Store`](tower_reauth::ErrorKind::Store), but for what is wrong when the store is set up
/// ([`ErrorKind::Invalid`](tower_reauth::ErrorKind::Invalid)). They say at which step, such as `could not save a record`, and never
/// show a URL or a password. Nothing is written over what they tell of.
///
/// | message | what to do |
/// | --- | --- |
/// | `nothing listens at the address` | start Redis, or correct the URL |
/// | `the connection to Redis cannot be made, or broke` | the cause says why: a name that is not known, a certificate that is not trusted |
/// | `Redis does not answer in time`, `has not answered within` | it is paused or overloaded, or something between drops what is sent |
/// | `what answers there is no Redis` | correct the port, or use `rediss://` where Redis speaks TLS |
/// | `asks for a password`, `refuses the user name or the password` | correct the URL; special characters are percent-encoded |
/// | `the ACL of this user forbids it` | compare with [the line that is needed](crate#what-the-user-needs). The cause names the command or the key; for a command in a script Redis 7.0 does not |
/// | `Redis refused it` | the cause has Redis' own words: there is no database of this number, or the user lacks `+select` |
/// | `is a replica` | name the master, or use the feature `sentinel` |
/// | `is part of a cluster` | use the feature `cluster` |
/// | `the cluster is down`, `no node of the cluster can be reached` | wait for its fail-over; name several nodes |
/// | `the sentinels know no master` | compare the name in the URL with `sentinel monitor`; wait for the fail-over |
/// | `has reached its maxmemory` | give Redis more memory; do not let it evict |
/// | `cannot write to its disk` | look at Redis' log: the disk is full, or not writable |
/// | `too few replicas` | bring the replicas back |
/// | `still reading its data`, `keeps Redis busy` | wait |
/// | `something else stands under a key` | choose another [prefix](crate::RedisStoreBuilder::prefix) |
/// | `the record .. is damaged` | somebody changed it: find out who, remove the key, and log in again |
/// | `.. is not used, and not written over` | the cause says why, as below |
/// | `its format is ..` | a newer release wrote it: update this program |
/// | `it is encrypted with the key ..` | give that key, as [`older_key`](crate::RedisStoreBuilder::older_key) if it was replaced |
/// | `it was encrypted with another key ..` | the key of this id is a different one, or the record was changed or moved |
///
/// A naming key that is not the one of before gives no error: nothing is found, and users log in again.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) prefix: Box<str>,
    pub(crate) naming: StoreSecret,
    pub(crate) seal: Seal,
    pub(crate) connection: Connection,
    pub(crate) board: Arc<Switchboard>,
    pub(crate) lease_life: Duration,
    /// Whether it was looked whether Redis evicts keys.
    pub(crate) looked: AtomicBool,
    pub(crate) clock: Clock,
}

impl RedisStore {
    pub(crate) fn names(&self, key: &StoreKey) -> Names {
        Names::of(&self.inner.prefix, &self.inner.naming, key)
    }
}

impl Inner {
    fn lease(&self, names: Names) -> Held {
        Held { connection: self.connection.clone(), names, life: self.lease_life }
    }

    /// A store that was not connected at first looks as soon as Redis answers.
    fn look(&self) {
        if !self.looked.load(Ordering::Relaxed) && !self.looked.swap(true, Ordering::Relaxed) {
            let connection = self.connection.clone();
            tokio::spawn(async move { policy::look(&connection).await });
        }
    }
}

impl RedisStore {
    /// Makes sure that Redis can be used: takes a lease that nobody else asks for, and saves a record that ends by itself.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let key = StoreKey::new(format!("probe {:032x}", fastrand::u128(..)));
        self.inner.lease(self.names(&key)).probe().await?;
        let record = Record::new(TokenSet::new("probe")?);
        self.put(&key, &record, None, Some(PROBE)).await?;
        self.changed(&key, Some(record.version())).await?;
        self.inner.looked.store(true, Ordering::Relaxed);
        self.load(&key).await?;
        policy::look(&self.inner.connection).await;
        Ok(())
    }

    /// Saves a record, which lives for so long if that is given.
    async fn put(
        &self,
        key: &StoreKey,
        record: &Record,
        seen: Option<Version>,
        life: Option<Duration>,
    ) -> Result<Saved, Error> {
        let names = self.names(key);
        let sealed = self.inner.seal.seal(&names.record, record)?;
        let mut arguments = Arguments::new(record, seen, &sealed, life, self.inner.connection.publish());
        let keys = [&*names.record, &*names.channel];
        let step = "save a record";
        failure::runtime()?;
        let now = SystemTime::now();
        let claims = record.claim(now).is_some_and(|claim| claim.until > claim.since.max(0));
        let saved = async {
            loop {
                if claims {
                    arguments.not_after(self.inner.clock.after(ANSWER));
                }
                let answer: Value = self.inner.connection.run(step, &SAVE, &keys, &arguments.as_slices()).await?;
                match Answer::read(&answer).map_err(|error| failure::told(step, error.into()))? {
                    Answer::Saved => return Ok(Saved::Saved),
                    Answer::Overtaken(content) => {
                        return Ok(Saved::Overtaken(Box::new(content.open(&names, &self.inner.seal)?)));
                    }
                    // Its clock was set, or it is another server: we are still here.
                    Answer::Late(now) => self.inner.clock.learn(now),
                    Answer::Unread(content) => {
                        arguments.has_opened(content.open(&names, &self.inner.seal)?.version());
                    }
                }
            }
        };
        timeout(BOUND, saved).await.unwrap_or_else(|_| Err(failure::slow(step, BOUND)))
    }
}

impl TokenStore for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        let names = self.names(key);
        let answer: Value = self.inner.connection.run("load a record", &LOAD, &[&names.record], &[]).await?;
        self.inner.look();
        let content = Content::read(&answer).map_err(|error| failure::told("load a record", error.into()))?;
        let open = |content: Content| {
            self.inner.clock.learn(content.now);
            content.open(&names, &self.inner.seal)
        };
        content.map(open).transpose()
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        self.put(key, record, seen, None).await
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        let held = self.inner.lease(self.names(key));
        held.ask().await
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        let names = self.names(key);
        let found: Option<Vec<u8>> =
            self.inner.connection.send("look at a record", cmd("HGET").arg(&names.record).arg("v")).await?;
        Ok(found != seen.map(|seen| names::digits(seen).into_bytes()))
    }

    fn news_every(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        Some(self.inner.board.listen(&self.names(key).channel, ear))
    }

    async fn ask(&self, key: &StoreKey, dead: Version) -> Result<bool, Error> {
        let names = self.names(key);
        let ourselves = self.inner.board.ourselves(&names.channel);
        let publish = self.inner.connection.publish();
        let mut command = cmd(publish);
        command.arg(&*names.channel).arg(news::wanted(dead));
        let told: u64 = self.inner.connection.send("ask for new tokens", &command).await?;
        if told > ourselves.told || ourselves.ears > 1 {
            return Ok(true);
        }
        Ok(told > 0 && !self.inner.board.has_lived(&ourselves).await)
    }
}

/// Shows no URL and no key.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.inner.prefix)
            .field("keys", &self.inner.seal)
            .finish_non_exhaustive()
    }
}
