//! The task that renews ahead of time without traffic, as a login knows it.

use tokio::task::AbortHandle;

/// Ends its task when it is dropped.
pub(crate) struct Refresher(AbortHandle);

impl Refresher {
    pub(crate) fn new(task: AbortHandle) -> Self {
        Self(task)
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.0.abort();
    }
}
