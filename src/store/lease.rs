//! The right to send token requests for a key.

use std::{any::Any, fmt};

/// The right to send token requests for a key. It ends when it is dropped.
pub struct Lease {
    _guard: Box<dyn Any + Send + Sync>,
}

/// What came of [`TokenStore::lease`](super::TokenStore::lease).
#[derive(Debug)]
#[non_exhaustive]
pub enum Leased {
    /// It is held from now on.
    Held(Lease),
    /// Somebody else holds it.
    Taken,
    /// The place knows no leases.
    Unknown,
}

impl Lease {
    /// A lease that ends when this guard is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}
