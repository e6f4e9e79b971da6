//! What a layer is configured with, and its defaults.

use std::{fmt, sync::Arc};

use http::{HeaderName, header::AUTHORIZATION};

use super::{
    budget::Budget,
    foreign::ForeignOrigins,
    places::{self, Places},
};
use crate::{
    challenge::{bearer::BearerClassifier, classify::Classify},
    metrics::Passed,
    origin::Origins,
    scheme::Scheme,
    session::Authorization,
    sessions::SessionSource,
};

/// Per request: what is buffered for a replay.
const REPLAY_LIMIT: usize = 64 * 1024;
/// Per rejection: what is read of its body so that the connection can be used again.
const DRAIN_LIMIT: usize = 64 * 1024;
/// Per layer: what all calls that wait keep together.
const PARKED_LIMIT: usize = 64 * 1024 * 1024;

/// What the layer does with a request that already has an `Authorization` header, or one of the name that
/// [`ReauthLayer::header`](crate::ReauthLayer::header) was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnAuthorization {
    /// Sends the request as it is, and does not replay it. Nothing is logged. A header `DPoP` alone is no authorization: that of the
    /// session's proof takes its place, and with a bearer token it goes along.
    #[default]
    Keep,
    /// Replaces the header by the session's token. Use it for a proxy. A request to an origin that is not listed, or with
    /// [`WithoutAuth`](crate::WithoutAuth), keeps its header; a proxy that forwards those must remove it.
    Replace,
    /// Fails with [`ErrorKind::OwnAuthorization`](crate::ErrorKind::OwnAuthorization); nothing is sent.
    Reject,
}

#[derive(Clone)]
pub(super) struct Config {
    pub(super) source: SessionSource,
    pub(super) origins: Origins,
    pub(super) classify: Arc<dyn Classify>,
    pub(super) own_authorization: OwnAuthorization,
    pub(super) header: HeaderName,
    pub(super) scheme: Scheme,
    pub(super) max_replays: u32,
    pub(super) replay_limit: usize,
    pub(super) drain_limit: usize,
    pub(super) passed: Passed,
    pub(super) foreign: Arc<ForeignOrigins>,
    pub(super) budget: Arc<Budget>,
    // Of one session, under this scheme.
    pub(super) places: Arc<Places>,
}

impl Config {
    pub(super) fn new(source: SessionSource, origins: Origins) -> Self {
        Self {
            source,
            origins,
            classify: Arc::new(BearerClassifier::new()),
            own_authorization: OwnAuthorization::default(),
            header: AUTHORIZATION,
            scheme: Scheme::default(),
            max_replays: 1,
            replay_limit: REPLAY_LIMIT,
            drain_limit: DRAIN_LIMIT,
            passed: Passed::default(),
            foreign: Arc::default(),
            budget: Arc::new(Budget::new(PARKED_LIMIT)),
            places: Arc::default(),
        }
    }

    /// The token under this layer's scheme.
    pub(super) fn dress(&self, authorization: Authorization) -> Authorization {
        places::dressed(&self.scheme, authorization)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("source", &self.source)
            .field("origins", &self.origins)
            .field("own_authorization", &self.own_authorization)
            .field("header", &self.header)
            .field("scheme", &self.scheme)
            .field("max_replays", &self.max_replays)
            .field("replay_limit", &self.replay_limit)
            .field("drain_limit", &self.drain_limit)
            .field("parked_limit", &self.budget.limit())
            .finish_non_exhaustive()
    }
}
