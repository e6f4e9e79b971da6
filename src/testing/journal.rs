//! What happened at an issuer and its resource servers, in order.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// One thing that happened at an [`Issuer`](super::Issuer) or at a server that takes its tokens.
///
/// `Display` writes it as one line, in which tokens have numbers: `refresh token 1 redeemed: token 2`,
/// `GET /orders, token 1: 401`, `revoked: token 1`. Neither a token nor a password is in it (invariant 9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When it came, counted from [`Issuer::new`](super::Issuer::new) on tokio's clock.
    pub at: Duration,
    /// What came, or what the test did.
    pub what: String,
    /// What was answered: numbers of tokens, a status, or how it ended without one. `None` for what the test did, and for a
    /// request that still waits, or waited until its client left or the server went down.
    pub answer: Option<String>,
}

/// The entries, in the order in which things came.
#[derive(Debug)]
pub(super) struct Journal {
    began: Instant,
    entries: Vec<Entry>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), entries: Vec::new() }
    }

    /// Writes something down, and says where.
    pub(super) fn write(&mut self, what: impl Into<String>) -> usize {
        self.entries.push(Entry { at: self.began.elapsed(), what: what.into(), answer: None });
        self.entries.len() - 1
    }

    pub(super) fn answer(&mut self, index: usize, answer: impl Into<String>) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.answer = Some(answer.into());
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.answer.as_ref().map_or(Ok(()), |answer| write!(f, ": {answer}"))
    }
}
