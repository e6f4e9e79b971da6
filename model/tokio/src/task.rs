//! Tasks.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pub use shuttle::future::yield_now;

/// Of a task, or of one that was never let in.
#[derive(Debug)]
pub struct JoinHandle<T>(pub(crate) Option<shuttle::future::JoinHandle<T>>);

#[derive(Debug)]
pub struct AbortHandle(Option<shuttle::future::AbortHandle>);

#[derive(Debug)]
pub struct JoinError;

/// Some: the model's code runs on tasks.
pub fn try_id() -> Option<()> {
    Some(())
}

impl<T> JoinHandle<T> {
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.0.as_ref().map(shuttle::future::JoinHandle::abort_handle))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(task) => Pin::new(task).poll(cx).map_err(|_| JoinError),
            None => Poll::Ready(Err(JoinError)),
        }
    }
}

impl AbortHandle {
    pub fn abort(&self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
