//! What all processes remember of the credential of a session's own grant, so that its ceilings hold for all of them together.

use std::time::{Duration, SystemTime};

/// What is known to others counts for so long: a credential that was put right since must not be held back for ever.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// The sends of the credential since it worked last, and its refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trials {
    /// Whether it has brought a token in this login.
    pub(crate) worked: bool,
    pub(crate) sends: Vec<SystemTime>,
    pub(crate) refused: Option<Refused>,
}

/// The server will not have the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) at: SystemTime,
    pub(crate) code: Option<Box<str>>,
}

impl Trials {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
