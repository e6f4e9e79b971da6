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

use crate::{
    error::{Error, ErrorKind},
    session::{Errand, Logout, Session},
};

/// Sessions whose tokens are revoked side by side.
const AT_A_TIME: usize = 16;

/// The future of [`Sessions::logout_all`](crate::Sessions::logout_all). All sessions have ended before this future is first
/// polled, and the revocations run on a task of their own. Dropping the future changes nothing.
#[derive(Debug)]
#[must_use = "the sessions are logged out already, but only this future tells whether the tokens were revoked"]
pub struct LogoutAll {
    logout: Logout,
}

impl LogoutAll {
    /// Ends these sessions; `errand` is held until nothing is left to do for them.
    pub(super) fn start(sessions: Vec<Session>, errand: Errand) -> Self {
        let revocations: Vec<_> = sessions.iter().filter_map(|session| session.end(Some(errand.clone()))).collect();
        let runtime = sessions.first().map(Session::runtime);
        drop((sessions, errand));
        let runtime = match runtime {
            Some(Ok(runtime)) if !revocations.is_empty() => runtime,
            Some(Err(error)) => {
                let failed = revocations.into_iter().map(|revocation| revocation.fail(error.clone()));
                return Self { logout: Logout::done(failed.fold(Ok(()), Result::and)) };
            }
            _ => return Self { logout: Logout::done(Ok(())) },
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
