//! One owner of credentials: its state, its login and logout, and the one renewal that everybody shares.
//!
//! Two storeys: `state` knows, and the files here act on what it knows. Callers come in by `ask`. A flight begins and ends in
//! `launch`, and between the two climbs the `ladder`. A logout is in `revocation`.
//!
//! 1. The truth is one [`State`](state::State) behind `Arc<RwLock<..>>`. Nobody outside this folder sees the lock, and no
//!    guard lives across an await.
//! 2. The generation of the current token stands in an atomic beside the lock, written under it: whoever has a copy of the
//!    token compares numbers and asks for the lock only when they differ. They always differ while what a call meets has
//!    to be told to the session, since an origin is on trial or cools down.
//! 3. Everything that a login brought or learned hangs on one `Login`, which goes as a whole when the login ends.

mod ask;
mod asks;
mod authorization;
mod builder;
mod derived;
mod feed;
mod give_back;
mod hearing;
mod holding;
mod inner;
mod ladder;
mod launch;
mod look;
mod need;
mod news;
mod overtaken;
mod pending;
mod reach;
mod record;
mod refresh_ahead;
mod removal;
mod resume;
mod revocation;
mod runtime;
mod state;
mod token;
mod visit;
mod waiting;
mod watch;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::watch::Receiver, time::Instant};

pub(crate) use self::{
    authorization::Authorization,
    need::{Answer, Need},
    state::{Copies, Errand, Errands, Limits, Route, Shelf},
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
    state::{Login, Settings},
};
use crate::{
    dpop::Binding,
    events,
    grant::Grant,
    identity::{Generation, SessionId, SessionName},
    store::Record,
};

/// One owner of credentials: a user's login, or a service's own identity.
///
/// A session is lazy: it fetches its first token when the first call needs one. All clones share one state, and so do all
/// layers that were built with a clone. Dropping the last clone forgets the secrets, and revokes nothing.
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
///
/// # One renewal
/// However many calls need a token, one renewal runs at a time, and all of them get its result. It runs on a task of its
/// own, so it goes on if the callers leave. The task runs on the runtime of the call that starts it, unless
/// [`SessionBuilder::runtime`] names another.
///
/// # When a token is renewed
/// 1. *Due for renewal* is a token from 70 to 80 % of its lifetime on, if [`renew_ahead`](SessionBuilder::renew_ahead) is not
///    [`Never`](RenewAhead::Never). The next call, or with [`Always`](RenewAhead::Always) a timer, starts a renewal in the
///    background. Calls go on with the present token. Only a request that cannot be sent again waits for the new one, for 2 s at
///    most.
/// 2. A token *counts as expired* 10 s before its end; if its lifetime is short, in the last tenth of it. Calls then wait for the
///    renewal. If the renewal fails before the end, they go with the present token.
/// 3. A *rejection* leads to a renewal, whatever the age of the token. For a token of unknown lifetime nothing else does.
///
/// # Failures
/// A failed renewal does not end the session: what may still work is kept. After a failure the session pauses: for
/// 1 s at first, then longer, as [`answers`](crate::manual::answers) says. The first call after the pause tries again. A new
/// [`login`](Session::login) is needed only in the states [`Status::Refused`] and [`Status::LoggedOut`].
///
/// # A machine that sleeps
/// Tokens grow older while the machine sleeps, and the monotonic clock stands still. So calls compare it with the wall clock,
/// and a token that expired during a sleep is renewed before the request is sent.
///
/// They compare once a second at most. If a call came just before the sleep, the sleep is noticed up to a second after the
/// machine wakes. It is not noticed at all if it is shorter than a second, or if the wall clock does not go on in it. A call may
/// then go with an expired token, and the rejection leads to the renewal. If somebody sets the wall clock forward, the present
/// tokens are renewed once.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

impl Session {
    /// A session without credentials. Its calls fail with [`ErrorKind::LoggedOut`](crate::ErrorKind::LoggedOut) until
    /// [`login`](Session::login).
    pub fn logged_out() -> Self {
        Self::with_settings(Settings::default())
    }

    fn with_settings(settings: Settings) -> Self {
        Self { inner: Arc::new(Inner::new(settings)) }
    }

    /// Gives the session new credentials, and forgets the old ones with all their tokens. The old tokens are not revoked: for
    /// that call [`logout`](Session::logout) first.
    ///
    /// Nothing is sent yet: the next call fetches the token. To check the credentials at once, call
    /// [`token`](Session::token). If a renewal of the old login is under way, its result is thrown away, and calls that wait
    /// for it fail with [`ErrorKind::LoggedOut`](crate::ErrorKind::LoggedOut).
    ///
    /// With a [store](SessionBuilder::store), this login takes the place of what stands there as soon as it has tokens.
    pub fn login(&self, grant: impl Grant) {
        self.head().begin(grant, true, None);
    }

    /// `fresh`: what stands in the store is not for this login.
    fn begin(&self, grant: impl Grant, fresh: bool, record: Option<&Record>) {
        // Made, and the older one dropped, without the lock: a grant is the user's code.
        let (grant, refresh_token) = grant.boxed().into_parts();
        let mut login = Login::new(grant, refresh_token, &self.inner.settings);
        let shelf = self.inner.read(|state| state.shelf().cloned());
        login.begin(shelf.as_deref(), fresh, record, Instant::now());
        // Whether there is one for a key that is looked up turns out later.
        if !shelf.is_some_and(|shelf| shelf.resumed) {
            events::logged_in(self.inner.name(), login.credential);
        }
        let now = Instant::now();
        let _older = self.inner.change(|state| {
            state.look_at_next_call();
            if login.held.is_some() {
                refresh_ahead::restart(&self.inner, &mut login, now);
            }
            state.login.replace(login)
        });
    }

    /// The status at this moment. [`Status`] says when to send the user to the login page.
    pub fn status(&self) -> Status {
        // Not what was told last: that comes a moment after the change itself, and a caller may have seen the change.
        self.inner.status()
    }

    /// The status and its changes, for a user interface.
    ///
    /// The receiver's `borrow()` is a lock on the status. Copy the value out of it before you call anything else on the
    /// session: `login` or `logout` on the same thread would wait for ever.
    pub fn subscribe(&self) -> Receiver<Status> {
        self.inner.subscribe()
    }

    /// Waits until no renewal and no revocation is under way, for `deadline` at most. Returns whether that was reached.
    ///
    /// It only waits: it does not log out, and calls still work. Use it at the end of a program, since a runtime that shuts
    /// down cuts off renewals and revocations: [*A graceful end*](crate#a-graceful-end) has an example, and advice on the
    /// deadline.
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
        let head = self.head();
        // These wait for flights of their parent's.
        for child in head.inner.children() {
            child.idle().await;
        }
        head.inner.idle().await;
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

    /// What its tokens are bound to, if they are.
    pub(crate) fn dpop(&self) -> Option<&Binding> {
        self.inner.settings.dpop.as_ref().map(|bound| &*bound.0)
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

    /// Acts while nobody else can so much as read the session.
    #[cfg(test)]
    pub(crate) fn locked<T>(&self, act: impl FnOnce() -> T) -> T {
        self.inner.change(|_| act())
    }

    /// Has these copies wiped whenever the token becomes another one.
    pub(crate) fn wipes(&self, copies: Weak<dyn Copies>) {
        self.inner.wipes(copies);
    }

    /// Forgets copies that are gone.
    pub(crate) fn forget_copies(&self) {
        self.inner.forget_copies();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.inner.id.0).field("status", &self.status()).finish_non_exhaustive()
    }
}
