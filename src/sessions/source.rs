//! Whose request it is: how a layer finds the session.

use std::{fmt, sync::Arc};

use http::Extensions;

use super::{
    choose::{Choice, Choose},
    derived::Derived,
};
use crate::{context::Wish, error::Error, identity::SessionId, session::Session};

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

impl SessionSource {
    pub(super) fn many(sessions: impl Choose + 'static) -> Self {
        Self { source: Source::Many(Arc::new(sessions)) }
    }

    /// As [`Session::for_resource`] for each session: a layer of one of several APIs sends a token for this resource, whoever's
    /// request it is.
    ///
    /// With many users, this source holds each user's derived session for as long as the login lasts. So its cool-downs and the
    /// count of its renewals outlive a call.
    #[must_use]
    pub fn for_resource(self, resource: impl Into<Box<str>>) -> Self {
        self.derive(|wish| wish.resource = Some(resource.into()))
    }

    /// As [`Session::for_scope`] for each session.
    #[must_use]
    pub fn for_scope(self, scope: impl Into<Box<str>>) -> Self {
        self.derive(|wish| wish.scope = Some(scope.into()))
    }

    fn derive(self, change: impl FnOnce(&mut Wish)) -> Self {
        let sessions = match self.source {
            Source::One(session) => return session.derive(change).into(),
            Source::Many(sessions) => sessions,
        };
        let (sessions, mut wish) = sessions.wish().unwrap_or((sessions, Wish::default()));
        change(&mut wish);
        Self::many(Derived::new(sessions, wish))
    }

    /// Whose request this is, by its extensions.
    pub(crate) fn choose(&self, extensions: &Extensions) -> Result<Choice, Error> {
        match &self.source {
            Source::One(_) => Ok(Choice::TheOne),
            Source::Many(sessions) => sessions.choose(extensions),
        }
    }

    /// Whether the session that was chosen waits for the token requests of the one of this number: it is the same, or its parent.
    pub(crate) fn is(&self, choice: &Choice, id: SessionId) -> bool {
        match choice {
            Choice::TheOne => self.the_one().is_some_and(|session| session.waits_for(id)),
            Choice::Among(session) => session.waits_for(id),
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
