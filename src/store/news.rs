//! Word that goes between processes which share a store.

use std::{any::Any, fmt, sync::Arc};

use super::Version;

/// What one process tells the others that share a record. See [`TokenStore::listen`](super::TokenStore::listen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A record of this version was saved, the mark of a logout included.
    Saved(Version),
    /// Nobody may be at work on the record any more: a lease ended.
    Free,
    /// Somebody without a credential of its own asks whoever has it to renew the tokens of this version, which are dead.
    Wanted(Version),
    /// Something may have been missed, as after a lost connection.
    Missed,
}

/// Hears the [`News`] of one key, for as long as its [`Listening`] lives.
#[derive(Clone)]
pub struct Ear(Arc<dyn Fn(News) + Send + Sync>);

/// A store listens for as long as this lives.
pub struct Listening {
    _guard: Box<dyn Any + Send + Sync>,
}

impl Listening {
    /// It ends when this guard is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listening")
    }
}

impl Ear {
    /// Calls this function for each piece of news. It must not block.
    pub fn new(hear: impl Fn(News) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Tells it. To be called without a lock.
    pub fn hear(&self, news: News) {
        (self.0)(news);
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear")
    }
}
