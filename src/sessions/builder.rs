//! How many sessions are built.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use super::{
    Sessions,
    eviction::Eviction,
    settings::{Settings, WithoutKey},
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
    /// How many sessions are held. Default: 100,000; at least one. If there are more, the least recently used one is evicted.
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

    /// Revokes the tokens of evicted sessions, in the background. Default: they are only forgotten, and stay valid at the
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
