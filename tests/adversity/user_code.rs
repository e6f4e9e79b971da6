//! Code of others runs while a session changes: nothing locks.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use futures::{FutureExt, executor::block_on};
use secrecy::SecretString;
use tokio::runtime::Runtime;
use tower_reauth::{
    Credential, Error, ErrorKind, Grant, GrantContext, Session, Status, TokenEndpoint, TokenSet, grant_fn,
};

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a claim on a thread of its own: a dead-lock is a failure, not a hang.
fn never_locks<T: Send + 'static>(claim: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(claim()));
    receiver.recv_timeout(PATIENCE).expect("the claim fails, or waits for a lock")
}

#[test]
fn session_goes_on_while_somebody_looks_at_its_status() {
    never_locks(|| {
        let runtime = Runtime::new().unwrap();
        let session = Session::new(grant_fn(|_| async { TokenSet::new("token") }));
        runtime.block_on(session.token()).unwrap();
        let status = session.subscribe();
        let looked_at = status.borrow();
        assert_eq!(*looked_at, Status::Active);
        let leaver = session.clone();
        let leaves = thread::spawn(move || leaver.forget());
        // Found logged out as soon as that is so, whether the subscriber knows it already or not.
        while block_on(session.token()).is_ok() {
            thread::yield_now();
        }
        drop(looked_at);
        leaves.join().unwrap();
        assert_eq!(session.status(), Status::LoggedOut);
    });
}

/// A grant whose fetch waits for a word, with an endpoint that revokes.
struct Slow {
    endpoint: TokenEndpoint,
    begun: Mutex<mpsc::Sender<()>>,
    gate: Gate,
}

impl Grant for Slow {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.begun.lock().unwrap().send(()).unwrap();
        self.gate.pass().await;
        let parameters = [("grant_type", "urn:example:custom"), ("owner", USERNAME)];
        self.endpoint.request(&context, &parameters).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }
}

/// A waker that runs this on the spot, as some executors do.
struct Inline<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Wake for Inline<F> {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }
}

#[test]
fn flight_that_lands_in_the_middle_of_a_logout_is_revoked_all_the_same() {
    let (landed, revoked) = never_locks(|| {
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        let issuer = Issuer::new();
        let (begun, has_begun) = mpsc::channel();
        let gate = Gate::closed();
        let grant = Slow { endpoint: issuer.endpoint(), begun: Mutex::new(begun), gate: gate.clone() };
        let session = Session::new(grant);
        let caller = runtime.spawn({
            let session = session.clone();
            async move { session.token().await.map(|_| ()) }
        });
        has_begun.recv().unwrap();

        // Woken in the middle of the logout, a subscriber lets the flight land before the logout goes on.
        let (handle, waiting, landed) = (runtime.handle().clone(), session.clone(), Arc::new(AtomicUsize::new(0)));
        let landing = landed.clone();
        let waker = Waker::from(Arc::new(Inline(Mutex::new(Some(move || {
            gate.open();
            let landed = handle.block_on(waiting.shutdown(Duration::from_secs(3)));
            landing.store(usize::from(landed), Ordering::SeqCst);
        })))));
        let mut status = session.subscribe();
        let mut changed = Box::pin(status.changed());
        assert!(changed.as_mut().poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        let logout = session.logout();
        drop(changed);
        block_on(logout).unwrap();
        assert_eq!(block_on(caller).unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        (landed.load(Ordering::SeqCst), issuer.revocations().len())
    });
    assert_eq!(landed, 1, "a subscriber that is woken may use the session");
    assert_eq!(revoked, 1);
}

/// A grant that uses its session wherever it is asked.
#[derive(Clone, Default)]
struct Curious {
    session: Arc<OnceLock<Session>>,
}

impl Curious {
    fn look(&self) {
        if let Some(session) = self.session.get() {
            let _ = session.token().now_or_never();
        }
    }
}

impl Grant for Curious {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        self.look();
        Err(Error::new(ErrorKind::Refused, "not you"))
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.look();
        None
    }

    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        self.look();
        None
    }

    fn credential(&self) -> Credential {
        self.look();
        Credential::Custom
    }
}

#[test]
fn grant_may_use_its_session_wherever_it_is_asked() {
    never_locks(|| {
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        let session = Session::logged_out();
        let grant = Curious::default();
        grant.session.set(session.clone()).ok().unwrap();
        session.login(grant);
        let error = runtime.block_on(session.token()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    });
}
