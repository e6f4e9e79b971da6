//! Where the session's locks and atomics come from: std, or the model checker that `model/` runs it under.

#[cfg(not(tower_reauth_model))]
pub(crate) use std::sync::{Mutex, RwLock, atomic::AtomicU64};

#[cfg(tower_reauth_model)]
pub(crate) use shuttle::sync::{Mutex, RwLock, atomic::AtomicU64};
