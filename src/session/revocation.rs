//! Logging out: forget at once, then revoke (RFC 7009), whatever becomes of the caller (invariant 6).

use std::{
    future::Future,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
};

use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;

use super::{
    Session,
    inner::Inner,
    removal::Removal,
    state::{Errand, Login, Parting},
    waiting::Waiting,
    watch::Task,
};
use crate::{
    context::GrantContext,
    endpoint::{TokenEndpoint, TokenKind},
    error::{Error, ErrorKind, TokenVerdict},
    events,
    identity::SessionName,
    token::TokenSet,
};

/// The future of [`Session::logout`]. The session has ended before this future is first polled, and the revocation runs on a
/// task of its own. Dropping the future changes nothing.
#[derive(Debug)]
#[must_use = "the session is logged out already, but only this future tells whether the tokens were revoked"]
pub struct Logout {
    state: Revoking,
}

#[derive(Debug)]
enum Revoking {
    UnderWay(JoinHandle<Result<(), Error>>),
    Done(Option<Result<(), Error>>),
}

/// What is to be done at the server after a logout.
pub(crate) struct Revocation {
    session: SessionName,
    task: Task,
    errand: Option<Errand>,
    /// First of all the record goes: no other process is to go on with it.
    removal: Option<Removal>,
    endpoint: Option<TokenEndpoint>,
    tokens: Revocable,
}

impl Session {
    /// Forgets everything at once, then revokes the refresh token and the access token at the server
    /// ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)), if the endpoint has a
    /// [`revocation`](crate::TokenEndpoint::revocation) address.
    ///
    /// When this function returns, before the future is polled, the session is logged out. No new call and no replay carries
    /// a token of this login. Requests that are already on the wire go on; if one is rejected, it is not sent again. If a renewal
    /// still brings a token, that is thrown away and revoked, even if the session is dropped meanwhile. The future does not wait
    /// for such a late token; [`shutdown`](Session::shutdown) does.
    ///
    /// With a [store](crate::SessionBuilder::store), a mark takes the place of the record first, so that no other process goes on with
    /// the login, and the newest tokens are revoked, whoever fetched them.
    ///
    /// # Errors
    /// [`ErrorKind::NotRevoked`] if the server did not confirm, [`ErrorKind::NoRuntime`] if there was no runtime to ask it
    /// from, [`ErrorKind::Store`] if the record could not be marked: that is tried again for as long as the program runs, but not
    /// without a runtime. The session is logged out all the same.
    ///
    /// # Cancel safety
    /// Safe: the revocation runs on a task of its own. If you drop the future, you do not learn its result.
    pub fn logout(&self) -> Logout {
        self.start_logout(None)
    }

    /// Forgets everything, and revokes nothing: for a token that others use as well.
    pub fn forget(&self) {
        self.head().forget_with(None);
    }

    /// Logs out; `errand` is held until nothing is left to do for it.
    pub(crate) fn start_logout(&self, errand: Option<Errand>) -> Logout {
        let head = self.head();
        head.start(head.end(errand))
    }

    /// Ends a login that is too old: its record goes as well, and nothing is revoked.
    pub(crate) fn start_removal(&self, errand: Errand) -> Logout {
        let revocation = self.end_with(Parting { revoke: false, errand: Some(errand) });
        self.start(revocation.filter(|revocation| revocation.removal.is_some()).map(Revocation::without_revoking))
    }

    fn start(&self, revocation: Option<Revocation>) -> Logout {
        let Some(revocation) = revocation else { return Logout::done(Ok(())) };
        match self.inner.runtime() {
            Ok(runtime) => Logout::under_way(runtime.spawn(revocation.run())),
            Err(error) => Logout::done(revocation.fail(error)),
        }
    }

    /// Forgets everything at once, and tells what there is to revoke.
    pub(crate) fn end(&self, errand: Option<Errand>) -> Option<Revocation> {
        self.head().end_with(Parting { revoke: true, errand })
    }

    fn end_with(&self, parting: Parting) -> Option<Revocation> {
        let errand = parting.errand.clone();
        let children = self.inner.children();
        let held = children.iter().filter_map(|child| child.read(|state| state.login.as_ref()?.token_set()));
        let held: Vec<_> = held.map(|tokens| tokens.access_token().clone()).collect();
        let login = self.leave(parting)?;
        let removal = self.inner.read(|state| state.shelf().cloned()).and_then(|shelf| Removal::new(shelf, &login));
        let (endpoint, mut tokens) = login.revocable();
        tokens.also(held);
        let is_something = removal.is_some() || (endpoint.is_some() && !tokens.is_empty());
        is_something.then(|| {
            let (session, task) = (self.inner.name(), self.inner.track());
            Revocation { session, task, errand, removal, endpoint, tokens }
        })
    }

    /// Forgets everything, and revokes nothing.
    pub(crate) fn forget_with(&self, errand: Option<Errand>) {
        drop(self.leave(Parting { revoke: false, errand }));
    }

    fn leave(&self, parting: Parting) -> Option<Login> {
        let login = self.inner.change(|state| {
            let login = state.login.take()?;
            // Under the lock: a flight that lands from here on must find both, the login gone and this word.
            login.part(parting);
            Some(login)
        })?;
        events::logged_out(self.inner.name());
        Some(login)
    }
}

impl Revocation {
    fn without_revoking(self) -> Self {
        Self { endpoint: None, ..self }
    }

    pub(crate) async fn run(self) -> Result<(), Error> {
        let Self { session, task, errand, removal, endpoint, mut tokens } = self;
        let mut removed = Ok(());
        if let Some(mut removal) = removal {
            match removal.run(session).await {
                // Another process may have renewed them.
                Ok(Some(record)) => {
                    tokens.refresh = record.refresh_token().cloned().or(tokens.refresh);
                    tokens.access = record.access_token().cloned().or(tokens.access);
                    tokens.also(record.access_tokens().cloned());
                }
                Ok(None) => {}
                Err(error) => {
                    removed = Err(error);
                    let (endpoint, errand) = (endpoint.clone(), errand.clone());
                    tokio::spawn(async move {
                        let _until_then = (task, errand);
                        let found = removal.go_on(session).await;
                        if let (Some(found), Some(endpoint)) = (found, endpoint) {
                            let _ = revoke_all(session, &endpoint, found.refresh_token(), found.access_tokens()).await;
                        }
                    });
                }
            }
        }
        let Some(endpoint) = endpoint else { return removed };
        let access = tokens.access.iter().chain(&tokens.derived);
        let revoked = revoke_all(session, &endpoint, tokens.refresh.as_ref(), access).await;
        removed.and(revoked)
    }

    /// Where there is no runtime to run it on.
    pub(crate) fn fail(self, error: Error) -> Result<(), Error> {
        let result = Err(error);
        events::revoked(self.session, &result);
        result
    }
}

/// Revokes what a flight brought in after its login was logged out, unless the login that followed holds the same token.
/// A session that has gone has no login any more.
pub(super) async fn revoke_late(session: &Weak<Inner>, name: SessionName, endpoint: &TokenEndpoint, tokens: &TokenSet) {
    if !endpoint.revokes() {
        return;
    }
    // The login that followed may be about to get the very same token.
    let next = session.upgrade().and_then(|session| {
        let limit = session.settings.flight_limit;
        session.read(|state| state.login.as_ref()?.flight().map(|flight| Waiting::new(flight, &session, limit)))
    });
    if let Some(landing) = next {
        let _ = landing.await;
    }
    let is_held_again = session.upgrade().is_some_and(|session| {
        session.read(|state| {
            let Some(login) = &state.login else { return false };
            let is_granted = login.granted().iter().any(|granted| granted.tokens.same_access_token(tokens));
            is_granted || login.held.as_ref().is_some_and(|held| tokens.is_carried_by(&held.header))
        })
    });
    if !is_held_again {
        let _ = revoke_all(name, endpoint, tokens.refresh_token(), [tokens.access_token()]).await;
    }
}

/// Revokes what there is, and tells of it.
pub(super) async fn revoke_all<'a>(
    session: SessionName,
    endpoint: &TokenEndpoint,
    refresh: Option<&SecretString>,
    access: impl IntoIterator<Item = &'a SecretString>,
) -> Result<(), Error> {
    let refresh = refresh.into_iter().map(|token| (token, TokenKind::Refresh));
    let tokens: Vec<_> = refresh.chain(access.into_iter().map(|token| (token, TokenKind::Access))).collect();
    if tokens.is_empty() {
        return Ok(());
    }
    let result = revoke(endpoint, &tokens).await;
    // Discovered metadata may have no address for it: then nothing was revoked, and nothing failed.
    if endpoint.revokes() || result.is_err() {
        events::revoked(session, &result);
    }
    result
}

/// All are attempted; the first failure that counts is reported.
async fn revoke(endpoint: &TokenEndpoint, tokens: &[(&SecretString, TokenKind)]) -> Result<(), Error> {
    let held: Vec<_> = tokens.iter().map(|(token, _)| (*token).clone()).collect();
    let context = GrantContext::default().holding(move || held.clone());
    let mut results = Vec::with_capacity(tokens.len());
    for (token, kind) in tokens {
        results.push((*kind, endpoint.revoke(token, *kind, &context).await));
    }
    let any = results.iter().any(|(_, result)| result.is_ok());
    let refresh = results.iter().any(|(kind, result)| *kind == TokenKind::Refresh && result.is_ok());
    let counts = |kind, error: &Error| match error.known_verdict() {
        // RFC 7009 §2.1: with the refresh token its access tokens may have gone, and the server knows this one no more.
        Some(TokenVerdict::Refused(_)) if kind == TokenKind::Access && refresh => false,
        // §2.2.1: that kind of token can't be revoked here, and the other one was.
        _ => !(any && error.oauth_code() == Some("unsupported_token_type")),
    };
    let failure = |(kind, result): (TokenKind, Result<(), Error>)| result.err().filter(|error| counts(kind, error));
    results.into_iter().find_map(failure).map_or(Ok(()), Err)
}

struct Revocable {
    refresh: Option<SecretString>,
    access: Option<SecretString>,
    /// Those of derived sessions.
    derived: Vec<SecretString>,
}

impl Revocable {
    fn is_empty(&self) -> bool {
        self.refresh.is_none() && self.access.is_none() && self.derived.is_empty()
    }

    /// These access tokens as well, each once.
    fn also(&mut self, tokens: impl IntoIterator<Item = SecretString>) {
        for token in tokens {
            let mut known = self.access.iter().chain(&self.derived);
            if !known.any(|known| known.expose_secret() == token.expose_secret()) {
                self.derived.push(token);
            }
        }
    }
}

impl Login {
    fn revocable(&self) -> (Option<TokenEndpoint>, Revocable) {
        let endpoint = self.grant.endpoint().filter(|endpoint| endpoint.revokes());
        let access = self.token_set().map(|tokens| tokens.access_token().clone());
        let derived = self.granted().iter().map(|granted| granted.tokens.access_token().clone()).collect();
        (endpoint.cloned(), Revocable { refresh: self.refresh_token.clone(), access, derived })
    }
}

impl Logout {
    pub(crate) fn done(result: Result<(), Error>) -> Self {
        Self { state: Revoking::Done(Some(result)) }
    }

    pub(crate) fn under_way(task: JoinHandle<Result<(), Error>>) -> Self {
        Self { state: Revoking::UnderWay(task) }
    }
}

impl Future for Logout {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            Revoking::UnderWay(task) => Pin::new(task).poll(cx).map(|joined| {
                joined.unwrap_or_else(|_| {
                    Err(Error::new(ErrorKind::NotRevoked, "the revocation died with the runtime that ran it"))
                })
            }),
            Revoking::Done(result) => Poll::Ready(result.take().expect("a future is not polled after it has ended")),
        }
    }
}
