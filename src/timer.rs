//! Timers, where there may be none: a runtime can be built without them, and code can run outside of any.

use std::panic::catch_unwind;

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep},
};

/// A timer of the current runtime, if it has any.
pub(crate) fn sleep_until(at: Instant) -> Option<Sleep> {
    Handle::try_current().ok()?;
    // There is no way to ask: a runtime without timers panics before it has done anything.
    catch_unwind(|| tokio::time::sleep_until(at)).ok()
}

/// Whether the current runtime has timers.
pub(crate) fn keep_time() -> bool {
    sleep_until(Instant::now()).is_some()
}
