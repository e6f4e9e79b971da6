//! Sessions that are derived from another one: access tokens of their own, for a resource or a scope, over one login.
//!
//! 1. A derived session is a session like any other: token, flight, cool-downs and damping are its own. Its grant asks the parent,
//!    which runs a flight of its own for it. So the whole family has one token request under way at most, and the refresh token
//!    stays with the parent (invariant 1).
//! 2. It has a login as long as its parent has: whatever begins or ends a login there makes it follow, before whoever did it goes
//!    on (invariant 6).
//! 3. It holds its parent, and its parent does not hold it.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use tokio::time::{Instant, sleep_until};

use super::{
    Session,
    inner::Inner,
    need::{Answer, Need},
    state::{Login, Parent, Relative, State, Status, logged_out},
};
use crate::{
    context::{GrantContext, Wish},
    endpoint::TokenEndpoint,
    error::Error,
    grant::{Grant, Revoke},
    identity::{Generation, SessionId, renewed_here},
    token::TokenSet,
};

/// The grant of a derived session's login.
struct Derived {
    // The session holds it, and not a flight that goes on when the session has gone.
    parent: Weak<Inner>,
    login: Generation,
    wish: Arc<Wish>,
    /// The parent's, where tokens are revoked.
    endpoint: Option<TokenEndpoint>,
}

impl Session {
    /// A session with access tokens of its own for this resource: one API of several that a login is good for
    /// ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)). `resource` is sent with its token requests; it is an absolute URI
    /// without a fragment, such as `https://orders.example`.
    ///
    /// It is a session like any other, for layers and for [`token`](Session::token), over the *same login*:
    ///
    /// - One refresh token serves all, and one token request of the whole family is under way at a time. If the login has none, its
    ///   grant is asked with the resource.
    /// - [`login`](Session::login), [`logout`](Session::logout), [`forget`](Session::forget), [`record`](Session::record) and
    ///   [`save`](Session::save) act on the whole login, whichever of its sessions they are called on. A logout ends all of them at
    ///   once, and revokes the tokens of all.
    /// - If the server objects to the resource (`invalid_target`), only this session fails, with
    ///   [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured). It asks again after 60 s, doubling to 15 min.
    /// - [`Status`] is its own, but follows the login into `Refused` and `LoggedOut`.
    ///
    /// The same resource gives the same session, as long as one of its clones lives. So keep it, or the layer that has it. When the
    /// last clone goes, the login keeps the token, and the cool-downs are forgotten. Both calls chain:
    /// `session.for_resource(..).for_scope(..)` asks for both, and a later call of the same name takes the place of an earlier one.
    ///
    /// The settings are those of this session. Each derived session has
    /// [`renewals_per_minute`](crate::SessionBuilder::renewals_per_minute) of its own.
    ///
    /// ```
    /// use tower_reauth::{Session, TokenSet, grant_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
    /// let session = Session::new(grant_fn(|context| async move {
    ///     TokenSet::new(match context.resource() {
    ///         Some("https://orders.example") => "token-for-orders",
    ///         _ => "token-for-nothing-in-particular",
    ///     })
    /// }));
    /// let orders = session.for_resource("https://orders.example");
    /// let token = orders.token().await?;
    /// # use secrecy::ExposeSecret;
    /// assert_eq!(token.token_set().access_token().expose_secret(), "token-for-orders");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn for_resource(&self, resource: impl Into<Box<str>>) -> Self {
        self.derive(|wish| wish.resource = Some(resource.into()))
    }

    /// As [`for_resource`](Session::for_resource), with access tokens for this scope: scopes as the token endpoint takes them, with
    /// spaces between several ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)). It takes the place of the
    /// grant's own scope. A refresh can narrow the scope that was granted at the login, and not widen it (§6).
    #[must_use]
    pub fn for_scope(&self, scope: impl Into<Box<str>>) -> Self {
        self.derive(|wish| wish.scope = Some(scope.into()))
    }

    pub(crate) fn derive(&self, change: impl FnOnce(&mut Wish)) -> Self {
        let (parent, wish) = self.inner.parent().unwrap_or_else(|| (self.inner.clone(), Arc::default()));
        let mut wish = Wish::clone(&wish);
        change(&mut wish);
        let child = Arc::new(Inner::like(&parent));
        let wish = Arc::new(wish);
        child.change(|state| {
            state.family().parent = Some(Parent { session: parent.clone(), wish: wish.clone(), login: None });
        });
        let child = parent.change(|state| state.family().take_in(wish, child));
        // Whoever comes second finds it before the first one is done.
        child.clone().follow();
        Self { inner: known(child) }
    }

    /// The session that the login belongs to: this one, or its parent.
    pub(super) fn head(&self) -> Self {
        self.inner.parent().map_or_else(|| self.clone(), |(inner, _)| Self { inner })
    }

    /// Whether this is asked by a renewal that the session, or its parent, waits for.
    pub(super) fn is_renewed_here(&self) -> bool {
        renewed_here().is_some_and(|renewed| self.waits_for(renewed))
    }

    /// Whether the token requests of the session of this number are its own: it is the same one, or its parent.
    pub(crate) fn waits_for(&self, id: SessionId) -> bool {
        self.inner.id == id || self.inner.parent().is_some_and(|(parent, _)| parent.id == id)
    }

    /// Whether nobody but derived sessions holds the login of this one.
    pub(crate) fn is_left_alone(&self) -> bool {
        let parent = self.inner.parent();
        // One of them is held here.
        parent.is_some_and(|(parent, _)| Arc::strong_count(&parent) - 1 <= parent.children().len())
    }

    pub(crate) fn is_derived(&self) -> bool {
        self.inner.read(|state| state.parent().is_some())
    }
}

impl Inner {
    /// The parent of a derived session, and what this one wants of it.
    pub(super) fn parent(&self) -> Option<(Arc<Self>, Arc<Wish>)> {
        let parent = self.read(|state| state.parent().map(|parent| (parent.session.clone(), parent.wish.clone())));
        parent.map(|(session, wish)| (known(session), wish))
    }

    pub(super) fn children(&self) -> Vec<Arc<Self>> {
        self.read(State::children).into_iter().map(known).collect()
    }
}

/// There are no other relatives.
fn known(relative: Arc<dyn Relative>) -> Arc<Inner> {
    let any: Arc<dyn Any + Send + Sync> = relative;
    any.downcast().expect("each relative is the inside of a session")
}

impl Relative for Inner {
    fn status(&self) -> Status {
        self.read(State::status)
    }

    fn follow(self: Arc<Self>) {
        let Some((parent, wish)) = self.parent() else { return };
        loop {
            let now = parent.read(State::epoch);
            if self.read(|state| state.parent().is_some_and(|parent| parent.login == now)) {
                break;
            }
            let login = parent.read(|state| {
                let login = state.login.as_ref().filter(|login| Some(login.epoch) == now)?;
                let (parent, endpoint) = (Arc::downgrade(&parent), login.grant.endpoint().cloned());
                let grant = Derived { parent, login: login.epoch, wish: wish.clone(), endpoint };
                let mut own = login.derived(grant.boxed().into_parts().0, &self.settings);
                if let Some(known) = login.known() {
                    // The parent may have no traffic of its own.
                    own.rare_mut().look_at = Some(Instant::now() + known.news_every);
                }
                Some(own)
            });
            let _dropped_without_the_lock = self.change(|state| {
                let epoch = login.as_ref().and(now);
                match state.parent_mut() {
                    Some(parent) if parent.login != epoch => parent.login = epoch,
                    // Somebody else was faster.
                    _ => return login,
                }
                state.look_at_next_call();
                std::mem::replace(&mut state.login, login)
            });
        }
        self.tell_status();
    }
}

impl Grant for Derived {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        let (by, since) = (context.session(), Instant::now());
        let need = Need::Wish { wish: &self.wish, by, challenge: context.challenge() };
        loop {
            let parent = Session { inner: self.parent.upgrade().ok_or_else(logged_out)? };
            let answer = parent.ask(need, self.login, since);
            drop(parent);
            match answer {
                Answer::Ready => {}
                Answer::Wait(flight) => match flight.await {
                    Ok(_) => {}
                    Err(error) => return Err(self.with_pause(error)),
                },
                Answer::After(flight) => {
                    let _ = flight.await;
                    continue;
                }
                Answer::At(turn) => {
                    sleep_until(turn).await;
                    continue;
                }
                Answer::Failed(error) => return Err(error),
            }
            // However short its life is: it was asked for.
            if let Some(tokens) = self.take(&context) {
                return Ok(tokens);
            }
        }
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.endpoint.as_ref()
    }

    fn revoke(&self) -> Option<Revoke> {
        let parent = self.parent.upgrade()?;
        let grant = parent.read(|state| {
            let login = state.login.as_ref().filter(|login| login.epoch == self.login)?;
            Some(login.grant.clone())
        });
        // Asked without the lock.
        grant?.revoke()
    }
}

impl Derived {
    fn take(&self, context: &GrantContext) -> Option<TokenSet> {
        self.parent.upgrade()?.change(|state| {
            let login = state.login.as_mut().filter(|login| login.epoch == self.login)?;
            login.take_for(&self.wish, context.session(), context.claims())
        })
    }

    /// Pauses as long as the parent does.
    fn with_pause(&self, error: Error) -> Error {
        let now = Instant::now();
        let pause = self.parent.upgrade().and_then(|parent| {
            parent.read(|state| state.login.as_ref().and_then(|login: &Login| login.held_back(now)?.retry_after()))
        });
        pause.into_iter().fold(error, Error::with_retry_after)
    }
}
