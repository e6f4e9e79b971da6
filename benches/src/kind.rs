//! The ways of sending a request that are compared.

use std::fmt;

use tower::{Layer, Service, retry::Retry};
use tower_http::auth::AddAuthorizationLayer;
use tower_reauth::{Origins, ReauthLayer, Session};

use crate::{Answer, Fixture, LockedToken, Once, Payload, ReplayOnce, request::stored_session, session, token};

/// A way of sending a request with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The inner service alone.
    Bare,
    /// One header that never changes: the floor.
    AddAuthorization,
    /// tower's `Retry` and a token behind a lock.
    RetryByHand,
    /// kube-client's layer with a token from a file, which never sends a request again.
    #[cfg(feature = "peers")]
    Kube,
    /// The headers of google-cloud-auth's credentials, added to the request; never sends one again.
    #[cfg(feature = "peers")]
    Google,
    /// azure_core's policy, for requests of its own type.
    #[cfg(feature = "peers")]
    Azure,
    Reauth,
    /// This crate, with a body that can't be sent again.
    ReauthOnce,
    /// This crate, with replay switched off.
    ReauthOff,
    /// This crate, with a session that has a store.
    ReauthStored,
}

/// Who holds a token, one for every kind.
pub struct Credentials {
    session: Session,
    stored: Session,
    token: String,
    #[cfg(feature = "peers")]
    google: google_cloud_auth::credentials::Credentials,
}

/// What is done with each of them.
pub trait Probe {
    fn run<S, R>(&mut self, kind: Kind, service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send + 'static,
        S::Error: fmt::Debug,
        R: 'static;
}

impl Credentials {
    /// With a token of so many bytes.
    pub async fn new(size: usize) -> Self {
        Self {
            session: session(size).await,
            stored: stored_session(size).await,
            token: token(size),
            #[cfg(feature = "peers")]
            google: crate::peers::google_credentials(&token(size)).await,
        }
    }
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Bare,
        Self::AddAuthorization,
        Self::RetryByHand,
        #[cfg(feature = "peers")]
        Self::Kube,
        #[cfg(feature = "peers")]
        Self::Google,
        #[cfg(feature = "peers")]
        Self::Azure,
        Self::Reauth,
        Self::ReauthOnce,
        Self::ReauthOff,
        Self::ReauthStored,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AddAuthorization => "AddAuthorization",
            Self::RetryByHand => "Retry by hand",
            #[cfg(feature = "peers")]
            Self::Kube => "kube-client",
            #[cfg(feature = "peers")]
            Self::Google => "google-cloud-auth",
            #[cfg(feature = "peers")]
            Self::Azure => "azure_core",
            Self::Reauth => "reauth",
            Self::ReauthOnce => "reauth, once",
            Self::ReauthOff => "reauth, off",
            Self::ReauthStored => "reauth, stored",
        }
    }

    /// Hands the service of this kind to the probe, and what makes its requests.
    pub fn probe(self, credentials: &Credentials, probe: &mut impl Probe) {
        let Credentials { session, stored, token, .. } = credentials;
        let session = if self == Self::ReauthStored { stored } else { session };
        let layer = ReauthLayer::new(session.clone(), Origins::only("https://api.example").expect("a valid origin"));
        let request = Fixture::request::<Payload>;
        match self {
            Self::Bare => probe.run(self, Answer, request),
            Self::AddAuthorization => {
                probe.run(self, AddAuthorizationLayer::bearer(token).as_sensitive(true).layer(Answer), request);
            }
            Self::RetryByHand => {
                probe.run(self, Retry::new(ReplayOnce::new(), LockedToken::new(Answer, token)), request);
            }
            #[cfg(feature = "peers")]
            Self::Kube => probe.run(self, crate::peers::kube(token), request),
            #[cfg(feature = "peers")]
            Self::Google => probe.run(self, crate::peers::google(&credentials.google), request),
            #[cfg(feature = "peers")]
            Self::Azure => probe.run(self, crate::peers::azure(token), crate::peers::azure_request),
            Self::Reauth | Self::ReauthStored => probe.run(self, layer.layer(Answer), request),
            Self::ReauthOnce => probe.run(self, layer.layer(Answer), Fixture::request::<Once>),
            Self::ReauthOff => probe.run(self, layer.max_replays(0).layer(Answer), request),
        }
    }
}
