//! Work that goes on when the session that it is for has gone, and whoever waits for it all the same.

use std::{any::Any, sync::Arc};

use tokio::sync::watch;

/// Everything that is under way on somebody's behalf.
#[derive(Debug)]
pub(crate) struct Errands {
    under_way: watch::Sender<()>,
}

/// One piece of it, under way until this and its clones are dropped.
#[derive(Clone)]
pub(crate) struct Errand {
    _under_way: watch::Receiver<()>,
    /// Whatever else is to last as long.
    _guard: Option<Arc<dyn Any + Send + Sync>>,
}

impl Errand {
    /// With something that is dropped when nothing is left to do.
    pub(crate) fn guarding(self, guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Some(Arc::new(guard)), ..self }
    }
}

impl Errands {
    pub(crate) fn begin(&self) -> Errand {
        Errand { _under_way: self.under_way.subscribe(), _guard: None }
    }

    pub(crate) fn are_done(&self) -> bool {
        self.under_way.is_closed()
    }

    /// Until nothing is under way.
    pub(crate) async fn done(&self) {
        self.under_way.closed().await;
    }
}

impl Default for Errands {
    fn default() -> Self {
        Self { under_way: watch::Sender::new(()) }
    }
}
