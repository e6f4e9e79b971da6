//! Who watches a session from outside: subscribers of its status, and whoever waits for its tasks to end.

use tokio::sync::{oneshot, watch};

use super::status::Status;

/// Made when the first one comes: most sessions have none.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    pub(crate) status: Option<watch::Sender<Status>>,
    pub(crate) idle: Vec<oneshot::Sender<()>>,
}
