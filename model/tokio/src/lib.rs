//! What tower-reauth uses of tokio, over the model checker's tasks.
//!
//! 1. A task is the checker's. A runtime can be told to be gone: what is spawned from then on is dropped on the spot, as
//!    tokio does while it shuts down. Or it is left alone: its tasks stand still, and what is spawned from then on runs on
//!    another one.
//! 2. The clock stands still until a model moves it, so a lost wake-up is a deadlock and not a time-out.
//! 3. The channels are tokio's own. None of their operations is interrupted; the one that calls back, `send_if_modified`,
//!    excludes other callers by a lock that the checker sees.

#![allow(missing_docs, reason = "the docs are tokio's")]

pub mod runtime;
pub mod task;
pub mod time;

pub use task::spawn;

/// A value that a task has while it is polled.
#[macro_export]
macro_rules! task_local {
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty;) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            shuttle::thread_local! {
                static VALUE: std::cell::RefCell<Option<$type>> = std::cell::RefCell::new(None);
            }
            $crate::task::LocalKey(&VALUE)
        };
    };
}

pub mod sync {
    pub use real::sync::{Mutex, Notify, Semaphore, SemaphorePermit, oneshot};

    pub mod watch {
        pub use real::sync::watch::{Receiver, Ref};
        use shuttle::sync::{Arc, Mutex};

        #[derive(Debug)]
        pub struct Sender<T> {
            turn: Arc<Mutex<()>>,
            channel: real::sync::watch::Sender<T>,
        }

        impl<T: Clone> Sender<T> {
            pub fn new(value: T) -> Self {
                Self { turn: Arc::default(), channel: real::sync::watch::Sender::new(value) }
            }

            pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
                self.channel.send_modify(change);
            }

            pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
                let _turn = self.turn.lock().expect("a model ends with its first panic");
                let mut value = self.borrow().clone();
                let changed = change(&mut value);
                if changed {
                    self.channel.send_replace(value);
                }
                changed
            }

            pub fn borrow(&self) -> Ref<'_, T> {
                self.channel.borrow()
            }

            pub fn subscribe(&self) -> Receiver<T> {
                self.channel.subscribe()
            }

            pub fn is_closed(&self) -> bool {
                self.channel.is_closed()
            }

            pub async fn closed(&self) {
                self.channel.closed().await;
            }
        }

        impl<T> Clone for Sender<T> {
            fn clone(&self) -> Self {
                Self { turn: self.turn.clone(), channel: self.channel.clone() }
            }
        }
    }
}
