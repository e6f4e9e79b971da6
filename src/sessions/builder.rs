//! How many sessions are built.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use super::{
    Sessions,
    eviction::Eviction,
    settings::{Settings, Stored, WithoutKey},
};
use crate::{
    grant::Grant,
    session::SessionBuilder,
    store::{StoreKey, TokenStore},
};

/// Builds [`Sessions`] with settings of its own.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{Sessions, WithoutKey};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct UserKey(u128);
///
/// let sessions: Sessions<UserKey> = Sessions::builder()
///     .capacity(1_000_000)
///     .idle_timeout(Duration::from_secs(15 * 60))
///     .max_lifetime(Duration::from_secs(8 * 3600))
///     .without_key(WithoutKey::Bare)
///     .on_eviction(|_key: &UserKey, cause| println!("a user has to log in again: {cause:?}"))
///     .build();
/// assert!(sessions.is_empty());
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct SessionsBuilder<K> {
    settings: Settings<K>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Sessions<K> {
    /// Sessions with limits of their own.
    pub fn builder() -> SessionsBuilder<K> {
        SessionsBuilder { settings: Settings::default() }
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> SessionsBuilder<K> {
    /// How many sessions are held. Default: 100,000; at least one. If there are more, nearly the least recently used one is evicted:
    /// of 32 that are compared, the one that was unused for the longest time. With up to 32 sessions that is exact.
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.settings.capacity = sessions.max(1);
        self
    }

    /// How long a session is held without use. Default: 30 minutes. A call and [`get`](Sessions::get) are uses.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.settings.idle = time;
        self
    }

    /// How long a session is held in all. Default: 12 hours, counted from [`insert`](Sessions::insert).
    pub fn max_lifetime(mut self, time: Duration) -> Self {
        self.settings.lifetime = time;
        self
    }

    /// What happens to a request without a key. Default: [`WithoutKey::Reject`].
    pub fn without_key(mut self, choice: WithoutKey) -> Self {
        self.settings.without_key = choice;
        self
    }

    /// Revokes the tokens of evicted sessions, in the background; with a [store](Self::store), of those that have reached their
    /// [lifetime](Self::max_lifetime), since others may be in use elsewhere. Default: they are only forgotten, and stay valid at the
    /// server until they expire. Somebody else may hold the same tokens: another device of the user, or another replica of this
    /// program.
    pub fn revoke_evicted(mut self) -> Self {
        self.settings.revoke_evicted = true;
        self
    }

    /// A function that is called for each evicted session, after it was forgotten. It runs inside the call that found the
    /// session to be over its limits, so it must be quick. It may use the sessions, but must not insert one: that may lead to
    /// the next eviction. A panic in it is caught.
    pub fn on_eviction(mut self, notice: impl Fn(&K, Eviction) + Send + Sync + 'static) -> Self {
        self.settings.notice = Some(Arc::new(notice));
        self
    }

    /// Keeps the sessions in this store as well: a key that this process does not know is looked up there, once for all who ask.
    /// So logins outlive the process, and other replicas find them. [`manual::store`](crate::manual::store) says more.
    ///
    /// - `name` names the record of a key: `|key| StoreKey::new(key.0)`.
    /// - `resume` builds the session of a key whose record was found. Without a password it is most often
    ///   `|_| Session::builder(RefreshTokenGrant::stored(endpoint.clone()))`.
    ///
    /// A session that [`insert`](Sessions::insert) or [`get_or_login`](Sessions::get_or_login) puts in place is saved; one that has
    /// a store of its own keeps that. The [idle time](Self::idle_timeout) and the [lifetime](Self::max_lifetime) are the record's,
    /// for all processes together. A session that is evicted for want of room stays in the store; one that has reached its lifetime
    /// is removed from there.
    ///
    /// ```
    /// use tower_reauth::{RefreshTokenGrant, Session, Sessions, StoreKey, TokenEndpoint, TokenStore};
    ///
    /// #[derive(Clone, PartialEq, Eq, Hash)]
    /// struct LoginKey([u8; 16]);
    ///
    /// fn sessions(store: impl TokenStore, endpoint: TokenEndpoint) -> Sessions<LoginKey> {
    ///     Sessions::builder()
    ///         .store(
    ///             store,
    ///             |key: &LoginKey| StoreKey::new(key.0),
    ///             move |_key| Session::builder(RefreshTokenGrant::stored(endpoint.clone())),
    ///         )
    ///         .build()
    /// }
    /// ```
    pub fn store<G: Grant>(
        mut self,
        store: impl TokenStore,
        name: impl Fn(&K) -> StoreKey + Send + Sync + 'static,
        resume: impl Fn(&K) -> SessionBuilder<G> + Send + Sync + 'static,
    ) -> Self {
        let resume = move |key: &K, shelf| resume(key).resume(shelf);
        self.settings.stored = Some(Stored { store: Arc::new(store), name: Box::new(name), resume: Box::new(resume) });
        self
    }

    /// The sessions: none yet.
    pub fn build(self) -> Sessions<K> {
        Sessions::with_settings(self.settings)
    }
}

impl<K> fmt::Debug for SessionsBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder").field("settings", &self.settings).finish()
    }
}
