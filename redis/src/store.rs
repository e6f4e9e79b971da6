//! The store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Value, cmd};
use tower_reauth::{Ear, Error, Leased, Listening, Record, Saved, Seal, StoreKey, StoreSecret, TokenStore, Version};

use crate::{
    connection::Connection,
    content::{Arguments, Content},
    failure,
    lease::Held,
    names::{self, Names},
    news::{self, Switchboard},
    policy,
    script::{LOAD, SAVE},
};

/// A [`TokenStore`] in Redis or Valkey, for replicas that share logins.
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
}

impl RedisStore {
    pub(crate) fn names(&self, key: &StoreKey) -> Names {
        Names::of(&self.inner.prefix, &self.inner.naming, key)
    }
}

impl Inner {
    /// Makes sure that Redis can be used, by a lease that nobody else asks for.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let names = Names::of(&self.prefix, &self.naming, &StoreKey::new(format!("probe {:032x}", fastrand::u128(..))));
        self.lease(names).probe().await?;
        self.looked.store(true, Ordering::Relaxed);
        policy::look(&self.connection).await;
        Ok(())
    }

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

impl TokenStore for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        let names = self.names(key);
        let answer: Value = self.inner.connection.run("load a record", &LOAD, &[&names.record], &[]).await?;
        self.inner.look();
        let content = Content::read(&answer).map_err(|error| failure::told("load a record", error.into()))?;
        content.map(|content| content.open(&names, &self.inner.seal)).transpose()
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let names = self.names(key);
        let sealed = self.inner.seal.seal(&names.name, record)?;
        let arguments = Arguments::new(record, seen, &sealed, self.inner.connection.publish());
        let keys = [&*names.record, &*names.channel];
        let answer: Value = self.inner.connection.run("save a record", &SAVE, &keys, &arguments.as_slices()).await?;
        if matches!(&answer, Value::Array(fields) if fields.len() == 1) {
            return Ok(Saved::Saved);
        }
        let content = Content::read(&answer).map_err(|error| failure::told("save a record", error.into()))?;
        let content =
            content.ok_or_else(|| Error::store("could not save a record: Redis kept it out and holds none"))?;
        Ok(Saved::Overtaken(Box::new(content.open(&names, &self.inner.seal)?)))
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
        let (ourselves, ears) = self.inner.board.ourselves(&names.channel);
        let publish = self.inner.connection.publish();
        let mut command = cmd(publish);
        command.arg(&*names.channel).arg(news::wanted(dead));
        let told: u64 = self.inner.connection.send("ask for new tokens", &command).await?;
        Ok(told > ourselves || ears > 1)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.inner.prefix)
            .field("keys", &self.inner.seal)
            .finish_non_exhaustive()
    }
}
