//! The lease of a flight.

use std::sync::Arc;

use super::state::Shelf;
use crate::store::Lease;

/// A lease, or none. One that a record waits with is given back to that when the visit ends.
pub(super) struct Holding {
    shelf: Arc<Shelf>,
    lease: Option<Lease>,
}

impl Holding {
    pub(super) fn of_pending(shelf: &Arc<Shelf>) -> Self {
        let lease = shelf.pending(|pending| pending.as_mut().and_then(|pending| pending.lease.take()));
        Self { shelf: shelf.clone(), lease }
    }

    pub(super) fn nothing(shelf: &Arc<Shelf>) -> Self {
        Self { shelf: shelf.clone(), lease: None }
    }

    pub(super) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    pub(super) fn is_held(&self) -> bool {
        self.lease.is_some()
    }

    /// For a record that waits.
    pub(super) fn give(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    pub(super) fn take(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        // Whatever is not given back is dropped without the lock: it is the store's code.
        let _left = self.shelf.pending(|pending| match pending {
            Some(pending) if pending.lease.is_none() => pending.lease.replace(lease),
            _ => Some(lease),
        });
    }
}
