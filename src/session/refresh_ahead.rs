//! Renewal ahead of time without traffic, for sessions that were built to be kept alive.
//!
//! One timer for the login, put in place by each landing and ended with the login.

use std::sync::{Arc, Weak};

use tokio::{
    runtime::Handle,
    time::{Duration, Instant, sleep_until},
};

use super::{
    Session,
    inner::Inner,
    need::{Answer, Need},
    state::{Login, Refresher},
};
use crate::{error::ErrorKind, identity::Generation};

/// After a failure that says nothing of a next attempt.
const PAUSE: Duration = Duration::from_secs(60);

/// Starts the login's timer anew, for the token that it holds now.
pub(super) fn restart(session: &Arc<Inner>, login: &mut Login, now: Instant) {
    let refresher = login.next_renewal(now).and_then(|at| start(session, login.epoch, at));
    if refresher.is_some() || login.rare.is_some() {
        login.rare_mut().refresher = refresher;
    }
}

/// Renews the login's token at this time, and keeps trying while it fails.
fn start(session: &Arc<Inner>, epoch: Generation, at: Instant) -> Option<Refresher> {
    let runtime = Handle::try_current().ok()?;
    Some(Refresher::new(runtime.spawn(refresh(Arc::downgrade(session), epoch, at)).abort_handle()))
}

async fn refresh(session: Weak<Inner>, epoch: Generation, mut at: Instant) {
    loop {
        sleep_until(at).await;
        let Some(inner) = session.upgrade() else { return };
        // Bound here, so that no session is held while this waits.
        let answer = Session { inner }.ask(Need::Ahead, epoch, Instant::now());
        match answer {
            Answer::Ready => return,
            // The landing ends this task, and puts the next one in place; a flight that died does neither.
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
