//! Whose request it is: how a layer finds the session.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{error::Error, identity::SessionId, session::Session};

/// Finds the session of a request. Made from a [`Session`], from [`Sessions`](crate::Sessions), or from a reference to either.
#[derive(Clone)]
pub struct SessionSource {
    source: Source,
}

#[derive(Clone)]
enum Source {
    One(Session),
    Many(Arc<dyn Choose>),
}

/// Many sessions, whatever their keys.
pub(crate) trait Choose: fmt::Debug + Send + Sync {
    fn choose(&self, extensions: &Extensions) -> Result<Choice, Error>;
}

/// Whose a request is.
pub(crate) enum Choice {
    TheOne,
    Among(Session),
    /// Nobody's, and that is allowed.
    Nobody,
}

impl SessionSource {
    pub(super) fn many(sessions: impl Choose + 'static) -> Self {
        Self { source: Source::Many(Arc::new(sessions)) }
    }

    /// Whose request this is, by its extensions.
    pub(crate) fn choose(&self, extensions: &Extensions) -> Result<Choice, Error> {
        match &self.source {
            Source::One(_) => Ok(Choice::TheOne),
            Source::Many(sessions) => sessions.choose(extensions),
        }
    }

    /// Whether the session that was chosen has this number.
    pub(crate) fn is(&self, choice: &Choice, id: SessionId) -> bool {
        match choice {
            Choice::TheOne => self.the_one().is_some_and(|session| session.id() == id),
            Choice::Among(session) => session.id() == id,
            Choice::Nobody => false,
        }
    }

    /// The layer's one session, unless it has many.
    pub(crate) fn the_one(&self) -> Option<&Session> {
        match &self.source {
            Source::One(session) => Some(session),
            Source::Many(_) => None,
        }
    }

    /// The session that was chosen among many, or the one.
    pub(crate) fn session(&self, chosen: Option<Session>) -> Session {
        // Many sessions always choose one; whoever belongs to nobody has no token, to be safe.
        chosen.or_else(|| self.the_one().cloned()).unwrap_or_else(Session::logged_out)
    }
}

impl From<Session> for SessionSource {
    fn from(session: Session) -> Self {
        Self { source: Source::One(session) }
    }
}

impl From<&Session> for SessionSource {
    fn from(session: &Session) -> Self {
        session.clone().into()
    }
}

impl fmt::Debug for SessionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::One(session) => session.fmt(f),
            Source::Many(sessions) => sessions.fmt(f),
        }
    }
}
