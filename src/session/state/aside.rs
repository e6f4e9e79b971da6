//! What few sessions have: subscribers of their status, somebody who waits for their tasks to end, a place in a store, relatives.

use std::sync::{Arc, Weak};

use tokio::sync::{oneshot, watch};

use super::{family::Family, shelf::Shelf, status::Status};

/// Copies of the token of a session, wherever they are.
pub(crate) trait Copies: Send + Sync {
    /// Drops them all. Called without any lock, once the session has another token or none.
    fn wipe(&self);
}

/// Made when it is first needed: sessions are held by the million.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) shelf: Option<Arc<Shelf>>,
    /// What the application calls the owner of a session that has no place in a store yet.
    pub(crate) owner: Option<Box<str>>,
    pub(crate) status: Option<watch::Sender<Status>>,
    pub(crate) idle: Vec<oneshot::Sender<()>>,
    pub(crate) family: Option<Box<Family>>,
    pub(crate) copies: Vec<Weak<dyn Copies>>,
}

impl Aside {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { shelf, owner, status, idle, family, copies } = self;
        let (idle, copies) = (idle.is_empty(), copies.is_empty());
        shelf.is_none() && owner.is_none() && status.is_none() && idle && family.is_none() && copies
    }
}
