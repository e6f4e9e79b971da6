//! The ways of sending a request that are compared.

use http::Request;
use http_body::Body;
use tower::{Layer, Service, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_reauth::{Origins, ReauthLayer, Session};

use crate::{Answer, LockedToken, Once, Payload, ReplayOnce, token};

/// A way of sending a request with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The inner service alone.
    Bare,
    /// One header that never changes: the floor.
    AddAuthorization,
    /// tower's `Retry` and a token behind a lock.
    RetryByHand,
    Reauth,
    /// This crate, with a body that can't be sent again.
    ReauthOnce,
    /// This crate, with replay switched off.
    ReauthOff,
}

/// What is done with each of them.
pub trait Probe {
    fn run<S, B>(&mut self, kind: Kind, service: S)
    where
        S: Service<Request<B>> + Clone + Send,
        S::Future: Send,
        S::Error: std::fmt::Debug,
        B: From<Payload> + Body + 'static;
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Bare, Self::AddAuthorization, Self::RetryByHand, Self::Reauth, Self::ReauthOnce, Self::ReauthOff];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AddAuthorization => "AddAuthorization",
            Self::RetryByHand => "Retry by hand",
            Self::Reauth => "reauth",
            Self::ReauthOnce => "reauth, once",
            Self::ReauthOff => "reauth, off",
        }
    }

    /// Hands the service of this kind to the probe. The session holds a token of `size` bytes.
    pub fn probe(self, session: &Session, size: usize, probe: &mut impl Probe) {
        let origins = Origins::only("https://api.example").expect("a valid origin");
        let layer = ReauthLayer::new(session.clone(), origins);
        match self {
            Self::Bare => probe.run::<_, Payload>(self, Answer),
            Self::AddAuthorization => {
                probe.run::<_, Payload>(
                    self,
                    AddAuthorizationLayer::bearer(&token(size)).as_sensitive(true).layer(Answer),
                );
            }
            Self::RetryByHand => {
                probe.run::<_, Payload>(self, Retry::new(ReplayOnce::new(), LockedToken::new(Answer, &token(size))));
            }
            Self::Reauth => probe.run::<_, Payload>(self, layer.layer(Answer)),
            Self::ReauthOnce => probe.run::<_, Once>(self, layer.layer(Answer)),
            Self::ReauthOff => probe.run::<_, Payload>(self, layer.max_replays(0).layer(Answer)),
        }
    }
}
