//! Many owners of credentials behind one layer: the sessions of a backend-for-frontend.
//!
//! 1. Which session a request gets is decided by its key alone. What a call carries afterwards, it carries by the session
//!    that was found, so that no look-up in the middle of a call can end at another user's (invariants 2 and 6).
//! 2. Whatever puts a session in place or takes it away on purpose does so under the lock of the logins that are under
//!    way, so that a login which was overtaken by a logout never puts its session in place.
//! 3. Eviction is not logout: it is this process that lets go.

mod builder;
mod choose;
mod derived;
mod eviction;
mod life;
mod login;
mod logins;
mod logout;
mod lookup;
mod lookups;
mod settings;
mod shards;
mod shared;
mod source;
mod sweep;
mod sweeper;
mod table;

use std::{any::type_name, fmt, future::Future, hash::Hash, sync::Arc, time::Duration};

use http::Extensions;

pub(crate) use self::choose::Choice;
pub use self::{
    builder::SessionsBuilder, eviction::Eviction, logout::LogoutAll, settings::WithoutKey, source::SessionSource,
};
use self::{choose::Choose, settings::Settings, shared::Shared};
use crate::{
    error::{Error, ErrorKind},
    session::{Logout, Session, Status},
};

/// The sessions of many users, found by a key in the extensions of each request.
///
/// `K` is a newtype of your own around the key of a user's login, because extensions are found by type. Its `Hash`, `Eq`,
/// `Clone` and `Drop` run under locks and must not use the sessions. All clones share one set of sessions.
///
/// A request without a key fails with [`ErrorKind::NoKey`]. A request whose key has no session fails with
/// [`ErrorKind::LoggedOut`]: the user has logged out, or the session was evicted. No request is sent bare by accident. A
/// request to an origin that the layer does not list, or with [`WithoutAuth`](crate::WithoutAuth), is sent bare whatever its
/// key, and does not count as a use of the session.
///
/// **The key decides whose token a request carries, and nothing checks it again.** If you put one user's key into another
/// user's request, that user's data goes to the wrong person, and nobody notices. So take the key from the server's own
/// record of the login. Never take it from the browser directly: not a user name, not an id in a path, not the cookie's
/// value. Make it 16 random bytes of the operating system, new at each login, and put it into the request in one place.
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
///     .layer(ReauthLayer::new(&sessions, Origins::only("https://gw.example")?))
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
/// By default 100,000 sessions, 30 minutes without use, and 12 hours in all; [`SessionsBuilder`] sets them. If there are too
/// many sessions, nearly the [least recently used](SessionsBuilder::capacity) one is evicted.
///
/// An evicted session is forgotten at once, as by [`Session::forget`], even if somebody else holds a clone. The user's next
/// request fails with [`ErrorKind::LoggedOut`]. A request that is under way goes on; if it is rejected, it is not sent again. The
/// tokens are not revoked, unless
/// [`revoke_evicted`](SessionsBuilder::revoke_evicted) is set. A session that is over its time is never used; one timer for
/// all removes it within a minute. An idle session has no task, no timer and no connection.
///
/// # Sessions that outlive the process
/// With a [store](SessionsBuilder::store), a request whose key this process does not know is looked up there. To ask without a
/// request, use [`look_up`](Sessions::look_up): [`get`](Sessions::get) knows this process alone.
///
/// # Load on the token endpoint
/// Sessions of different users renew independently and concurrently.
/// [`TokenEndpoint::concurrency`](crate::TokenEndpoint::concurrency) limits how many at a time. The endpoint's pause after a
/// 429 or a 503 holds for all of them.
///
/// # At the end of a program
/// To log everybody out, call [`logout_all`](Sessions::logout_all), then [`shutdown`](Sessions::shutdown). To let users stay
/// logged in at the server, call [`shutdown`](Sessions::shutdown) alone. [*A graceful end*](crate#a-graceful-end) has an example
/// for a server, and advice on the deadline.
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

    /// Sets the session of a key, and returns the one that was there. That one goes on as it is, and ends when its last
    /// clone is dropped. If a login of [`get_or_login`](Sessions::get_or_login) is under way for the key, its session is not
    /// used.
    pub fn insert(&self, key: K, session: Session) -> Option<Session> {
        let kept = self.shared.keep(&key, &session).then(|| session.clone());
        let looked_up = || self.shared.lookups.take(&key);
        let (older, _looked_up) =
            self.shared.logins.overtake(&key, || (self.shared.shards.insert(key.clone(), session), looked_up()));
        self.shared.inserted(&key);
        if let Some((session, runtime)) = kept.and_then(|session| Some((session.clone(), session.runtime().ok()?))) {
            let errand = self.shared.shards.errands().begin();
            runtime.spawn(async move {
                let _errand = errand;
                session.save_or_later().await;
            });
        }
        older
    }

    /// The session of a key, if this process knows it: [`look_up`](Sessions::look_up) asks the store as well. This counts as a use of
    /// the session.
    pub fn get(&self, key: &K) -> Option<Session> {
        self.shared.find(key)
    }

    /// The sessions for the layer of one API, where a login is good for several: a request gets its user's session as it does here,
    /// with that user's token for this resource. [`SessionSource::for_scope`] adds a scope.
    ///
    /// ```
    /// use tower_reauth::{Origins, ReauthLayer, Sessions};
    ///
    /// # fn main() -> Result<(), tower_reauth::Error> {
    /// # type LoginKey = u128;
    /// let sessions = Sessions::<LoginKey>::new();
    /// let api = |address: &str| Ok::<_, tower_reauth::Error>(ReauthLayer::new(sessions.for_resource(address), Origins::only(address)?));
    /// let (orders, bills) = (api("https://orders.example")?, api("https://bills.example")?);
    /// # Ok(()) }
    /// ```
    pub fn for_resource(&self, resource: impl Into<Box<str>>) -> SessionSource {
        SessionSource::from(self).for_resource(resource)
    }

    /// As [`for_resource`](Sessions::for_resource), for a scope.
    pub fn for_scope(&self, scope: impl Into<Box<str>>) -> SessionSource {
        SessionSource::from(self).for_scope(scope)
    }

    /// The session of a key. If there is none, in the [store](SessionsBuilder::store) neither, `login` makes one. Concurrent callers for one key share one login and its
    /// result.
    ///
    /// `login` runs on a task of its own to its end, even if all callers leave: a password or an authorization code may be on
    /// the wire already. A caller waits for 30 s at most. The login itself may take 120 s.
    ///
    /// # Errors
    /// The error of `login`; the next caller tries again. Also:
    ///
    /// - [`ErrorKind::LoggedOut`] if a [`logout`](Sessions::logout) came first. The tokens of the login are then revoked.
    /// - [`ErrorKind::WaitedTooLong`] after 30 s. The login goes on.
    /// - [`ErrorKind::TimedOut`] if the login took longer than 120 s.
    /// - [`ErrorKind::RenewalLost`] if `login` panicked, or its runtime went away.
    /// - [`ErrorKind::NoRuntime`] if there is no tokio runtime, or it has no timers.
    /// - [`ErrorKind::SelfLogin`] if `login` asks for its own key, directly or through another login. This is noticed only on
    ///   the login's own task. Through a task that it spawned, or a
    ///   [`Buffer`](https://docs.rs/tower/latest/tower/buffer/index.html), it waits for itself until the 30 s are over.
    ///
    /// # Cancel safety
    /// Safe: the login goes on, and its session is kept.
    pub async fn get_or_login<F>(&self, key: K, login: impl FnOnce() -> F) -> Result<Session, Error>
    where
        F: Future<Output = Result<Session, Error>> + Send + 'static,
    {
        match self.look_up(&key).await {
            Ok(Some(session)) => Ok(session),
            // A store that fails keeps nobody from logging in.
            Ok(None) | Err(_) => self.log_in(key, login).await,
        }
    }

    /// Ends the session of a key, see [`Session::logout`]. If the key has no session, in the store neither, there is nothing to do.
    ///
    /// # Errors
    /// As [`Session::logout`].
    ///
    /// # Cancel safety
    /// As [`Session::logout`]: the session has ended when this function returns. The revocation runs on a task of its own.
    pub fn logout(&self, key: &K) -> Logout {
        let errand = self.shared.leaving(vec![key.clone()], self.shared.shards.errands().begin());
        let session = self.shared.logins.overtake(key, || {
            let looked_up = self.shared.lookups.take(key);
            self.shared.shards.remove(key).or(looked_up)
        });
        // One that only the store knows is ended there.
        let stored = || self.shared.place(key).map(|(stored, shelf)| (stored.resume)(key, shelf));
        match session.or_else(stored) {
            Some(session) => session.start_logout(Some(errand)),
            None => Logout::done(Ok(())),
        }
    }

    /// Ends all sessions of this process; those that only a store knows stay there. When this function returns, before the future is polled, none of them has a token. The tokens are
    /// then revoked, 16 sessions at a time.
    ///
    /// # Errors
    /// The first failure, after all have been attempted: [`ErrorKind::NotRevoked`], [`ErrorKind::Store`], or [`ErrorKind::NoRuntime`] if there is
    /// no runtime to ask the server from.
    ///
    /// # Cancel safety
    /// The revocations run on a task of their own.
    pub fn logout_all(&self) -> LogoutAll {
        let errand = self.shared.shards.errands().begin();
        let (sessions, errand) = self.shared.logins.overtake_all(|| {
            let mut ended = self.shared.lookups.drain();
            ended.extend(self.shared.shards.drain());
            let (keys, sessions): (Vec<_>, _) = ended.into_iter().unzip();
            // Before anybody can look one of them up again.
            (sessions, self.shared.leaving(keys, errand))
        });
        LogoutAll::start(sessions, errand)
    }

    /// Waits until no login, no renewal and no revocation is under way, for `deadline` at most. Returns whether that was
    /// reached. It only waits: it ends no session, and calls still work.
    ///
    /// Call it at the end of a program. To log everybody out, call [`logout_all`](Sessions::logout_all) first.
    ///
    /// Sessions that were logged out or evicted count as well: a renewal may still bring a token that must be revoked.
    /// Only sessions that [`insert`](Sessions::insert) replaced and returned do not count: end those yourself.
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

    /// All keys with the status of their sessions. This does not count as a use. Sessions that come or go meanwhile may be
    /// missing.
    pub fn statuses(&self) -> impl Iterator<Item = (K, Status)> {
        self.shared.shards.iter().map(|(key, session)| (key, session.status()))
    }

    /// How many sessions are held. One that is over its time counts until it is removed.
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
                    format!("the request's extensions hold no `{}` that says whose request it is", type_name::<K>()),
                )),
            };
        };
        let session = match self.shared.find(key) {
            Some(session) => Some(session),
            None => self.shared.look_up(key)?,
        };
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
