//! One owner of credentials: its state, its login and logout, and the one renewal that everybody shares.
//!
//! 1. The truth is one [`State`](state::State) behind `Arc<RwLock<..>>`. Nobody outside this folder sees the lock, and no
//!    guard lives across an await.
//! 2. The generation of the current token stands in an atomic beside the lock, written under it: whoever has a copy of the
//!    token compares numbers and asks for the lock only when they differ. They always differ while what a call meets has
//!    to be told to the session, since an origin is on trial or cools down.
//! 3. Everything that a login brought or learned hangs on one `Login`, which goes as a whole when the login ends.

mod ask;
mod builder;
mod inner;
mod ladder;
mod launch;
mod need;
mod refresh_ahead;
mod revocation;
mod runtime;
mod state;
mod token;
mod waiting;
mod watch;

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::watch::Receiver;

pub(crate) use self::{
    ask::Authorization,
    need::{Answer, Need},
    state::{Errand, Errands, Route},
    waiting::Waiting,
};
pub use self::{
    builder::SessionBuilder,
    revocation::Logout,
    state::{RenewAhead, Status},
    token::Token,
};
use self::{
    inner::Inner,
    state::{Login, Settings, State},
};
use crate::{
    events,
    grant::Grant,
    identity::{Generation, SessionId, SessionName},
};

/// One owner of credentials: a user's login, or a service's own identity.
///
/// A machine that slept finds its tokens older by that: each call that comes a second or more after the last one looks whether
/// the wall clock went ahead of the monotonic one, so that a token that expired meanwhile is renewed before anything is sent.
/// What is not seen is a sleep that began and ended within that second; then a rejection heals the token, as it does on systems
/// whose wall clock stands still as well. Where the wall clock is set forward, the tokens of then are renewed once.
///
/// A session is lazy: it asks for its first token when the first call needs one. All clones share one state, and so do
/// all layers that were built with a clone. Dropping the last clone forgets the secrets; it does not revoke anything.
///
/// ```
/// use tower_reauth::{Session, Status, TokenSet, grant_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
/// let session = Session::new(grant_fn(|_context| async { TokenSet::new("a-token") }));
/// assert_eq!(session.status(), Status::Idle);
/// let token = session.token().await?;
/// assert_eq!(session.status(), Status::Active);
/// session.logout().await?;
/// assert_eq!(session.status(), Status::LoggedOut);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

impl Session {
    /// A session without credentials: its calls fail with [`ErrorKind::LoggedOut`](crate::ErrorKind::LoggedOut) until [`login`](Session::login).
    pub fn logged_out() -> Self {
        Self::with_settings(Settings::default())
    }

    fn with_settings(settings: Settings) -> Self {
        Self { inner: Arc::new(Inner::new(settings)) }
    }

    /// Gives the session new credentials, and forgets the older ones with everything that was obtained by them.
    ///
    /// Nothing is sent: the next call fetches the token. To know at once whether the credentials are good, follow with
    /// [`token`](Session::token). A renewal that is under way for the older login is thrown away when it ends, and calls
    /// that wait for it fail with [`ErrorKind::LoggedOut`](crate::ErrorKind::LoggedOut).
    pub fn login(&self, grant: impl Grant) {
        // Made, and the older one dropped, without the lock: a grant is the user's code.
        let (grant, refresh_token) = grant.boxed().into_parts();
        let login = Login::new(grant, refresh_token, &self.inner.settings);
        events::logged_in(self.inner.name(), login.credential);
        let _older = self.inner.change(|state| state.login.replace(login));
    }

    /// What can be said of the session at this moment.
    pub fn status(&self) -> Status {
        // Not what was told last: that comes a moment after the change itself, and a caller may have seen the change.
        self.inner.read(State::status)
    }

    /// The status and its changes.
    ///
    /// What `borrow()` of the receiver gives is a lock on the status: copy the value out of it before anything else is
    /// asked of the session. `login` or `logout` on the same thread would wait for it for ever.
    pub fn subscribe(&self) -> Receiver<Status> {
        self.inner.subscribe()
    }

    /// Waits until no renewal and no revocation is under way, no longer than `deadline`; says whether that was reached.
    /// For the end of a program: a runtime that goes down takes both with it.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or on one without timers, unless the session has a
    /// [runtime](SessionBuilder::runtime) of its own.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let idle = self.inner.timed(|| tokio::time::timeout(deadline, self.idle()));
        idle.await.is_ok()
    }

    /// Until no renewal and no revocation is under way.
    pub(crate) async fn idle(&self) {
        self.inner.idle().await;
    }

    pub(crate) fn id(&self) -> SessionId {
        self.inner.id
    }

    pub(crate) fn name(&self) -> SessionName {
        self.inner.name()
    }

    /// Notes the hash of the key that finds this session from now on.
    pub(crate) fn found_by(&self, key: u64) {
        self.inner.found_by(key);
    }

    /// The generation of the current token, without the lock.
    pub(crate) fn generation(&self) -> Generation {
        self.inner.generation()
    }

    /// Whether a copy of the token of this generation may be used without asking.
    #[inline]
    pub(crate) fn allows_copy_of(&self, generation: Generation) -> bool {
        self.inner.allows_copy_of(generation)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.inner.id.0).field("status", &self.status()).finish_non_exhaustive()
    }
}
