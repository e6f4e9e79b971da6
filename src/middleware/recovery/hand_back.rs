//! Time for a connection to go back to its pool, before a replay asks the pool for one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::Sleep,
};

/// As short as the timer goes: the other thread is at work already.
const BESIDE_WORKERS: Duration = Duration::from_millis(1);

pin_project! {
    /// Lets the task of an HTTP/1.1 connection, which has just given away the end of a response, take the next step.
    ///
    /// That task was woken before this one and stands before it in the queue, so one turn is enough. What
    /// `Runtime::block_on` polls stands in no queue when there are worker threads: its turn comes at once, and it would
    /// open another connection each time. There it waits for a moment.
    #[project = HandBackProjection]
    pub(super) enum HandBack {
        Turn { taken: bool },
        Moment { #[pin] over: Sleep },
    }
}

impl HandBack {
    pub(super) fn new() -> Self {
        let beside_workers = tokio::task::try_id().is_none()
            && Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        if beside_workers {
            Self::Moment { over: tokio::time::sleep(BESIDE_WORKERS) }
        } else {
            Self::Turn { taken: false }
        }
    }
}

impl Future for HandBack {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            HandBackProjection::Turn { taken: true } => Poll::Ready(()),
            HandBackProjection::Turn { taken } => {
                *taken = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            HandBackProjection::Moment { over } => over.poll(cx),
        }
    }
}
