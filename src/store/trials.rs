//! What all processes remember of the credential of a session's own grant, so that its ceilings hold for all of them together.

use std::time::{Duration, SystemTime};

use super::claim::milliseconds;
use crate::error::{Error, ErrorKind};

/// What is known to others counts for so long: a credential that was put right since must not be held back for ever.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// A clock can count so far for certain.
const LONGEST_PAUSE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The sends of the credential since it worked last, and its refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trials {
    /// Whether it has brought a token in this login.
    pub(crate) worked: bool,
    pub(crate) sends: Vec<SystemTime>,
    pub(crate) refused: Option<Refused>,
    /// The credential that worked, and the refresh token: whoever comes first sends them again.
    pub(crate) unsure: Option<Box<Unsure>>,
    pub(crate) refresh_token: Option<Box<Unsure>>,
}

/// The server will not have the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) at: SystemTime,
    pub(crate) code: Option<Box<str>>,
}

/// The server would not have a credential. It is sent again to make sure, as often as one process would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsure {
    pub(crate) at: SystemTime,
    /// Not before this time.
    pub(crate) again: SystemTime,
    /// How often it was refused.
    pub(crate) times: u32,
    pub(crate) code: Option<Box<str>>,
}

impl Unsure {
    pub(crate) fn new(at: SystemTime, pause: Duration, times: u32, error: &Error) -> Self {
        let at = milliseconds(at);
        let again = at.checked_add(pause).map_or(at, milliseconds);
        Self { at, again, times, code: error.oauth_code().map(Into::into) }
    }

    /// How long it is held back, however wrong the clocks are; `None` where nobody made sure for too long.
    pub(crate) fn left(&self, wall: SystemTime) -> Option<Duration> {
        let pause = self.again.duration_since(self.at).unwrap_or_default().min(LONGEST_PAUSE);
        let since = self.since(wall);
        (since < pause + REMEMBERED).then(|| pause.saturating_sub(since))
    }

    pub(crate) fn since(&self, wall: SystemTime) -> Duration {
        wall.duration_since(self.at).unwrap_or_default()
    }

    /// What is handed out meanwhile.
    pub(crate) fn error(&self) -> Error {
        elsewhere(self.code.as_deref(), "they are sent again to make sure, not yet")
    }
}

/// Of credentials that another process has sent.
pub(crate) fn elsewhere(code: Option<&str>, what_next: &str) -> Error {
    let why = format!("the server refused the credentials to another process a moment ago: {what_next}");
    let error = Error::new(ErrorKind::Refused, why);
    match code {
        Some(code) => error.with_oauth_code(code),
        None => error,
    }
}

impl Trials {
    /// Whether there is nothing to know of the login's own credential.
    pub(crate) fn is_quiet(&self) -> bool {
        self.sends.is_empty() && self.refused.is_none() && self.unsure.is_none()
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
