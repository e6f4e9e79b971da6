//! What watchers of a session are told: its status, and the end of its tasks.

use std::sync::{Arc, Weak};

use tokio::sync::{oneshot, watch};

use super::{inner::Inner, state::Status};

/// One task that a session has set free.
pub(super) struct Task {
    session: Weak<Inner>,
}

impl Inner {
    pub(super) fn subscribe(&self) -> watch::Receiver<Status> {
        let status = self.status();
        let mut is_first = false;
        let first = || {
            is_first = true;
            watch::Sender::new(status)
        };
        let subscribed = self.change(|state| state.aside().status.get_or_insert_with(first).subscribe());
        if is_first {
            // It may have changed in between.
            self.tell_status();
        }
        subscribed
    }

    /// Without the lock: whoever looks at the status holds the channel's own, and may use the session meanwhile. Each
    /// teller looks at the state anew, so the last one tells what is so.
    pub(super) fn tell_status(&self) {
        let Some(subscribers) = self.subscribers() else { return };
        subscribers.send_if_modified(|known| {
            let status = self.status();
            std::mem::replace(known, status) != status
        });
    }

    pub(super) fn subscribers(&self) -> Option<watch::Sender<Status>> {
        self.read(|state| state.aside.as_ref()?.status.clone())
    }

    /// Counts a task that begins; it has ended when what is returned is dropped.
    pub(super) fn track(self: &Arc<Self>) -> Task {
        self.change(|state| state.running += 1);
        Task { session: Arc::downgrade(self) }
    }

    /// Until nothing runs.
    pub(super) async fn idle(&self) {
        let idle = self.change(|state| {
            (state.running > 0).then(|| {
                let (sender, receiver) = oneshot::channel();
                let waiting = &mut state.aside().idle;
                waiting.retain(|sender| !sender.is_closed());
                waiting.push(sender);
                receiver
            })
        });
        if let Some(idle) = idle {
            // Fails only when the session goes, and we hold it.
            let _ = idle.await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let Some(session) = self.session.upgrade() else { return };
        let waiting = session.change(|state| {
            state.running -= 1;
            let aside = state.aside.as_mut().filter(|_| state.running == 0);
            aside.map_or_else(Vec::new, |aside| std::mem::take(&mut aside.idle))
        });
        for sender in waiting {
            let _ = sender.send(());
        }
    }
}
