//! How a session is built.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Session,
    state::{OwnRuntime, RenewAhead, Settings},
};
use crate::grant::Grant;

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

impl Session {
    /// A session that obtains its tokens with this grant.
    pub fn new(grant: impl Grant) -> Self {
        Self::builder(grant).build()
    }

    /// A session with settings of its own.
    pub fn builder<G: Grant>(grant: G) -> SessionBuilder<G> {
        SessionBuilder { grant, settings: Settings::default() }
    }
}

impl<G: Grant> SessionBuilder<G> {
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
    pub fn wait_through_pauses(mut self, longest: Duration) -> Self {
        self.settings.pause_wait = longest;
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
    pub fn renewals_per_minute(mut self, limit: Option<usize>) -> Self {
        self.settings.renewals_per_minute = limit;
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
