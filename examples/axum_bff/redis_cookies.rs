//! Where the cookie sessions of several instances lie: in Redis, sealed. Each request asks for its own there, and nothing of it
//! stays here, so a logout at one instance counts at all of them at once.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use redis::{Cmd, FromRedisValue, RedisError, aio::ConnectionManager};
use tokio::time::timeout;
use tower_reauth::{StoreKey, StoreSecret};
use tower_sessions::{
    SessionStore,
    cookie::time::OffsetDateTime,
    session::{Id, Record},
    session_store::{Error, Result},
};

use crate::visitor::random;

/// For each command.
const PATIENCE: Duration = Duration::from_secs(2);
const NONCE: usize = 24;

/// Whoever reads Redis can use no session and change none: a cookie's value is not there, only a keyed hash of it, and what belongs
/// to it is encrypted and bound to that hash. It holds the key of the user's tokens, the user's name, and the PKCE verifier of a
/// login that has begun.
#[derive(Clone)]
pub(crate) struct RedisCookies {
    connection: ConnectionManager,
    names: Arc<StoreSecret>,
    cipher: XChaCha20Poly1305,
}

impl RedisCookies {
    pub(crate) async fn connect(
        client: redis::Client,
        names: StoreSecret,
        key: [u8; 32],
    ) -> std::result::Result<Self, RedisError> {
        let connection = client.get_connection_manager().await?;
        Ok(Self { connection, names: names.into(), cipher: XChaCha20Poly1305::new(&key.into()) })
    }

    fn name(&self, id: Id) -> String {
        format!("orchard:cookie:{}", self.names.name(&StoreKey::new(id.0.to_be_bytes())))
    }

    /// `SET` for as long as the record lives; whether it was done.
    async fn set(&self, record: &Record, condition: &str) -> Result<bool> {
        let name = self.name(record.id);
        let text = serde_json::to_vec(record).map_err(|error| Error::Encode(error.to_string()))?;
        let nonce = random::<NONCE>();
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: &text, aad: name.as_bytes() });
        let sealed = [&nonce[..], &sealed.map_err(|_| Error::Encode("the session is too large".to_owned()))?].concat();
        let left = (record.expiry_date - OffsetDateTime::now_utc()).whole_milliseconds().max(1);
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        let done: Option<String> =
            self.ask(redis::cmd("SET").arg(&name).arg(sealed).arg(condition).arg("PX").arg(left)).await?;
        Ok(done.is_some())
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut connection = self.connection.clone();
        match timeout(PATIENCE, command.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|error: RedisError| Error::Backend(error.to_string())),
            Err(_) => Err(Error::Backend("Redis does not answer".to_owned())),
        }
    }
}

#[async_trait]
impl SessionStore for RedisCookies {
    async fn create(&self, record: &mut Record) -> Result<()> {
        while !self.set(record, "NX").await? {
            record.id = Id::default();
        }
        Ok(())
    }

    /// Only what is there: a request that was under way during a logout must not bring the session back.
    async fn save(&self, record: &Record) -> Result<()> {
        self.set(record, "XX").await.map(drop)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let name = self.name(*id);
        let Some(sealed) = self.ask::<Option<Vec<u8>>>(redis::cmd("GET").arg(&name)).await? else { return Ok(None) };
        let foreign = || Error::Decode("this is no session that was sealed with our key".to_owned());
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(foreign)?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| foreign())?;
        let record: Record = serde_json::from_slice(&text).map_err(|_| foreign())?;
        Ok(Some(record).filter(|record| record.expiry_date > OffsetDateTime::now_utc()))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.ask(redis::cmd("DEL").arg(self.name(*id))).await
    }
}

impl fmt::Debug for RedisCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisCookies")
    }
}
