//! The lease of a record: a key that runs out, extended while somebody holds it.
//!
//! 1. A task owns the lease from before it is asked for until it is given back: whoever asked may leave at any time.
//! 2. What ends a lease for certain is Redis: if the process dies, the key runs out.
//! 3. A lease is a courtesy. What protects the record is its version.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};
use tower_reauth::{Error, Lease, Leased};

use crate::{
    connection::Connection,
    failure,
    names::Names,
    script::{HOLD, RELEASE},
};

/// How long a lease lives that nobody extends.
pub(crate) const LIFE: Duration = Duration::from_secs(15);

/// Where a server may lack the newest writes, whoever has a newer record, or holds the lease, gets so long to say so before anybody
/// else renews. That is longer than it takes to connect and to listen again, and than until the lease is extended.
const GRACE: Duration = Duration::from_secs(4);
/// It is extended so often while it lasts.
const EXTENSIONS: u32 = 5;

pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) names: Names,
    pub(crate) life: Duration,
}

impl Held {
    pub(crate) async fn ask(self) -> Result<Leased, Error> {
        failure::runtime()?;
        let (answer, answered) = oneshot::channel();
        tokio::spawn(self.keep(answer));
        answered
            .await
            .unwrap_or_else(|_| Err(Error::store("could not ask for the lease: the runtime is shutting down")))
    }

    /// Takes the lease and gives it back: Redis can be written and published in.
    pub(crate) async fn probe(self) -> Result<(), Error> {
        let token = token();
        self.hold(&token, Some(GRACE)).await?;
        self.release(&token).await
    }

    async fn keep(self, answer: oneshot::Sender<Result<Leased, Error>>) {
        let token = token();
        let mut next = Instant::now() + self.life / EXTENSIONS;
        match self.hold(&token, Some(GRACE)).await {
            Ok(false) => {
                let _ = answer.send(Ok(Leased::Taken));
                return;
            }
            Ok(true) => {
                let (guard, mut dropped) = oneshot::channel::<()>();
                // If nobody waits any more, the guard is dropped here.
                let _ = answer.send(Ok(Leased::Held(Lease::new(guard))));
                loop {
                    tokio::select! {
                        biased;
                        _ = &mut dropped => break,
                        () = sleep_until(next) => {}
                    }
                    next = Instant::now() + self.life / EXTENSIONS;
                    match self.hold(&token, None).await {
                        Ok(true) => {}
                        Ok(false) => {
                            tracing::warn!("the lease ran out while it was held, and another process has taken it");
                            return;
                        }
                        // It may have been extended, and there is time for another attempt.
                        Err(error) => tracing::debug!(%error, "could not extend the lease"),
                    }
                }
            }
            // It is not known whether it was taken.
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
        if let Err(error) = self.release(&token).await {
            tracing::debug!(%error, "could not release the lease: it runs out");
        }
    }

    async fn hold(&self, token: &str, grace: Option<Duration>) -> Result<bool, Error> {
        let life = self.life.as_millis().to_string();
        let grace = grace.map_or(String::new(), |grace| grace.as_millis().to_string());
        let arguments = [token.as_bytes(), life.as_bytes(), grace.as_bytes(), self.connection.publish().as_bytes()];
        let keys = [&*self.names.lease, &self.names.record, &self.names.channel];
        self.connection.run("hold the lease", &HOLD, &keys, &arguments).await
    }

    async fn release(&self, token: &str) -> Result<(), Error> {
        let arguments: [&[u8]; 2] = [token.as_bytes(), self.connection.publish().as_bytes()];
        let keys = [&*self.names.lease, &self.names.channel];
        self.connection.run("release the lease", &RELEASE, &keys, &arguments).await
    }
}

fn token() -> String {
    format!("{:032x}", fastrand::u128(..))
}
