//! How one of many sessions is chosen for a request.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{context::Wish, error::Error, session::Session};

/// Many sessions, whatever their keys.
pub(crate) trait Choose: fmt::Debug + Send + Sync {
    fn choose(&self, extensions: &Extensions) -> Result<Choice, Error>;

    /// What is wanted of each session that is chosen, and what chooses it.
    fn wish(&self) -> Option<(Arc<dyn Choose>, Wish)> {
        None
    }
}

/// Whose a request is.
pub(crate) enum Choice {
    TheOne,
    Among(Session),
    /// Nobody's, and that is allowed.
    Nobody,
}
