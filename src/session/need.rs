//! Why a caller comes to a session, and what the caller is told.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    state::{Held, Route, Settings},
    waiting::Waiting,
};
use crate::{error::Error, identity::Generation, origin::Origin};

/// How long a request that can't be replayed waits for a fresh token while the present one is still good.
const FRESH_TOKEN_TIME: Duration = Duration::from_secs(2);

/// Why a caller comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need<'a> {
    /// There is no token, or it is about to expire.
    Token,
    /// The token is good for now, but this request can't be replayed: it goes out with one that will not fail.
    FreshToken,
    /// The token is due for a background renewal; nobody waits.
    Ahead,
    /// The caller asked for a renewal while this generation was current.
    Renewal { since: Generation },
    /// A request that was sent with this generation was rejected.
    Rejected { generation: Generation, from: Option<(&'a Origin, Route)>, claims: Option<&'a str> },
}

/// What the caller is told.
pub(crate) enum Answer {
    /// There is a token to go on with.
    Ready,
    /// Wait for this flight, and look at how it landed.
    Wait(Waiting),
    /// Wait for this flight, then ask again: it brings something else than what is needed.
    After(Waiting),
    /// Ask again at this time: a pause ends, or it is this caller's turn.
    At(Instant),
    Failed(Error),
}

impl<'a> Need<'a> {
    /// How long a call waits in all.
    pub(super) fn longest_wait(self, settings: &Settings) -> Duration {
        match self {
            Self::FreshToken => settings.longest_wait().min(FRESH_TOKEN_TIME),
            _ => settings.longest_wait(),
        }
    }

    /// How long of that it waits for a pause to end.
    pub(super) fn pause_wait(self, settings: &Settings) -> Duration {
        match self {
            // There is a token to go on with.
            Self::FreshToken => Duration::ZERO,
            _ => settings.pause_wait,
        }
    }

    pub(super) fn claims(self) -> Option<&'a str> {
        match self {
            Self::Rejected { claims, .. } => claims,
            _ => None,
        }
    }

    /// Whether the token that is held is what the caller needs. `busy` says that a flight is under way because that
    /// token failed somebody.
    pub(super) fn is_met_by(self, held: &Held, held_claims: Option<&str>, now: Instant, busy: bool) -> bool {
        match self {
            Self::Token => held.is_fresh(now),
            Self::FreshToken | Self::Ahead => !held.is_due(now),
            Self::Renewal { since } => held.generation != since && !busy,
            Self::Rejected { generation, claims, .. } => {
                held.generation != generation
                    && held.may_work(now)
                    && !busy
                    && (claims.is_none() || held_claims == claims)
            }
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Token => "no fresh token",
            Self::FreshToken | Self::Ahead => "ahead of time",
            Self::Renewal { .. } => "asked for",
            Self::Rejected { .. } => "rejected",
        }
    }
}
