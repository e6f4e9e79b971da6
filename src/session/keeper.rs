//! Renewal ahead of time without traffic, for sessions that were built to be kept alive.
//!
//! One timer for the login, put in place by each landing and ended with the login.

use std::sync::{Arc, Weak};

use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Duration, Instant, sleep_until},
};

use super::{
    Inner, Session,
    ask::{Answer, Need},
};
use crate::{ErrorKind, identity::Generation};

/// After a failure that says nothing of a next attempt.
const PAUSE: Duration = Duration::from_secs(60);

/// Ends its task when it is dropped.
pub(super) struct Keeper(AbortHandle);

impl Keeper {
    /// Renews the login's token at this time, and keeps trying while it fails.
    pub(super) fn start(session: &Arc<Inner>, epoch: Generation, at: Instant) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        let task = runtime.spawn(keep(Arc::downgrade(session), epoch, at));
        Some(Self(task.abort_handle()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(session: Weak<Inner>, epoch: Generation, mut at: Instant) {
    loop {
        sleep_until(at).await;
        let Some(inner) = session.upgrade() else { return };
        // Bound here, so that no session is held while this waits.
        let answer = Session { inner }.ask(Need::Ahead, epoch, Instant::now());
        match answer {
            Answer::Ready => return,
            // The landing ends this task, and puts the next keeper in place; a flight that died does neither.
            Answer::Wait(flight) | Answer::After(flight) => match flight.await {
                Err(error) if matches!(error.kind(), ErrorKind::RenewalLost | ErrorKind::WaitedTooLong) => {
                    at = Instant::now() + PAUSE;
                }
                _ => return,
            },
            Answer::At(turn) => at = turn,
            Answer::Failed(error) => at = Instant::now() + error.retry_after().unwrap_or(PAUSE),
        }
    }
}
