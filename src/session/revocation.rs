//! Logging out: forget at once, then revoke (RFC 7009), whatever becomes of the caller (invariant 6).

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::JoinHandle;

use super::{
    Session,
    give_back::{Tokens, revoke_all},
    removal::Removal,
    state::{Errand, Login, Parting},
    watch::Task,
};
use crate::{
    error::{Error, ErrorKind},
    events,
    grant::{Revocable, Revoker},
    identity::SessionName,
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
    revoker: Option<Revoker>,
    tokens: Tokens,
}

impl Session {
    /// Forgets everything at once, then revokes the refresh token and the access token at the server
    /// ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)), if the endpoint has a
    /// [`revocation`](crate::TokenEndpoint::revocation) address, or in the way of the grant's own [`revoke`](crate::Grant::revoke).
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
        let held: Vec<_> = held.map(Revocable::access).collect();
        let login = self.leave(parting)?;
        let removal = self.inner.read(|state| state.shelf().cloned()).and_then(|shelf| Removal::new(shelf, &login));
        let revoker = login.grant.revoker(self.inner.settings.flight_limit).filter(Revoker::revokes);
        let mut tokens = login.tokens();
        tokens.also(held);
        let is_something = removal.is_some() || (revoker.is_some() && !tokens.is_empty());
        is_something.then(|| {
            let (session, task) = (self.inner.name(), self.inner.track());
            Revocation { session, task, errand, removal, revoker, tokens }
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
        self.inner.listen_no_more();
        events::logged_out(self.inner.name());
        Some(login)
    }
}

impl Revocation {
    fn without_revoking(self) -> Self {
        Self { revoker: None, ..self }
    }

    pub(crate) async fn run(self) -> Result<(), Error> {
        let Self { session, task, errand, removal, revoker, mut tokens } = self;
        let mut removed = Ok(());
        if let Some(mut removal) = removal {
            match removal.run(session).await {
                Ok(Some(record)) => tokens = tokens.renewed(&record),
                Ok(None) => {}
                Err(error) => {
                    removed = Err(error);
                    let (revoker, errand) = (revoker.clone(), errand.clone());
                    tokio::spawn(async move {
                        let _until_then = (task, errand);
                        let found = removal.go_on(session).await;
                        if let (Some(found), Some(revoker)) = (found, revoker) {
                            let _ = revoke_all(session, &revoker, Tokens::of_record(&found)).await;
                        }
                    });
                }
            }
        }
        let Some(revoker) = revoker else { return removed };
        let revoked = revoke_all(session, &revoker, tokens).await;
        removed.and(revoked)
    }

    /// Where there is no runtime to run it on.
    pub(crate) fn fail(self, error: Error) -> Result<(), Error> {
        let result = Err(error);
        events::revoked(self.session, &result);
        result
    }
}

impl Login {
    fn tokens(&self) -> Tokens {
        let access = self.token_set().map(Revocable::access).unwrap_or_default();
        let mut tokens = Tokens::new(access.with_refresh_token(self.refresh_token.clone()));
        tokens.also(self.granted().iter().map(|granted| Revocable::access(granted.tokens.clone())));
        tokens
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
