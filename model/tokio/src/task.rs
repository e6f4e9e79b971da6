//! Tasks.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

pub use shuttle::future::yield_now;

use crate::runtime::Handle;

/// Of a task, or of one that was never let in.
#[derive(Debug)]
pub struct JoinHandle<T>(pub(crate) Option<shuttle::future::JoinHandle<T>>);

#[derive(Debug)]
pub struct AbortHandle(Option<shuttle::future::AbortHandle>);

#[derive(Debug)]
pub struct JoinError;

/// Where a [`task_local`](crate::task_local) is.
#[derive(Debug)]
pub struct LocalKey<T: 'static>(pub &'static shuttle::thread::LocalKey<RefCell<Option<T>>>);

impl<T: Clone + 'static> LocalKey<T> {
    pub async fn scope<F: Future>(&'static self, value: T, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let outer = self.0.with(|now| now.replace(Some(value.clone())));
            let polled = future.as_mut().poll(cx);
            self.0.with(|now| now.replace(outer));
            polled
        })
        .await
    }

    pub fn try_with<R>(&'static self, look: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        self.0.with(|now| now.borrow().as_ref().map(look)).ok_or(AccessError)
    }
}

#[derive(Debug)]
pub struct AccessError;

pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Handle.spawn(future)
}

/// No claim reads a file: there are no threads beside the schedule.
pub fn spawn_blocking<R>(_work: impl FnOnce() -> R) -> std::future::Pending<Result<R, JoinError>> {
    std::future::pending()
}

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
