//! Counts the tasks that a session has set free, so that a shutdown can wait for them.

use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Tasks {
    running: watch::Sender<usize>,
}

/// One running task.
pub(super) struct Task {
    running: watch::Sender<usize>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self { running: watch::Sender::new(0) }
    }

    pub(super) fn track(&self) -> Task {
        self.running.send_modify(|running| *running += 1);
        Task { running: self.running.clone() }
    }

    /// Until nothing runs.
    pub(super) async fn idle(&self) {
        // Fails only without a sender, and we hold one.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.running.send_modify(|running| *running -= 1);
    }
}
