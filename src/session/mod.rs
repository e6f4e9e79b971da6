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
mod consequence;
mod cool_down;
mod damping;
mod doubt;
mod errand;
mod flight;
mod keeper;
mod ladder;
mod rare;
mod refusal;
mod revocation;
mod route;
mod rung;
mod runtime;
mod schedule;
mod state;
mod status;
mod sync;
mod waiters;
mod waiting;
mod watchers;

use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, PoisonError,
        atomic::{self, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

pub(crate) use self::{
    ask::{Answer, Authorization, Need},
    errand::{Errand, Errands},
    route::Route,
    waiting::Waiting,
};
use self::{
    builder::Settings,
    state::{Login, State},
    sync::{AtomicU64, RwLock},
};
pub use self::{
    builder::{RenewAhead, SessionBuilder},
    revocation::Logout,
    status::Status,
};
use crate::{
    Error, ErrorKind, Grant, TokenSet, events,
    grant::SharedGrant,
    identity::{Generation, KeyHash, SessionId, SessionName},
};

/// Beyond all generations.
const WATCHED: u64 = 1 << 63;

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

struct Inner {
    id: SessionId,
    // A hash of the key that finds this session among many; 0 where none does. Only people read it.
    key: atomic::AtomicU64,
    // Generation::NONE while there is no token, with `WATCHED` while no copy may be used unseen. Written under the lock,
    // read without it.
    generation: AtomicU64,
    state: RwLock<State>,
    settings: Arc<Settings>,
}

/// A token that a session holds, with the generation to name it by.
#[derive(Clone)]
pub struct Token {
    tokens: Arc<TokenSet>,
    generation: Generation,
}

impl Session {
    /// A session that obtains its tokens with this grant.
    pub fn new(grant: impl Grant) -> Self {
        Self::builder(grant).build()
    }

    /// A session with settings of its own.
    pub fn builder<G: Grant>(grant: G) -> SessionBuilder<G> {
        SessionBuilder::new(grant)
    }

    /// A session without credentials: its calls fail with [`ErrorKind::LoggedOut`] until [`login`](Session::login).
    pub fn logged_out() -> Self {
        Self::with_settings(Settings::default())
    }

    fn with_settings(settings: Settings) -> Self {
        let inner = Inner {
            id: SessionId::next(),
            key: atomic::AtomicU64::new(0),
            generation: AtomicU64::new(Generation::NONE.number()),
            state: RwLock::default(),
            settings: settings.shared(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Gives the session new credentials, and forgets the older ones with everything that was obtained by them.
    ///
    /// Nothing is sent: the next call fetches the token. To know at once whether the credentials are good, follow with
    /// [`token`](Session::token). A renewal that is under way for the older login is thrown away when it ends, and calls
    /// that wait for it fail with [`ErrorKind::LoggedOut`].
    pub fn login(&self, grant: impl Grant) {
        // Made, and the older one dropped, without the lock: a grant is the user's code.
        let (grant, refresh_token) = SharedGrant::new(grant);
        let login = Login::new(grant, refresh_token, &self.inner.settings);
        events::logged_in(self.inner.name(), login.credential);
        let _older = self.inner.change(|state| state.login.replace(login));
    }

    /// Forgets everything at once, then revokes the refresh token and the access token at the server
    /// ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)), where the grant's endpoint has an address for that.
    ///
    /// When this function has returned, before the future is first polled, no new call carries a token of this login,
    /// no replay does, and a token that a renewal still brings in will be thrown away and revoked, even if the session is
    /// dropped meanwhile. The future does not wait for that one: [`shutdown`](Session::shutdown) does.
    ///
    /// # Errors
    /// [`ErrorKind::NotRevoked`] when the server did not confirm, [`ErrorKind::NoRuntime`] when there was no runtime to
    /// ask it from; the session is logged out all the same.
    ///
    /// # Cancel safety
    /// The revocation runs on a task of its own. Dropping the future changes nothing but that nobody learns its result.
    pub fn logout(&self) -> Logout {
        self.start_logout(None)
    }

    /// Forgets everything, and tells nobody: for a token that others share.
    pub fn forget(&self) {
        self.forget_with(None);
    }

    /// The current token; fetched first if there is none, or if it is about to expire.
    ///
    /// # Errors
    /// What kept the session from a token: see [`ErrorKind`].
    ///
    /// # Cancel safety
    /// Safe. A token request that is under way goes on, and its answer is kept.
    pub async fn token(&self) -> Result<Token, Error> {
        let now = Instant::now();
        if self.authorization(now)?.is_none() {
            let epoch = self.epoch()?;
            if let Err(error) = self.obtain(Need::Token).await
                && self.last_resort(epoch).is_none()
            {
                return Err(error);
            }
        }
        self.current()
    }

    /// Renews the token because this generation was rejected; joins the renewal that is under way, and does nothing when a
    /// newer token is there already.
    ///
    /// # Errors
    /// [`ErrorKind::SameToken`] when the server gave out the rejected token again; else as [`token`](Session::token).
    ///
    /// # Cancel safety
    /// Safe. A renewal that is under way goes on, and its answer is kept.
    pub async fn renew(&self, rejected: Generation) -> Result<Token, Error> {
        self.obtain(Need::Rejected { generation: rejected, from: None, claims: None }).await?;
        let token = self.current()?;
        if token.generation == rejected {
            return Err(Error::new(ErrorKind::SameToken, "the server gave out the same token again"));
        }
        Ok(token)
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
    pub fn subscribe(&self) -> watch::Receiver<Status> {
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

    async fn obtain(&self, need: Need<'_>) -> Result<(), Error> {
        let epoch = self.epoch()?;
        let since = Instant::now();
        loop {
            match self.ask(need, epoch, since) {
                Answer::Ready => return Ok(()),
                Answer::Wait(flight) => match flight.await {
                    Err(_) if self.is_patient(need, since) => {}
                    landing => return landing.map(|_| ()),
                },
                Answer::After(flight) => drop(flight.await),
                Answer::At(turn) => self.inner.timed(|| tokio::time::sleep_until(turn)).await,
                Answer::Failed(error) => return Err(error),
            }
        }
    }

    fn current(&self) -> Result<Token, Error> {
        self.inner.read(|state| {
            let tokens = state.login.as_ref().and_then(Login::token_set).ok_or_else(logged_out)?;
            Ok(Token { tokens: Arc::new(tokens), generation: state.generation() })
        })
    }

    pub(crate) fn id(&self) -> SessionId {
        self.inner.id
    }

    pub(crate) fn name(&self) -> SessionName {
        self.inner.name()
    }

    /// Notes the hash of the key that finds this session from now on.
    pub(crate) fn found_by(&self, key: u64) {
        self.inner.key.store(key, Ordering::Relaxed);
    }

    /// The generation of the current token, without the lock.
    pub(crate) fn generation(&self) -> Generation {
        // Acquire: whoever sees a logout's or a renewal's number also sees what was done before it.
        Generation::from_number(self.inner.generation.load(Ordering::Acquire) & !WATCHED)
    }

    /// Whether a copy of the token of this generation may be used without asking.
    #[inline]
    pub(crate) fn allows_copy_of(&self, generation: Generation) -> bool {
        self.inner.generation.load(Ordering::Acquire) == generation.number()
    }
}

impl Token {
    /// The token set.
    pub fn token_set(&self) -> &TokenSet {
        &self.tokens
    }

    /// The number to name this token by when it is rejected: see [`Session::renew`].
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

impl Inner {
    fn name(&self) -> SessionName {
        SessionName { id: self.id, key: NonZeroU64::new(self.key.load(Ordering::Relaxed)).map(KeyHash) }
    }

    // Nothing that runs under the lock leaves the state half changed when it panics: poison means nothing here.
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state; the generation is told before the lock is released, so that it can't be overtaken.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.status();
        let result = act(&mut state);
        let watched = if state.login.as_ref().is_some_and(Login::is_watched) { WATCHED } else { 0 };
        self.generation.store(state.generation().number() | watched, Ordering::Release);
        let changed = state.status() != before;
        drop(state);
        if changed {
            self.tell_status();
        }
        result
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.inner.id.0).field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("tokens", &self.tokens).field("generation", &self.generation).finish()
    }
}

fn logged_out() -> Error {
    Error::new(ErrorKind::LoggedOut, "the session is logged out")
}
