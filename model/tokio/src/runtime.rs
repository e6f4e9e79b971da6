//! One runtime after the other, of which the present one can be told to be gone, or left alone.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::task::JoinHandle;

// The checker's tasks all run on the thread of their test.
thread_local! {
    static GONE: Cell<bool> = const { Cell::new(false) };
    static TASKS: RefCell<Vec<shuttle::future::AbortHandle>> = const { RefCell::new(Vec::new()) };
    // The number of the present runtime, and of the first one that is driven.
    static PRESENT: Cell<u64> = const { Cell::new(0) };
    static DRIVEN: Cell<u64> = const { Cell::new(0) };
    static LEFT_ALONE: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// For the next execution: the runtime is there, and has no tasks.
pub fn reset() {
    GONE.set(false);
    TASKS.take();
    PRESENT.set(0);
    DRIVEN.set(0);
    LEFT_ALONE.take();
}

/// Nobody drives the runtime any more: its tasks stand still. What is spawned from now on is on another one.
pub fn leave_alone() {
    PRESENT.set(PRESENT.get() + 1);
    DRIVEN.set(PRESENT.get());
}

/// All runtimes are driven.
pub fn drive() {
    DRIVEN.set(0);
    LEFT_ALONE.take().into_iter().for_each(Waker::wake);
}

/// A task, which moves while its runtime is driven.
struct Task<F> {
    runtime: u64,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.runtime < DRIVEN.get() {
            LEFT_ALONE.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
            return Poll::Pending;
        }
        self.future.as_mut().poll(cx)
    }
}

/// The runtime ends its tasks. What is spawned from now on is dropped on the spot, until `reset`.
pub fn shut_down() {
    GONE.set(true);
    TASKS.take().iter().for_each(shuttle::future::AbortHandle::abort);
}

#[derive(Clone, Debug)]
pub struct Handle;

#[derive(Debug)]
pub struct EnterGuard<'a>(PhantomData<&'a Handle>);

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

    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard(PhantomData)
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
        let task = shuttle::future::spawn(Task { runtime: PRESENT.get(), future: Box::pin(future) });
        TASKS.with_borrow_mut(|tasks| tasks.push(task.abort_handle()));
        JoinHandle(Some(task))
    }
}
