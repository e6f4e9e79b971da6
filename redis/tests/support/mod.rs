//! What the tests share.

pub(crate) mod server;
pub(crate) mod trouble;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::time::{sleep, timeout};
use tower_reauth::{Ear, Listening, News, Record, StoreKey, StoreSecret, TokenSet, TokenStore, Version};
use tower_reauth_redis::{RedisStore, RedisStoreBuilder};

pub(crate) use self::server::{Server, wait};

/// Longer than anything here takes.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
    RedisStore::builder(url).naming_key(StoreSecret::from([1; 32])).encrypt_with("one", StoreSecret::from([2; 32]))
}

pub(crate) async fn store(server: &Server) -> RedisStore {
    builder(server.url()).connect().await.unwrap()
}

pub(crate) fn alice() -> StoreKey {
    StoreKey::from("alice")
}

/// Where the builder above puts the record of a key.
pub(crate) fn place(key: &StoreKey) -> String {
    format!("tower-reauth:{{{}}}", StoreSecret::from([1; 32]).name(key))
}

/// A record of this number in the first login.
pub(crate) fn record(number: u64) -> Record {
    at(Version::from_parts(1, number, 7), &Record::new(tokens()))
}

pub(crate) fn tokens() -> TokenSet {
    TokenSet::new("access-canary").unwrap().with_refresh_token("refresh-canary")
}

/// The record with this version.
pub(crate) fn at(version: Version, record: &Record) -> Record {
    let (epoch, number, random) = (version.epoch(), version.number(), version.random());
    let json = record.to_json();
    let json = json.expose_secret();
    let rest = json.split_once("\"created\"").expect("a record says when it was created").1;
    let head = format!("{{\"format\":1,\"epoch\":{epoch},\"number\":{number},\"random\":\"{random:016x}\",");
    Record::from_json(&format!("{head}\"created\"{rest}")).unwrap()
}

/// What an error says, with its causes.
pub(crate) fn chain(error: &tower_reauth::Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said += &format!(": {cause}");
        source = cause.source();
    }
    said
}

/// What was heard of a key.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<News>>>);

impl Heard {
    /// Listens, and waits until Redis has begun to tell.
    pub(crate) async fn listen(&self, store: &RedisStore, key: &StoreKey) -> Listening {
        let listening = self.begin(store, key);
        self.until("the ear hears that it listens", |news| news.contains(&News::Free) || news.contains(&News::Missed))
            .await;
        self.forget();
        listening
    }

    pub(crate) fn begin(&self, store: &RedisStore, key: &StoreKey) -> Listening {
        let heard = self.clone();
        store.listen(key, Ear::new(move |news| heard.0.lock().unwrap().push(news))).unwrap()
    }

    pub(crate) fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn all(&self) -> Vec<News> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&[News]) -> bool) {
        until(what, async || is_so(&self.all())).await;
    }
}

/// Waits until something is so, and says what was not.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let look = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(BOUND, look).await.is_ok(), "it did not come true within {BOUND:?} that {what}");
}
