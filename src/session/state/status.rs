//! What a session can say of itself.

use crate::error::{Error, ErrorKind};

/// The state of a [`Session`](crate::Session): what a user interface needs to know.
///
/// Send the user to the login page if it is [`LoggedOut`](Status::LoggedOut) or [`Refused`](Status::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// There are no credentials: there was no login yet, or it was ended.
    LoggedOut,
    /// There are credentials, but no token yet: the next call fetches it.
    Idle,
    /// There is a token. It may have expired: then the next call renews it.
    Active,
    /// Nothing that the session holds is good any more: ask the user for a login.
    ///
    /// No token request is sent until [`login`](crate::Session::login). Calls fail, or get the rejection, with
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused); a token that the server still takes is used meanwhile.
    ///
    /// A client's own secret ([`Credential::Client`](crate::Credential::Client)) is the exception: there is no user to ask, so
    /// calls try it again after 60 s, doubling to 15 min. The status goes back to `Active` once it works.
    Refused,
}

pub(crate) fn logged_out() -> Error {
    Error::new(ErrorKind::LoggedOut, "the session is logged out")
}
