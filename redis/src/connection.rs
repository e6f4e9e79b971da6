//! The way to Redis.

use std::time::{Duration, Instant};

use redis::{
    Client, Cmd, FromRedisValue, RedisResult, ServerErrorKind,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use tower_reauth::Error;

use crate::{failure, script::Atomic};

/// Nothing waits longer for Redis. A session waits for two seconds.
pub(crate) const BOUND: Duration = Duration::from_millis(1500);
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(1);
/// An error that came sooner may tell of an attempt to connect that failed long ago.
const SOON: Duration = Duration::from_millis(500);

/// Carries commands; clones share it. It connects again by itself.
#[derive(Clone)]
pub(crate) struct Connection(ConnectionManager);

impl Connection {
    pub(crate) fn to(client: Client) -> RedisResult<Self> {
        // One attempt at a time: where Redis is down, commands learn of it at once.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        ConnectionManager::new_lazy_with_config(client, config).map(Self)
    }

    /// What Redis answers to the command, which may be sent twice. `step` says what it is for.
    pub(crate) async fn send<T: FromRedisValue>(&self, step: &str, command: &Cmd) -> Result<T, Error> {
        self.within(step, self.twice(command)).await
    }

    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        step: &str,
        script: &Atomic,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, Error> {
        let [by_hash, whole] = script.commands(keys, arguments);
        let answer = async {
            match self.twice(&by_hash).await {
                Err(error) if error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.twice(&whole).await
                }
                answer => answer,
            }
        };
        self.within(step, answer).await
    }

    async fn twice<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let began = Instant::now();
        match command.query_async(&mut self.0.clone()).await {
            Err(error) if error.is_io_error() && began.elapsed() < SOON => {
                command.query_async(&mut self.0.clone()).await
            }
            answer => answer,
        }
    }

    async fn within<T>(&self, step: &str, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Error> {
        let answer = timeout(BOUND, answer).await.map_err(|_| failure::slow(step, BOUND))?;
        answer.map_err(|error| failure::told(step, error))
    }
}
