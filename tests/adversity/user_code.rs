//! Code of others runs while a session changes: nothing locks.

use std::{sync::mpsc, thread, time::Duration};

use futures::executor::block_on;
use tokio::runtime::Runtime;
use tower_reauth::{Session, Status, TokenSet, grant_fn};

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
