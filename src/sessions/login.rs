//! One login per key, however many ask for it.
//!
//! 1. A login that is under way stands in one table, and whoever overtakes it takes it out of there: its session is then not
//!    put in place but logged out.
//! 2. The table's lock is held while a session is put in place or taken away, so that one of the two comes first.
//! 3. Nobody waits for ever: whoever waits leaves after [`WAITING_TIME`], a login ends at its [`LIMIT`], and one that does not,
//!    since nobody drives its runtime any more, is overtaken by whoever comes later.
//! 4. A login knows in which logins it was begun, so that it is not waited for by itself.

use std::{future::Future, hash::Hash, sync::Arc, time::Duration};

use futures_util::future::{FutureExt, Shared as SharedFuture};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    Sessions,
    logins::{Login, Outcome},
    shared::Shared,
};
use crate::{
    error::{Error, ErrorKind},
    identity::Generation,
    session::{Errand, Session},
    timer,
};

/// For a session, as for a token.
const WAITING_TIME: Duration = Duration::from_secs(30);
/// Of a login, as of a renewal.
const LIMIT: Duration = Duration::from_secs(120);

tokio::task_local! {
    /// The logins that the present task belongs to, the outermost first.
    static INSIDE: Vec<Generation>;
}

/// What a caller finds who comes without a session.
enum Found {
    Session(Session),
    Login(SharedFuture<oneshot::Receiver<Outcome>>),
}

/// However the login ends, it leaves the table.
struct UnderWay<K: Eq + Hash> {
    sessions: Arc<Shared<K>>,
    key: K,
    id: Generation,
    errand: Errand,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Sessions<K> {
    pub(super) async fn log_in<F>(&self, key: K, login: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let outcome = match self.join_or_start(key, login)? {
            Found::Session(session) => return Ok(session),
            Found::Login(outcome) => outcome,
        };
        match timeout(WAITING_TIME, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                let why = "the login died: its code panicked, or the runtime that ran it went away";
                Err(Error::new(ErrorKind::RenewalLost, why))
            }
            Err(_) => Err(Error::new(ErrorKind::WaitedTooLong, "the login did not end within the waiting time")),
        }
    }

    fn join_or_start<F>(&self, key: K, login: impl FnOnce() -> F) -> Result<Found, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime = Handle::try_current().ok().filter(|_| timer::keep_time());
        let runtime =
            runtime.ok_or_else(|| Error::new(ErrorKind::NoRuntime, "a login needs a tokio runtime with timers"))?;
        let id = Generation::next();
        let mut inside = INSIDE.try_with(Clone::clone).unwrap_or_default();
        let (sender, receiver) = oneshot::channel();
        let found = self.shared.logins.with(|under_way| {
            if let Some(login) = under_way.get(&key).filter(|login| login.began.elapsed() < LIMIT) {
                return match inside.contains(&login.id) {
                    true => Err(Err(own_login())),
                    false => Err(Ok(Found::Login(login.outcome.clone()))),
                };
            }
            // One that ended since the caller looked has put its session in place.
            if let Some(session) = self.shared.shards.peek(&key) {
                return Err(Ok(Found::Session(session)));
            }
            let outcome = receiver.shared();
            under_way.insert(key.clone(), Login { id, began: Instant::now(), outcome: outcome.clone() });
            Ok(outcome)
        });
        let outcome = match found {
            Ok(outcome) => outcome,
            Err(found) => return found,
        };
        inside.push(id);
        let errand = self.shared.shards.errands().begin();
        let under_way = UnderWay { sessions: self.shared.clone(), key, id, errand };
        let login = login();
        // Detached: a password may be on the wire already when everybody leaves.
        runtime.spawn(INSIDE.scope(inside, async move {
            let outcome = timeout(LIMIT, login)
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "the login did not end within its limit")));
            if let Ok(session) = &outcome
                && under_way.sessions.keep(&under_way.key, session)
            {
                // Before anybody is handed it.
                session.save_or_later().await;
            }
            // Everybody may have left: the session is in its place all the same.
            let _ = sender.send(under_way.end(outcome));
        }));
        Ok(Found::Login(outcome))
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> UnderWay<K> {
    fn end(self, outcome: Outcome) -> Outcome {
        let Shared { logins, shards, .. } = &*self.sessions;
        let session = outcome?;
        match logins.end(&self.key, self.id, || shards.insert(self.key.clone(), session.clone())) {
            Some(_older) => {
                self.sessions.inserted(&self.key);
                Ok(session)
            }
            None => {
                let placed = self.sessions.find(&self.key);
                // It may be the same one: a login may put its session in place itself.
                if placed.as_ref().is_none_or(|placed| placed.id() != session.id()) {
                    // Invariant 6: what a login brings in after the logout is thrown away and revoked.
                    drop(session.start_logout(Some(self.errand.clone())));
                }
                placed.ok_or_else(|| Error::new(ErrorKind::LoggedOut, "a logout overtook the login"))
            }
        }
    }
}

impl<K: Eq + Hash> Drop for UnderWay<K> {
    fn drop(&mut self) {
        self.sessions.logins.end(&self.key, self.id, || ());
    }
}

fn own_login() -> Error {
    Error::new(ErrorKind::SelfLogin, "a login asked for the session that it is to make")
}
