//! What each replica does, as it said last.

use std::{fmt, str::FromStr};

use tokio::sync::watch;

/// All replicas, by number from 1.
pub(crate) struct Board {
    pub(crate) replicas: Vec<Report>,
}

/// One line of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) doing: Doing,
    /// The number of the token of its last good call. Never the token.
    pub(crate) token: u64,
    pub(crate) good: u64,
    /// Calls that met a rejection, which their caller never saw.
    pub(crate) rejected: u64,
    /// Calls whose caller got something else than a 200.
    pub(crate) failed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Starts,
    Calls,
    /// A call was rejected, and waits for a new token.
    Waits,
    /// This one sent the token request.
    Renews,
    Killed,
    /// It ended without being told to.
    Ended,
}

impl Board {
    pub(crate) fn new(replicas: u16) -> watch::Sender<Self> {
        watch::Sender::new(Self { replicas: vec![Report::NEW; replicas.into()] })
    }

    /// Whether every replica calls with a token newer than this one.
    pub(crate) fn all_beyond(&self, token: u64) -> bool {
        self.replicas.iter().all(|report| report.doing == Doing::Calls && report.token > token)
    }

    pub(crate) fn newest_token(&self) -> u64 {
        self.replicas.iter().map(|report| report.token).max().unwrap_or_default()
    }

    /// The place of one that does this; of several, any.
    pub(crate) fn who(&self, doing: Doing) -> Option<usize> {
        let all: Vec<_> = (0..self.replicas.len()).filter(|at| self.replicas[*at].doing == doing).collect();
        fastrand::choice(all)
    }
}

impl Report {
    pub(crate) const NEW: Self = Self { doing: Doing::Starts, token: 0, good: 0, rejected: 0, failed: 0 };

    /// With what the replica that had this place before has counted.
    pub(crate) fn after(self, before: Self) -> Self {
        Self {
            good: self.good + before.good,
            rejected: self.rejected + before.rejected,
            failed: self.failed + before.failed,
            ..self
        }
    }
}

impl Doing {
    const ALL: [Self; 4] = [Self::Starts, Self::Calls, Self::Waits, Self::Renews];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Calls => "calls",
            Self::Waits => "waits",
            Self::Renews => "RENEWS",
            Self::Killed => "killed",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, token, good, rejected, failed } = self;
        write!(f, "{} {token} {good} {rejected} {failed}", doing.word())
    }
}

impl FromStr for Report {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let (word, numbers) = line.split_once(' ').ok_or(())?;
        let doing = Doing::ALL.into_iter().find(|doing| doing.word() == word).ok_or(())?;
        let numbers: Result<Vec<u64>, _> = numbers.split(' ').map(str::parse).collect();
        let [token, good, rejected, failed] = numbers.map_err(drop)?[..] else { return Err(()) };
        Ok(Self { doing, token, good, rejected, failed })
    }
}
