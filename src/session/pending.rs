//! What could not be saved: it is tried again until it stands in the store, or something newer does.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::{
    give_back::{Tokens, revoke_all},
    inner::Inner,
    state::{Order, Pending, Shelf},
};
use crate::{
    identity::{Generation, SessionName},
    store::{Saved, Version},
    token::TokenSet,
};

/// Between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Keeps the record, and the lease with it, until it is saved. It needs no session: a refresh token that was rotated is lost for
/// everybody otherwise.
pub(super) fn save_later(
    session: &Weak<Inner>,
    name: SessionName,
    epoch: Generation,
    shelf: &Arc<Shelf>,
    pending: Pending,
) {
    let version = pending.record.version;
    let _older = shelf.pending(|present| present.replace(pending));
    let Ok(runtime) = Handle::try_current() else { return };
    let task = session.upgrade().map(|session| session.track());
    let (session, shelf) = (session.clone(), shelf.clone());
    runtime.spawn(async move {
        let _task = task;
        save(&session, name, (epoch, version), &shelf).await;
    });
}

async fn save(session: &Weak<Inner>, name: SessionName, (epoch, version): (Generation, Version), shelf: &Arc<Shelf>) {
    let mut pause = PAUSE.0;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
        // Something newer has a task of its own.
        let waiting = shelf.pending(|pending| {
            let pending = pending.as_ref().filter(|pending| pending.record.version == version)?;
            Some((pending.record.clone(), pending.seen))
        });
        let Some((record, seen)) = waiting else { return };
        let Ok(saved) = shelf.save(name, &record, seen).await else { continue };
        let done = shelf.pending(|pending| pending.take_if(|pending| pending.record.version == version));
        let Some(pending) = done else { return };
        match saved {
            Saved::Overtaken(newer) if newer.version != version => {
                if newer.is_logged_out()
                    && let Some(revoker) = pending.revoker
                {
                    let _ = revoke_all(name, &revoker, Tokens::of_record(&record)).await;
                }
                if let Some(inner) = session.upgrade() {
                    inner.take_in(shelf, epoch, &newer);
                }
            }
            // It stands there, by an attempt that seemed to fail, perhaps.
            _ => {
                let Some(inner) = session.upgrade() else { return };
                inner.change(|state| {
                    let login = state.login.as_mut().filter(|login| login.epoch == epoch);
                    if let Some(known) = login.and_then(|login| login.known_mut())
                        && known.version().is_none_or(|known| known == version)
                    {
                        known.brings(&record, false);
                    }
                });
            }
        }
        return;
    }
}

/// Tokens of a login that was ended before the flight of this order brought them. On a task of its own: neither the waiters nor
/// the lease wait for the server, or for a grant's own logout.
pub(super) fn revoke_later(session: &Weak<Inner>, order: &Order, tokens: &TokenSet) {
    let Some(revoker) = order.revoker.clone() else { return };
    let task = session.upgrade().map(|session| session.track());
    let (name, tokens, errand) = (order.session, Tokens::of(tokens), order.parting().errand);
    tokio::spawn(async move {
        let _until_then = (task, errand);
        let _ = revoke_all(name, &revoker, tokens).await;
    });
}
