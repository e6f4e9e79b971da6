//! How a session is built.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Session,
    state::{OwnRuntime, RenewAhead, Settings},
};
use crate::grant::Grant;

/// Builds a [`Session`] with settings of its own. [`manual::defaults`](crate::manual::defaults) lists all limits.
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
    /// A session that gets its tokens with this grant. Nothing is sent until the first call needs a token.
    pub fn new(grant: impl Grant) -> Self {
        Self::builder(grant).build()
    }

    /// A session with settings of its own.
    pub fn builder<G: Grant>(grant: G) -> SessionBuilder<G> {
        SessionBuilder { grant, settings: Settings::default() }
    }
}

impl<G: Grant> SessionBuilder<G> {
    /// How long a call waits in all. Default: 30 s. This is the sum of all its waits: for a token, for another token after a
    /// rejection, for its turn, and for the inner service to accept the request. The time that the inner service takes to
    /// answer does not count.
    ///
    /// When the time is over, a rejected call gets its rejection, and any other call fails with
    /// [`ErrorKind::WaitedTooLong`](crate::ErrorKind::WaitedTooLong). The renewal itself goes on, and later calls have its token.
    pub fn waiting_time(mut self, limit: Duration) -> Self {
        self.settings.waiting_time = limit;
        self
    }

    /// How long one renewal may take in all. Default: 120 s. An answer that comes later is lost, and with it a rotated refresh
    /// token.
    ///
    /// A renewal may wait up to 30 s for a [place](crate::TokenEndpoint::concurrency) at the endpoint. Then it sends one request
    /// or, if the refresh token is refused, two, with another wait between them. Each may take as long as
    /// [`TokenEndpoint::timeout`](crate::TokenEndpoint::timeout) says: by default 120 s, too. So the default is right for an
    /// endpoint that answers within 30 s, even if it is overrun. For a slower one set 60 s and twice its longest time.
    ///
    /// If a renewal has not ended a second after its limit, its [runtime](SessionBuilder::runtime) has stopped running. The
    /// next caller gives it up with [`ErrorKind::RenewalLost`](crate::ErrorKind::RenewalLost). A call after a pause of a second
    /// starts another.
    pub fn renewal_limit(mut self, limit: Duration) -> Self {
        self.settings.flight_limit = limit;
        self
    }

    /// How long a call waits while the session pauses after a failed renewal. Default: not at all. Calls then fail at once with
    /// the last error, whose [`retry_after`](crate::Error::retry_after) is the time until the next attempt.
    ///
    /// All waits of a call together still have one limit: the longer one of this and the [`waiting_time`](Self::waiting_time).
    pub fn wait_through_pauses(mut self, longest: Duration) -> Self {
        self.settings.pause_wait = longest;
        self
    }

    /// Whether tokens are renewed before they expire. Default: [`WithTraffic`](RenewAhead::WithTraffic), but
    /// [`Never`](RenewAhead::Never) for [`PasswordGrant`](crate::PasswordGrant). Some servers revoke the old token when a new
    /// one is fetched; there an early renewal would end another device's token without need.
    pub fn renew_ahead(mut self, ahead: RenewAhead) -> Self {
        self.settings.ahead = Some(ahead);
        self
    }

    /// How many renewals a minute may be caused by rejections of unexpired tokens. Default: 10 for each session. `None` lifts
    /// the limit. It stops two devices, or two programs, that revoke each other's tokens without end.
    ///
    /// Over the limit a rejected call waits for its turn, if that comes within 5 s and within its waiting time. Then the token
    /// is renewed and the request is sent again. If the turn comes later, the caller gets the rejection at once, with
    /// [`ErrorKind::Damped`](crate::ErrorKind::Damped). Renewals of expired tokens do not count.
    ///
    /// If several origins cause renewals in the same minute, each gets at most half of the limit, and at least one renewal. What
    /// an origin used while it was alone takes nothing from the others.
    pub fn renewals_per_minute(mut self, limit: Option<usize>) -> Self {
        self.settings.renewals_per_minute = limit;
        self
    }

    /// The tokio runtime for renewals, revocations and the timer of [`RenewAhead::Always`].
    ///
    /// By default a renewal is a task on the runtime of the call that starts it. With one multi-thread runtime for the whole
    /// program, as `#[tokio::main]` makes it, there is nothing to set.
    ///
    /// Set it if calls come from short-lived runtimes, or from `current_thread` ones that run only during `block_on`:
    ///
    /// - A runtime that is dropped drops its renewal. Calls that wait for it fail at once with
    ///   [`ErrorKind::RenewalLost`](crate::ErrorKind::RenewalLost), and a rotated refresh token may be lost.
    /// - On a runtime that stands still, the renewal stands still, too. Each call that needs it waits for its whole
    ///   [`waiting_time`](Self::waiting_time), until the renewal is past its [limit](SessionBuilder::renewal_limit) and is given
    ///   up.
    ///
    /// Name a runtime that runs as long as the session lives. Calls then need no runtime of their own, unless the client below
    /// the layer does.
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
