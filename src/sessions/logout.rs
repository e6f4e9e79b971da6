//! Ending all sessions.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{
    future::FutureExt,
    stream::{self, StreamExt},
};
use tokio::runtime::Handle;

use crate::{Error, ErrorKind, Logout, Session};

/// Sessions whose tokens are revoked side by side.
const AT_A_TIME: usize = 16;

/// The future of [`Sessions::logout_all`](crate::Sessions::logout_all). All secrets were gone before it was handed out, and
/// the revocations run on a task of their own: dropping the future changes nothing.
#[derive(Debug)]
#[must_use = "the sessions are logged out already, but only this future tells whether the server was told"]
pub struct LogoutAll {
    logout: Logout,
}

impl LogoutAll {
    pub(super) fn start(sessions: Vec<Session>) -> Self {
        let revocations: Vec<_> = sessions.iter().filter_map(Session::end).collect();
        drop(sessions);
        if revocations.is_empty() {
            return Self { logout: Logout::done(Ok(())) };
        }
        let Ok(runtime) = Handle::try_current() else {
            let error = Error::new(ErrorKind::NoRuntime, "revocations need a tokio runtime");
            return Self { logout: Logout::done(Err(error)) };
        };
        let revoked = async {
            // One that panics takes no other along.
            let run_all = stream::iter(revocations)
                .map(|revocation| AssertUnwindSafe(revocation.run()).catch_unwind())
                .buffer_unordered(AT_A_TIME);
            let results = run_all.map(|result| {
                result.unwrap_or_else(|_| Err(Error::new(ErrorKind::NotRevoked, "the revocation panicked")))
            });
            // All are attempted; the first failure is reported.
            results.fold(Ok(()), async |all: Result<(), Error>, one| all.and(one)).await
        };
        Self { logout: Logout::under_way(runtime.spawn(revoked)) }
    }
}

impl Future for LogoutAll {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.logout).poll(cx)
    }
}
