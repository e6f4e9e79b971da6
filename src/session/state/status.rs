//! What a session can say of itself.

use crate::error::{Error, ErrorKind};

/// The state of a [`Session`](crate::Session), for a user interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// There are no credentials: none were given yet, or the session was logged out.
    LoggedOut,
    /// There are credentials, and no token yet.
    Idle,
    /// There is a token.
    Active,
    /// The authorization server will not have these credentials: ask the user to log in again.
    Refused,
}

pub(crate) fn logged_out() -> Error {
    Error::new(ErrorKind::LoggedOut, "the session is logged out")
}
