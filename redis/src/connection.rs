//! The way to Redis, for commands.
//!
//! 1. Nothing waits longer than [`BOUND`].
//! 2. A command may be sent twice: all that are sent do twice what they do once.
//! 3. Where Redis is down, a command learns of it at once, and each that follows tries again.
//! 4. A connection lives on the runtime that made it. That is the one of the set-up, since others may end with a request, unless
//!    nobody drives it any more. One that does not answer is given up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, aio::MultiplexedConnection};
use tokio::{runtime::Handle, sync::Mutex, time::timeout};
use tower_reauth::Error;

use crate::{failure, place::Place, script::Atomic};

/// A session waits for two seconds.
pub(crate) const BOUND: Duration = Duration::from_millis(1500);
/// An error that comes sooner may tell of a connection that broke long ago.
const SOON: Duration = Duration::from_millis(500);
/// A runtime that somebody drives gets to a task sooner.
const DRIVEN: Duration = Duration::from_millis(100);

/// Carries commands; clones share it.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    place: Place,
    home: Handle,
    /// With a number for each.
    link: Mutex<(u64, Option<Link>)>,
}

#[derive(Clone)]
pub(crate) enum Link {
    One(MultiplexedConnection),
    /// It connects again by itself.
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Connection {
    pub(crate) fn to(place: Place, home: Handle) -> Self {
        Self(Arc::new(Shared { place, home, link: Mutex::new((0, None)) }))
    }

    pub(crate) fn publish(&self) -> &'static str {
        self.0.place.publish()
    }

    /// What Redis answers to the command. `step` says what it is for.
    pub(crate) async fn send<T: FromRedisValue>(&self, step: &str, command: &Cmd) -> Result<T, Error> {
        within(step, self.twice(command)).await
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
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => self.twice(&whole).await,
                answer => answer,
            }
        };
        within(step, answer).await
    }

    async fn twice<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let began = Instant::now();
        match self.once(command).await {
            Err(error) if is_of_the_way(&error) && began.elapsed() < SOON => self.once(command).await,
            answer => answer,
        }
    }

    async fn once<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let (number, link) = self.link().await?;
        let answer = match link {
            Link::One(mut connection) => command.query_async(&mut connection).await,
            #[cfg(feature = "cluster")]
            Link::Cluster(mut connection) => command.query_async(&mut connection).await,
        };
        if let Err(error) = &answer
            && self.is_gone(error)
        {
            self.forget(number).await;
        }
        answer
    }

    async fn link(&self) -> RedisResult<(u64, Link)> {
        let mut current = self.0.link.lock().await;
        if let (number, Some(link)) = &*current {
            return Ok((*number, link.clone()));
        }
        // Boxed: it is large, and seldom.
        let link = Box::pin(self.open()).await?;
        *current = (current.0 + 1, Some(link.clone()));
        Ok((current.0, link))
    }

    async fn open(&self) -> RedisResult<Link> {
        let Shared { place, home, .. } = &*self.0;
        if matches!(timeout(DRIVEN, home.spawn(async {})).await, Ok(Ok(()))) {
            let place = place.clone();
            if let Ok(link) = home.spawn(async move { place.connect().await }).await {
                return link;
            }
        }
        place.connect().await
    }

    async fn forget(&self, number: u64) {
        let mut current = self.0.link.lock().await;
        if current.0 == number {
            current.1 = None;
        }
    }

    /// Whether it broke, nobody drives it, or the master may be elsewhere now.
    fn is_gone(&self, error: &RedisError) -> bool {
        match &self.0.place {
            #[cfg(feature = "cluster")]
            Place::Cluster(..) => error.kind() == ErrorKind::ClusterConnectionNotFound || error.is_connection_dropped(),
            _ => is_of_the_way(error) || error.is_unrecoverable_error(),
        }
    }
}

fn is_of_the_way(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

async fn within<T>(step: &str, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Error> {
    failure::runtime()?;
    let answer = timeout(BOUND, answer).await.map_err(|_| failure::slow(step, BOUND))?;
    answer.map_err(|error| failure::told(step, error))
}
