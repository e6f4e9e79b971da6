//! How a session is built.

use std::{fmt, sync::Arc, time::Duration};

use tokio::runtime::Handle;

#[cfg(feature = "dpop")]
use super::state::Bound;
use super::{
    Session,
    state::{OwnRuntime, RenewAhead, Settings, Shelf, foreign, other_key},
};
#[cfg(feature = "dpop")]
use crate::dpop::{Binding, DpopKey};
use crate::{
    clock,
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    grant::Grant,
    store::{OwnerFacts, Record, SharedStore, StoreKey, TokenStore},
};

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
    store: Option<Place>,
    owner: Option<Box<str>>,
    record: Option<Record>,
    #[cfg(feature = "dpop")]
    dpop: Option<DpopKey>,
    #[cfg(feature = "dpop")]
    allow_bearer: bool,
}

struct Place {
    store: SharedStore,
    key: StoreKey,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenStore")
    }
}

impl Session {
    /// A session that gets its tokens with this grant. Nothing is sent until the first call needs a token.
    pub fn new(grant: impl Grant) -> Self {
        Self::builder(grant).build()
    }

    /// A session with settings of its own.
    pub fn builder<G: Grant>(grant: G) -> SessionBuilder<G> {
        SessionBuilder {
            grant,
            settings: Settings::default(),
            store: None,
            owner: None,
            record: None,
            #[cfg(feature = "dpop")]
            dpop: None,
            #[cfg(feature = "dpop")]
            allow_bearer: false,
        }
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
    /// With a [store](Self::store) the limit counts from when this process may send: it may wait as long for another one before.
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
    /// [`Never`](RenewAhead::Never) for [`PasswordGrant`](crate::PasswordGrant), and for a token that never changes and is exchanged
    /// for others. Some servers revoke the old token when a new one is fetched; there an early renewal would end another device's
    /// token without need. A subject token may be over long before the token that it was exchanged for.
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

    /// Tells the server with every token request, refreshes included, what this client can do. `cp1` means: it obeys claims
    /// challenges. Entra ID then issues long-lived tokens, and revokes them by a challenge (continuous access evaluation). The
    /// layer does what such a challenge asks for. Default: nothing is sent.
    ///
    /// It is sent in the parameter `claims`, as `{"access_token":{"xms_cc":{"values":["cp1"]}}}`, together with what a challenge
    /// asks for. Grants of your own find it in [`GrantContext::claims`](crate::GrantContext::claims).
    ///
    /// ```
    /// use tower_reauth::{ClientCredentialsGrant, Session, TokenEndpoint};
    ///
    /// # fn with(endpoint: TokenEndpoint) {
    /// let session = Session::builder(ClientCredentialsGrant::new(endpoint)).client_capabilities(["cp1"]).build();
    /// # }
    /// ```
    pub fn client_capabilities(mut self, capabilities: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.settings.capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// Binds the session's tokens to this key ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): whoever copies a token can do
    /// nothing with it. Each token request and each request to an API carries a proof, signed anew for that one attempt. Default:
    /// none, and tokens are bearer tokens.
    ///
    /// The key stays the session's own from login to login, and sessions [derived](Session::for_resource) from it use the same one.
    /// Take a key of its own for each session: of [many users](crate::Sessions) where each one's session is made, and with a store in
    /// [`resume`](crate::SessionsBuilder::store), by the user's key. Call it before [`record`](Self::record).
    ///
    /// The refresh token of a client without a secret is bound to the key as well. So with a [store](Self::store), keep the key: it
    /// is never saved, only its [thumbprint](DpopKey::thumbprint). A record of another key is refused with
    /// [`ErrorKind::Store`](crate::ErrorKind::Store), and nothing is written over it.
    ///
    /// A server that answers with a bearer token is refused with [`ErrorKind::Dpop`](crate::ErrorKind::Dpop), unless
    /// [`allow_bearer`](Self::allow_bearer) says otherwise.
    ///
    /// ```
    /// use tower_reauth::{ClientCredentialsGrant, DpopKey, Session, TokenEndpoint};
    ///
    /// # fn with(endpoint: TokenEndpoint) -> Result<(), tower_reauth::Error> {
    /// let session = Session::builder(ClientCredentialsGrant::new(endpoint)).dpop(DpopKey::generate()?).build();
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "dpop")]
    pub fn dpop(mut self, key: DpopKey) -> Self {
        self.dpop = Some(key);
        self
    }

    /// Takes bearer tokens, too, where the server answers a token request of a session with a [DPoP key](Self::dpop) with one. They
    /// are sent as bearer tokens, without a proof: whoever copies one can use it. Default: such an answer is an error. Without a key
    /// this does nothing.
    #[cfg(feature = "dpop")]
    pub fn allow_bearer(mut self) -> Self {
        self.allow_bearer = true;
        self
    }

    /// Goes on from what this store keeps under this key, and saves each new token set there before it is used: the login
    /// outlives the process, and several processes may share it. [`manual::store`](crate::manual::store) says how. The password is
    /// never saved, nor any other secret that the grant was made with.
    ///
    /// The first call looks into the store. If an access token that is still good stands there, nothing is asked of the token
    /// endpoint. What stands there goes before a refresh token of the grant's. A login that is to *begin*, since the user has just
    /// logged in, begins with [`Session::login`], or with a new [`record`](Self::record).
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use tower_reauth::{Record, RefreshTokenGrant, Session, StoreKey, TokenEndpoint, store_fn};
    ///
    /// # fn with(endpoint: TokenEndpoint) {
    /// let kept: Arc<Mutex<Option<Record>>> = Arc::default();
    /// let (from, to) = (kept.clone(), kept);
    /// let store = store_fn(
    ///     move |_key: StoreKey| futures::future::ready(Ok(from.lock().unwrap().clone())),
    ///     move |_key, record| {
    ///         *to.lock().unwrap() = Some(record);
    ///         futures::future::ready(Ok(()))
    ///     },
    /// );
    /// let session = Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, "alice").build();
    /// # }
    /// ```
    pub fn store(mut self, store: impl TokenStore, key: impl Into<StoreKey>) -> Self {
        self.store = Some(Place { store: Arc::new(store), key: key.into() });
        self
    }

    /// What your application calls the owner of this login, such as a user's id. A stored record of another owner is refused.
    ///
    /// Without a name, a later login under the same [key](Self::store) ends this session, whoever logged in. With one, a later
    /// login *of the same owner* in another process is taken over, and the session goes on with it.
    ///
    /// The store keeps a salted hash of the name. Call it before [`record`](Self::record).
    pub fn owner(mut self, name: impl Into<Box<str>>) -> Self {
        self.owner = Some(name.into());
        self
    }

    /// Goes on from this record: the access token is used to its end, the refresh token is redeemed after that. A record that is
    /// new, made by [`Record::new`], is a login that begins here; with a [store](Self::store), call [`Session::save`] to have it
    /// saved at once.
    ///
    /// # Errors
    /// [`ErrorKind::Store`] if the record is of another owner, or bound to another DPoP key, [`ErrorKind::LoggedOut`] if it only says that its login has ended,
    /// [`ErrorKind::InvalidAccessToken`].
    pub fn record(mut self, record: impl Into<Record>) -> Result<Self, Error> {
        let record = record.into();
        if record.is_logged_out() {
            return Err(Error::new(ErrorKind::LoggedOut, "the login of this record was ended"));
        }
        record.token_set(clock::date())?;
        let client = self.grant.endpoint();
        let facts = OwnerFacts {
            issuer: client.map(|endpoint| endpoint.server().into()),
            client: client.and_then(TokenEndpoint::client_id).map(Into::into),
            credential: Some(self.grant.credential()),
            user: self.grant.user().map(Into::into),
            name: self.owner.clone(),
            dpop: self.settings().thumbprint(),
        };
        if !record.is_for_key(facts.dpop.as_deref()) {
            return Err(other_key());
        }
        if record.owner.as_ref().is_some_and(|owner| !owner.is(&facts)) {
            return Err(foreign());
        }
        self.record = Some(record);
        Ok(self)
    }

    /// The session.
    pub fn build(self) -> Session {
        let settings = self.settings();
        let Self { grant, store, owner, record, .. } = self;
        let thumbprint = settings.thumbprint();
        let session = Session::with_settings(settings);
        match store {
            Some(Place { store, key }) => {
                session.inner.change(|state| {
                    state.aside().shelf = Some(Arc::new(Shelf::new(store, key, owner).bound_to(thumbprint)))
                });
            }
            None if owner.is_some() => session.inner.change(|state| state.aside().owner = owner),
            None => {}
        }
        session.begin(grant, false, record.as_ref());
        session
    }

    #[cfg(feature = "dpop")]
    fn settings(&self) -> Settings {
        let bound = self.dpop.clone().map(|key| Bound(Arc::new(Binding::new(key, self.allow_bearer))));
        Settings { dpop: bound, ..self.settings.clone() }
    }

    #[cfg(not(feature = "dpop"))]
    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The session of a key that is looked up.
    pub(crate) fn resume(self, shelf: Shelf) -> Session {
        let session = Session::with_settings(self.settings());
        let shelf = shelf.resumed_for(self.owner).bound_to(session.inner.settings.thumbprint());
        session.inner.change(|state| state.aside().shelf = Some(Arc::new(shelf)));
        session.begin(self.grant, false, None);
        session
    }
}
