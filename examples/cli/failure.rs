//! How a command fails: one line for a person, and a status for a script.

use std::{fmt, process::ExitCode};

use tower_reauth::{Error, ErrorKind};

use crate::NAME;

pub(crate) enum Failure {
    /// The user has to log in.
    LoggedOut,
    /// What was typed, or stands in the environment, is wrong.
    Input(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl Failure {
    pub(crate) fn input(what: impl fmt::Display) -> Self {
        Self::Input(anyhow::anyhow!("{what}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::LoggedOut => 1,
            Self::Input(_) => 2,
            Self::Failed(_) => 3,
        })
    }
}

/// Once the credentials are refused or gone, only a login helps; the rest may pass by itself.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Refused | ErrorKind::LoggedOut => Self::LoggedOut,
            // It tells its causes itself.
            _ => Self::Failed(anyhow::anyhow!("{error}")),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::Failed(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedOut => write!(f, "nobody is logged in: run `{NAME} login`"),
            // What a server said stands in it, too: it must not reach the terminal as a command.
            Self::Input(error) | Self::Failed(error) => f.write_str(&crate::output::plain(&format!("{error:#}"))),
        }
    }
}
