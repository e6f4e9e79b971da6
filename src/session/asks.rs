//! A flight asks other processes for the renewal that it has no credential for, and waits for what they save.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    inner::{Inner, with_login},
    look::{Look, look},
    state::{Order, Shelf},
};
use crate::{clock, error::Error, events, store::Record};

/// Whoever has heard it has so long to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of asking.
pub(super) enum Asked {
    Found(Box<Record>),
    /// Something newer was taken in, and it is not what this flight is for.
    Changed,
    Nobody,
}

/// Asks, unless there is something left to renew with, or it is too early to ask again. Neither a claim nor a lease may be held.
pub(super) async fn ask(
    session: &Weak<Inner>,
    order: &Order,
    shelf: &Arc<Shelf>,
    limit: Instant,
) -> Result<Asked, Error> {
    let name = order.session;
    let Some(dead) = with_login(session, order, |login| login.wants(Instant::now()))? else { return Ok(Asked::Nobody) };
    let (mut pause, longest) = shelf.begin_to_wait();
    let is_heard = matches!(shelf.ask(name, dead).await, Ok(true));
    if is_heard {
        let patience = limit.min(Instant::now() + PATIENCE);
        let mut end = patience;
        while Instant::now() < end {
            shelf.pause(pause.min(end.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(longest);
            match look(session, order, shelf).await? {
                Look::Found(record) => return Ok(Asked::Found(record)),
                // Somebody renews: the answer is on its way.
                Look::Same(Some(claim)) if claim.by != shelf.claimant => {
                    let over = Instant::now().checked_add(claim.left(clock::date()));
                    end = patience.max(over.map_or(limit, |over| over.min(limit)));
                }
                Look::Same(_) => end = patience,
                Look::Failed(_) => {}
            }
            let version = with_login(session, order, |login| login.known().and_then(|known| known.version()))?;
            if version != Some(dead) {
                return Ok(Asked::Changed);
            }
        }
    }
    let is_first = with_login(session, order, |login| login.asked_in_vain(Instant::now()))?;
    if is_heard {
        events::nobody_renewed(name, is_first);
    }
    Ok(Asked::Nobody)
}
