//! One runtime, which can be told to be gone.

use std::{
    cell::{Cell, RefCell},
    future::Future,
};

use crate::task::JoinHandle;

// The checker's tasks all run on the thread of their test.
thread_local! {
    static GONE: Cell<bool> = const { Cell::new(false) };
    static TASKS: RefCell<Vec<shuttle::future::AbortHandle>> = const { RefCell::new(Vec::new()) };
}

/// For the next execution: the runtime is there, and has no tasks.
pub fn reset() {
    GONE.set(false);
    TASKS.take();
}

/// The runtime ends its tasks. What is spawned from now on is dropped on the spot, until `reset`.
pub fn shut_down() {
    GONE.set(true);
    TASKS.take().iter().for_each(shuttle::future::AbortHandle::abort);
}

#[derive(Clone, Debug)]
pub struct Handle;

#[derive(Debug)]
pub struct TryCurrentError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeFlavor {
    CurrentThread,
    MultiThread,
}

impl Handle {
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Ok(Self)
    }

    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        RuntimeFlavor::MultiThread
    }

    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if GONE.get() {
            drop(future);
            return JoinHandle(None);
        }
        let task = shuttle::future::spawn(future);
        TASKS.with_borrow_mut(|tasks| tasks.push(task.abort_handle()));
        JoinHandle(Some(task))
    }
}
