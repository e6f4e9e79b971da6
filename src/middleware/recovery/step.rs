//! The steps of a recovery, each with what it waits for.

use std::pin::Pin;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::{super::proof::Signing, hand_back::HandBack};
use crate::{challenge::classify::Verdict, identity::Generation, session::Waiting};

/// Why a request waits before its first send.
#[derive(Clone, Copy)]
pub(in crate::middleware) enum First {
    Token,
    FreshToken,
    Renewal { since: Generation },
}

pin_project! {
    #[project = StepProjection]
    pub(super) enum Step<S, F> {
        /// What does this response say?
        Judge { verdict: Option<Verdict> },
        /// What does the session say?
        Ask,
        /// For a flight.
        Wait { #[pin] waiting: Waiting },
        /// For a turn among those who are damped.
        Turn { #[pin] at: Sleep },
        /// Into the body, for what the head does not tell.
        Look { #[pin] limit: Sleep, at_most: usize },
        /// The rejection's body, so that its connection is free for the replay.
        Drain { #[pin] limit: Sleep },
        /// For the body of the rejected attempt, which may still be under way.
        Release { #[pin] limit: Sleep },
        /// For the connection's task to hand the connection back to its pool.
        HandBack { #[pin] hand_back: HandBack },
        /// For a turn among those whose nonces are refused again and again.
        Line { #[pin] look: Sleep },
        /// For the proof, from a key that signs elsewhere, of a request with the token of this generation.
        Sign { signing: Signing, generation: Generation, limit: Option<Pin<Box<Sleep>>> },
        /// For the inner service to take a request. The timer is made when there is something to wait for.
        Ready { service: S, limit: Option<Pin<Box<Sleep>>> },
        Send { #[pin] future: F, at: Instant },
    }
}
