//! Why a caller comes to a session, and what the caller is told.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    state::{Login, Route, Settings},
    waiting::Waiting,
};
use crate::{
    asked::Challenge,
    context::Wish,
    error::Error,
    identity::{Generation, SessionId},
    origin::Origin,
};

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
    Rejected { generation: Generation, from: Option<(&'a Origin, Route)>, challenge: &'a Challenge },
    /// A derived session wants a token of its own from its parent.
    Wish { wish: &'a Arc<Wish>, by: SessionId, challenge: &'a Challenge },
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
            // The derived session's own flight ends before.
            Self::Wish { .. } => settings.flight_limit,
            Self::FreshToken => settings.longest_wait().min(FRESH_TOKEN_TIME),
            _ => settings.longest_wait(),
        }
    }

    /// How long of that it waits for a pause to end.
    pub(super) fn pause_wait(self, settings: &Settings) -> Duration {
        match self {
            // There is a token to go on with; or the derived session pauses by itself.
            Self::FreshToken | Self::Wish { .. } => Duration::ZERO,
            _ => settings.pause_wait,
        }
    }

    /// What the rejection asked for that sent the caller, if one did.
    pub(super) fn challenge(self) -> &'a Challenge {
        match self {
            Self::Rejected { challenge, .. } | Self::Wish { challenge, .. } => challenge,
            _ => Challenge::NONE,
        }
    }

    pub(super) fn claims(self) -> Option<&'a str> {
        self.challenge().claims()
    }

    pub(super) fn wish(self) -> Option<&'a Arc<Wish>> {
        match self {
            Self::Wish { wish, .. } => Some(wish),
            _ => None,
        }
    }

    /// Whether the login has what the caller needs.
    pub(super) fn is_met_by(self, login: &Login, now: Instant) -> bool {
        let claims = self.claims();
        if let Self::Wish { wish, by, .. } = self {
            return login.has_for(wish, by, claims, now);
        }
        let Some(held) = &login.held else { return false };
        // A flight is under way because the token that is held failed somebody.
        let busy = login.flight().is_some_and(|flight| !flight.ahead && flight.wish.is_none());
        match self {
            Self::Token => held.is_fresh(now),
            Self::FreshToken | Self::Ahead => !held.is_due(now),
            Self::Renewal { since } => held.generation != since && !busy,
            Self::Rejected { generation, .. } => {
                held.generation != generation
                    && held.may_work(now)
                    && !busy
                    && (claims.is_none() || login.rare().claims.as_deref() == claims)
            }
            Self::Wish { .. } => false,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Token => "no fresh token",
            Self::FreshToken | Self::Ahead => "ahead of time",
            Self::Renewal { .. } => "asked for",
            Self::Rejected { .. } => "rejected",
            Self::Wish { .. } => "derived session",
        }
    }
}
