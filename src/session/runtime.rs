//! Which runtime a session's tasks run on, and which one keeps the time.

use tokio::runtime::Handle;

use super::{Session, inner::Inner, state::OwnRuntime};
use crate::{
    error::{Error, ErrorKind},
    timer,
};

impl Inner {
    /// Where a task of the session's runs: on its own runtime, else on the caller's.
    pub(super) fn runtime(&self) -> Result<Handle, Error> {
        let own = self.settings.runtime.as_ref().map(|own| own.0.clone());
        let runtime = own.or_else(|| Handle::try_current().ok());
        let runtime = runtime.ok_or_else(|| Error::new(ErrorKind::NoRuntime, "there is no tokio runtime"))?;
        let entered = runtime.enter();
        if !timer::keep_time() {
            return Err(Error::new(ErrorKind::NoRuntime, "the tokio runtime has no timers (`enable_time`)"));
        }
        drop(entered);
        Ok(runtime)
    }

    /// The session's own runtime, where the caller's can't keep the time.
    pub(super) fn standby(&self) -> Option<&Handle> {
        let OwnRuntime(own) = self.settings.runtime.as_ref()?;
        (!timer::keep_time()).then_some(own)
    }

    /// Makes a timer.
    pub(super) fn timed<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.standby().map(Handle::enter);
        make()
    }
}

impl Session {
    pub(crate) fn runtime(&self) -> Result<Handle, Error> {
        self.inner.runtime()
    }

    /// The runtime to poll a call in, where the caller's can't keep the time.
    pub(crate) fn standby(&self) -> Option<Handle> {
        self.inner.standby().cloned()
    }
}
