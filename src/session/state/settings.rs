//! What a session is built with.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::runtime::Handle;

use crate::{credential::Credential, dpop::Binding};

/// Whether a token is renewed before it expires: in the background, at 70 to 80 % of its lifetime, while calls go on with
/// the present one. From then on it is [due for renewal](crate::Session#when-a-token-is-renewed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewAhead {
    /// No. The first call to come in the last 10 s of the token's lifetime, or later, waits for the renewal.
    Never,
    /// Yes, when a call comes. An idle session does nothing.
    WithTraffic,
    /// Yes, without calls as well. The session then has a timer of its own, and one token request for each lifetime.
    Always,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) waiting_time: Duration,
    pub(crate) flight_limit: Duration,
    pub(crate) renewals_per_minute: Option<usize>,
    pub(crate) pause_wait: Duration,
    pub(crate) ahead: Option<RenewAhead>,
    pub(crate) runtime: Option<OwnRuntime>,
    pub(crate) capabilities: Arc<[Box<str>]>,
    pub(crate) dpop: Option<Bound>,
}

/// The runtime that a session was built with.
#[derive(Clone, Debug)]
pub(crate) struct OwnRuntime(pub(crate) Handle);

// Two handles can't be compared, so sessions with a runtime of their own never share their settings.
impl PartialEq for OwnRuntime {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

/// Which access tokens a session sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Bearer,
    /// Those that are bound to its key.
    Bound,
    Both,
}

impl Takes {
    pub(crate) fn allows(self, is_bound: bool) -> bool {
        match self {
            Self::Bearer => !is_bound,
            Self::Bound => is_bound,
            Self::Both => true,
        }
    }
}

/// What the session's tokens are bound to.
#[derive(Clone, Debug)]
pub(crate) struct Bound(pub(crate) Arc<Binding>);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Settings {
    /// These settings, shared with the sessions that were built alike just before: there may be a million of them, and it would be
    /// 120 bytes more for each.
    pub(crate) fn shared(self) -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<Settings>> = LazyLock::new(Arc::default);
        static LATEST: Mutex<Weak<Settings>> = Mutex::new(Weak::new());
        if self == **DEFAULT {
            return DEFAULT.clone();
        }
        let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = latest.upgrade().filter(|latest| **latest == self) {
            return latest;
        }
        let own = Arc::new(self);
        *latest = Arc::downgrade(&own);
        own
    }

    /// How long a call waits in all.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.waiting_time.max(self.pause_wait)
    }

    pub(crate) fn dpop(&self) -> Option<Arc<Binding>> {
        self.dpop.as_ref().map(|bound| bound.0.clone())
    }

    /// The thumbprint of the key.
    pub(crate) fn thumbprint(&self) -> Option<Box<str>> {
        self.dpop.as_ref().map(|bound| bound.0.thumbprint().into())
    }

    pub(crate) fn takes(&self) -> Takes {
        match &self.dpop {
            None => Takes::Bearer,
            Some(bound) if bound.0.allows_bearer() => Takes::Both,
            Some(_) => Takes::Bound,
        }
    }

    pub(crate) fn ahead(&self, credential: Credential) -> RenewAhead {
        self.ahead.unwrap_or(match credential {
            // The one revokes another device's token without need; the other, sent when it is over, ends its session.
            Credential::Password | Credential::Subject => RenewAhead::Never,
            _ => RenewAhead::WithTraffic,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            waiting_time: Duration::from_secs(30),
            flight_limit: Duration::from_secs(120),
            renewals_per_minute: Some(10),
            pause_wait: Duration::ZERO,
            ahead: None,
            runtime: None,
            capabilities: Arc::default(),
            dpop: None,
        }
    }
}
