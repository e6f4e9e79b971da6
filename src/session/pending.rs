//! What could not be saved: it is tried again until it stands in the store, or something newer does.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::{
    give_back::{Tokens, revoke_all},
    inner::Inner,
    state::{Pending, Shelf},
};
use crate::{
    grant::Revoker,
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

/// Tokens of a login that was ended before they came.
pub(super) async fn revoke(name: SessionName, revoker: Option<&Revoker>, tokens: &TokenSet) {
    if let Some(revoker) = revoker {
        let _ = revoke_all(name, revoker, Tokens::of(tokens)).await;
    }
}
