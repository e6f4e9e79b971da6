//! A session's settings.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Session, runtime::OwnRuntime};
use crate::{Credential, Grant};

/// Whether a token is renewed before it expires: at 70 to 80 % of its lifetime, in the background, while the present one is
/// used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewAhead {
    /// Not before a call finds it about to expire.
    Never,
    /// When a call comes by. An idle session does nothing.
    WithTraffic,
    /// Also without traffic: a timer of its own, and a token request for every lifetime that passes.
    Always,
}

/// Builds a [`Session`] with settings of its own.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{Session, TokenSet, grant_fn};
///
/// let session = Session::builder(grant_fn(|_context| async { TokenSet::new("token") }))
///     .waiting_time(Duration::from_secs(5))
///     .build();
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SessionBuilder<G> {
    grant: G,
    settings: Settings,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) waiting_time: Duration,
    pub(super) flight_limit: Duration,
    pub(super) reissues_per_minute: Option<usize>,
    pub(super) patience: Duration,
    pub(super) ahead: Option<RenewAhead>,
    pub(super) runtime: Option<OwnRuntime>,
}

impl<G: Grant> SessionBuilder<G> {
    pub(super) fn new(grant: G) -> Self {
        Self { grant, settings: Settings::default() }
    }

    /// How long a call waits in all before it gives up, 30 s by default: for a token, for another one after a rejection,
    /// for its turn, and for the inner service to take it. What the inner service takes for its answers does not count. A
    /// call that was rejected gets its rejection then, any other one an error; the renewal itself goes on.
    pub fn waiting_time(mut self, limit: Duration) -> Self {
        self.settings.waiting_time = limit;
        self
    }

    /// How long one renewal may take in all, 120 s by default. An answer that comes later is lost, and with it a
    /// rotated refresh token: keep this well above what the token endpoint ever takes. A renewal that has not ended a second
    /// later runs on a [runtime](SessionBuilder::runtime) that nobody drives. Whoever asks or waits then gives it up with
    /// [`ErrorKind::RenewalLost`](crate::ErrorKind::RenewalLost), and a call after a pause of a second starts another.
    pub fn renewal_limit(mut self, limit: Duration) -> Self {
        self.settings.flight_limit = limit;
        self
    }

    /// How long a call waits while the session pauses after a failed renewal. By default not at all: calls fail at once
    /// with the last error, which tells the time of the next attempt. Where this is longer than the
    /// [`waiting_time`](Self::waiting_time), a call waits so long in all.
    pub fn wait_for_token(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Whether tokens are renewed ahead of their end. By default [`WithTraffic`](RenewAhead::WithTraffic), and
    /// [`Never`](RenewAhead::Never) for [`PasswordGrant`](crate::PasswordGrant): where fetching a token kills the one of
    /// another device, early renewal makes the trouble that it should prevent.
    pub fn renew_ahead(mut self, ahead: RenewAhead) -> Self {
        self.settings.ahead = Some(ahead);
        self
    }

    /// How many renewals a minute may be caused by rejections of tokens that had not expired, 10 by default; `None`
    /// lifts the limit. Over it, a rejected call waits for its turn where that comes within 5 s, and is then replayed with
    /// the new token; else its rejection is handed to the caller at once.
    ///
    /// No origin takes more than half of them, and at least one, while another one needs some in the same minute. What it
    /// had beyond its half before the other one came takes nothing from that one.
    pub fn reissues_per_minute(mut self, limit: Option<usize>) -> Self {
        self.settings.reissues_per_minute = limit;
        self
    }

    /// The runtime that renewals, revocations and the timer of [`RenewAhead::Always`] run on. By default they run on the
    /// runtime of whoever asks first, and get nowhere while nobody drives that one: a renewal is then given up when it has
    /// run for its [limit](SessionBuilder::renewal_limit), and the next call starts another. Name a runtime that lives and
    /// is driven as long as the session, where calls come from runtimes that are not: `current_thread` ones, mostly.
    ///
    /// Calls need no runtime of their own then, unless the client below the layer does.
    ///
    /// ```
    /// use tower_reauth::{Session, TokenSet, grant_fn};
    ///
    /// let background = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    /// let session = Session::builder(grant_fn(|_context| async { TokenSet::new("token") }))
    ///     .runtime(background.handle().clone())
    ///     .build();
    /// # futures::executor::block_on(session.token()).map(|_| ())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.settings.runtime = Some(OwnRuntime(runtime));
        self
    }

    /// The session.
    pub fn build(self) -> Session {
        let session = Session::with_settings(self.settings);
        session.login(self.grant);
        session
    }
}

impl Settings {
    /// These settings, shared with the sessions that were built alike just before: there may be a million of them.
    pub(super) fn shared(self) -> Arc<Self> {
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
    pub(super) fn longest_wait(&self) -> Duration {
        self.waiting_time.max(self.patience)
    }

    pub(super) fn ahead(&self, credential: Credential) -> RenewAhead {
        self.ahead.unwrap_or(match credential {
            Credential::Password => RenewAhead::Never,
            _ => RenewAhead::WithTraffic,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            waiting_time: Duration::from_secs(30),
            flight_limit: Duration::from_secs(120),
            reissues_per_minute: Some(10),
            patience: Duration::ZERO,
            ahead: None,
            runtime: None,
        }
    }
}
