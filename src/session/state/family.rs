//! The sessions of one login: the one that has it, and those that are derived from it.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use super::status::Status;
use crate::{context::Wish, identity::Generation};

/// Another session of the same login. The state knows no more of it.
pub(crate) trait Relative: Any + Send + Sync {
    fn status(&self) -> Status;

    /// Takes note that the parent has another login, or another status. Called without any lock.
    fn follow(self: Arc<Self>);
}

/// Of sessions that have relatives. Children hold their parent, and the parent does not hold them.
#[derive(Default)]
pub(crate) struct Family {
    pub(crate) parent: Option<Parent>,
    pub(crate) children: Vec<(Arc<Wish>, Weak<dyn Relative>)>,
}

/// The session that a derived one gets its tokens from.
pub(crate) struct Parent {
    pub(crate) session: Arc<dyn Relative>,
    pub(crate) wish: Arc<Wish>,
    /// The login of the parent that this session's own belongs to.
    pub(crate) login: Option<Generation>,
}

impl Family {
    /// The one that lives and has this wish.
    pub(crate) fn child(&self, wish: &Wish) -> Option<Arc<dyn Relative>> {
        self.children.iter().find(|(other, _)| **other == *wish)?.1.upgrade()
    }

    /// Takes a child in, unless another one with this wish lives: then that one is it.
    pub(crate) fn take_in(&mut self, wish: Arc<Wish>, child: Arc<dyn Relative>) -> Arc<dyn Relative> {
        if let Some(other) = self.child(&wish) {
            return other;
        }
        self.children.retain(|(_, child)| child.strong_count() > 0);
        self.children.push((wish, Arc::downgrade(&child)));
        child
    }
}
