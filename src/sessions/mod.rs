//! Many owners of credentials behind one layer: the sessions of a backend-for-frontend.
//!
//! 1. Which session a request gets is decided by its key alone. What a call carries afterwards, it carries by the session
//!    that was found, so that no look-up in the middle of a call can end at another user's (invariants 2 and 6).
//! 2. Whatever puts a session in place or takes it away on purpose does so under the lock of the logins that are under
//!    way, so that a login which was overtaken by a logout never puts its session in place.
//! 3. Eviction is not logout: it is this process that lets go.

mod builder;
mod eviction;
mod login;
mod logins;
mod logout;
mod settings;
mod shards;
mod shared;
mod source;
mod sweep;
mod sweeper;

use std::{any::type_name, fmt, future::Future, hash::Hash, sync::Arc, time::Duration};

use http::Extensions;

pub(crate) use self::source::Choice;
pub use self::{
    builder::SessionsBuilder, eviction::Eviction, logout::LogoutAll, settings::WithoutKey, source::SessionSource,
};
use self::{settings::Settings, shared::Shared, source::Choose};
use crate::{
    error::{Error, ErrorKind},
    session::{Logout, Session, Status},
};

/// The sessions of many users, found by a key in the extensions of each request.
///
/// `K` is a type of your own, since extensions are found by type: a newtype around the key of a user's login. Its `Hash`,
/// `Eq`, `Clone` and `Drop` run under locks, and must not use the sessions. All clones share one set of sessions.
/// A request without a key fails with [`ErrorKind::NoKey`], and one whose key has no session with
/// [`ErrorKind::LoggedOut`]: never does a request go out bare by accident. One to an origin that is not the layer's, or with
/// [`WithoutAuth`](crate::WithoutAuth), goes bare whatever its key, and is no use of a session.
///
/// **The key decides whose token a request carries, and nothing checks it again.** Whoever puts the key of one user into
/// the request of another sends that user's data to the wrong person, and nobody will notice. So take the key from what the
/// server itself remembers of the login, never from anything that the browser sends as such: not a user name, not an id in a
/// path, and not the cookie's value either. Let it be random, 16 bytes of the operating system's, made anew at each login, and
/// put it into the request in one place.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_reauth::{Origins, ReauthLayer, Session, Sessions, TokenSet, grant_fn};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct LoginKey([u8; 16]);
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = service_fn(|request: Request<Full<Bytes>>| async move {
///     assert_eq!(request.headers()["authorization"], "Bearer token-of-alice");
///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
/// });
/// let sessions = Sessions::new();
/// let api = ServiceBuilder::new()
///     .layer(ReauthLayer::new(sessions.clone(), Origins::only("https://gw.example")?))
///     .service(client);
///
/// // At login:
/// let mut random = [0; 16];
/// getrandom::fill(&mut random)?;
/// let key = LoginKey(random);
/// sessions.insert(key.clone(), Session::new(grant_fn(|_context| async { TokenSet::new("token-of-alice") })));
/// // In each handler:
/// let request = Request::get("https://gw.example/orders").extension(key.clone()).body(Full::default());
/// let response = api.clone().oneshot(request.expect("a valid request")).await?;
/// # assert!(response.status().is_success());
/// // At the end:
/// sessions.logout(&key).await?;
/// # Ok(()) }
/// ```
///
/// # Limits
/// 100,000 sessions, of which the least recently used goes first; 30 minutes without use; 12 hours in all: see
/// [`SessionsBuilder`]. Whoever is evicted is forgotten at once, as by [`Session::forget`], whoever else holds that session;
/// the tokens are not revoked, unless [`revoke_evicted`](SessionsBuilder::revoke_evicted) says so. One timer for all sweeps
/// out what has ended within a minute; nobody is served from it meanwhile. An idle session has no task, no timer and no
/// connection.
///
/// # Load on the token endpoint
/// The sessions of different users renew independently of each other, and side by side:
/// [`TokenEndpoint::concurrency`](crate::TokenEndpoint::concurrency) bounds how many at a time, and its pause after a 429 or
/// a 503 holds for all of them.
pub struct Sessions<K> {
    shared: Arc<Shared<K>>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Sessions<K> {
    /// No sessions yet, with the default limits.
    pub fn new() -> Self {
        Self::builder().build()
    }

    fn with_settings(settings: Settings<K>) -> Self {
        Self { shared: Arc::new(Shared::new(settings)) }
    }

    /// Puts a session in the place of a key, and gives back the one that was there: that one goes on as it is, and ends
    /// when its last clone is dropped. A login of [`get_or_login`](Sessions::get_or_login) that is under way for the key is
    /// overtaken.
    pub fn insert(&self, key: K, session: Session) -> Option<Session> {
        let older = self.shared.logins.overtake(&key, || self.shared.shards.insert(key.clone(), session));
        self.shared.inserted(&key);
        older
    }

    /// The session of a key, which counts as a use of it.
    pub fn get(&self, key: &K) -> Option<Session> {
        self.shared.find(key)
    }

    /// The session of a key; where there is none, `login` makes one. However many ask for a key at a time, one login is
    /// made, and they all get its result.
    ///
    /// `login` runs on a task of its own and is carried through, even if everybody who waits for it leaves: a password or an
    /// authorization code may be on the wire already. Whoever waits does so for 30 s at most; the login itself ends after
    /// 120 s, as a renewal does.
    ///
    /// # Errors
    /// What `login` failed with; the next caller tries again. [`ErrorKind::LoggedOut`] when a [`logout`](Sessions::logout)
    /// overtook the login, whose tokens are revoked then. [`ErrorKind::WaitedTooLong`] after 30 s, while the login goes on, and
    /// [`ErrorKind::TimedOut`] when it did not end within its limit. [`ErrorKind::RenewalLost`] when `login` panicked or its
    /// runtime went away, [`ErrorKind::NoRuntime`] where there is none, or one without timers.
    ///
    /// [`ErrorKind::SelfLogin`] when `login` asks for its own key, in a login that it asks for, too. This is seen on the
    /// login's own task alone: where it asks through a task that it spawned, or through a
    /// [`Buffer`](https://docs.rs/tower/latest/tower/buffer/index.html), it waits for itself until the 30 s are over.
    ///
    /// # Cancel safety
    /// Safe: the login goes on, and its session is kept.
    pub async fn get_or_login<F>(&self, key: K, login: impl FnOnce() -> F) -> Result<Session, Error>
    where
        F: Future<Output = Result<Session, Error>> + Send + 'static,
    {
        match self.shared.find(&key) {
            Some(session) => Ok(session),
            None => self.log_in(key, login).await,
        }
    }

    /// Ends the session of a key: see [`Session::logout`]. A key without one is logged out already.
    ///
    /// # Errors
    /// As [`Session::logout`].
    ///
    /// # Cancel safety
    /// As [`Session::logout`]: all is done before the future is first polled, but for the revocation, which runs on a task
    /// of its own.
    pub fn logout(&self, key: &K) -> Logout {
        let errand = self.shared.shards.errands().begin();
        let session = self.shared.logins.overtake(key, || self.shared.shards.remove(key));
        session.map_or_else(|| Logout::done(Ok(())), |session| session.start_logout(Some(errand)))
    }

    /// Ends all sessions: when this function has returned, none of them has a token. The tokens are then revoked, 16
    /// sessions at a time.
    ///
    /// # Errors
    /// The first failure, when all have been attempted: [`ErrorKind::NotRevoked`], or [`ErrorKind::NoRuntime`] where there is
    /// no runtime to ask the server from.
    ///
    /// # Cancel safety
    /// The revocations run on a task of their own.
    pub fn logout_all(&self) -> LogoutAll {
        let errand = self.shared.shards.errands().begin();
        LogoutAll::start(self.shared.logins.overtake_all(|| self.shared.shards.drain()), errand)
    }

    /// Waits until no login, no renewal and no revocation is under way, no longer than `deadline`; says whether that was reached.
    /// For the end of a program, after [`logout_all`](Sessions::logout_all) where nobody is to stay logged in.
    ///
    /// Sessions that have left count as well: a token that a renewal brings in after the logout is revoked yet. Those that
    /// [`insert`](Sessions::insert) gave back do not, since they are the caller's.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn end(sessions: tower_reauth::Sessions<u128>) {
    /// drop(sessions.logout_all());
    /// if !sessions.shutdown(Duration::from_secs(10)).await {
    ///     eprintln!("a renewal or a revocation was cut off");
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime, or on one without timers.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        tokio::time::timeout(deadline, self.shared.idle()).await.is_ok()
    }

    /// All keys, with what can be said of their sessions at the moment; nobody is used by that. Sessions that come or go
    /// meanwhile may be in it or not.
    pub fn statuses(&self) -> impl Iterator<Item = (K, Status)> {
        self.shared.shards.iter().map(|(key, session)| (key, session.status()))
    }

    /// How many sessions are held; those that have ended count until they are swept out.
    pub fn len(&self) -> usize {
        self.shared.shards.count()
    }

    /// Whether no session is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Choose for Sessions<K> {
    fn choose(&self, extensions: &Extensions) -> Result<Choice, Error> {
        let Some(key) = extensions.get::<K>() else {
            return match self.shared.settings.without_key {
                WithoutKey::Bare => Ok(Choice::Nobody),
                WithoutKey::Reject => Err(Error::new(
                    ErrorKind::NoKey,
                    format!("the request's extensions hold no `{}` that says whose it is", type_name::<K>()),
                )),
            };
        };
        let session = self.shared.find(key);
        session.map(Choice::Among).ok_or_else(|| Error::new(ErrorKind::LoggedOut, "there is no session for this key"))
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> From<&Sessions<K>> for SessionSource {
    fn from(sessions: &Sessions<K>) -> Self {
        sessions.clone().into()
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> From<Sessions<K>> for SessionSource {
    fn from(sessions: Sessions<K>) -> Self {
        Self::many(sessions)
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Default for Sessions<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Clone for Sessions<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

// No keys: they are as good as passwords in some programs.
impl<K> fmt::Debug for Sessions<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
