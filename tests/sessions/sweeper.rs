//! The one timer of all sessions, and the runtime that it is on.

use std::sync::{Arc, Weak};

use tokio::{
    runtime::{Builder, Runtime},
    time::{advance, sleep},
};
use tower::Service;
use tower_reauth::{TokenSet, grant_with};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn tasks(runtime: &Runtime) -> usize {
    runtime.metrics().num_alive_tasks()
}

/// Sessions whose sweeper is on this runtime, and a sign of the secret of one that nobody will ask for.
fn swept_on(runtime: &Runtime) -> (Sessions<Key>, Weak<()>) {
    let (sessions, secret) = (Sessions::new(), Arc::new(()));
    let sign = Arc::downgrade(&secret);
    let grant = grant_with(secret, async |_, _| TokenSet::new("token"));
    runtime.block_on(async { sessions.insert(key("alice"), Session::new(grant)) });
    assert_eq!(tasks(runtime), 1);
    (sessions, sign)
}

/// Every way to use the sessions, whether there is one for the key or not.
const USES: [fn(&Sessions<Key>); 3] = [
    |sessions| drop(sessions.get(&key("nobody"))),
    |sessions| drop(sessions.insert(key("bob"), Session::logged_out())),
    |sessions| {
        let layer = ReauthLayer::new(sessions.clone(), Origins::only(ORIGIN).expect("a valid origin"));
        drop(layer.layer(World::new(Kind::Custom).resource).call(request_of("nobody")));
    },
];

fn is_swept_out(runtime: &Runtime, sign: &Weak<()>) -> bool {
    runtime.block_on(async { sleep(32 * MINUTE).await });
    sign.upgrade().is_none()
}

#[test]
fn sweeper_whose_runtime_has_gone_is_replaced_by_whoever_uses_the_sessions_next() {
    for using in USES {
        let (first, second) = (runtime(), runtime());
        let (sessions, sign) = swept_on(&first);
        drop(first);
        second.block_on(async { using(&sessions) });
        assert_eq!(tasks(&second), 1);
        assert!(is_swept_out(&second, &sign));
    }
}

#[test]
fn sweeper_on_a_runtime_that_nobody_drives_is_replaced_when_it_is_overdue() {
    for using in USES {
        let (first, second) = (runtime(), runtime());
        let (sessions, sign) = swept_on(&first);
        second.block_on(async {
            advance(MINUTE).await;
            using(&sessions);
        });
        assert_eq!(tasks(&second), 0, "it may just be late");
        second.block_on(async {
            advance(2 * MINUTE).await;
            using(&sessions);
            using(&sessions);
        });
        assert_eq!(tasks(&second), 1);
        assert!(is_swept_out(&second, &sign));
        // The older one finds out when its runtime is driven again, and ends.
        second.block_on(async { sessions.insert(key("carol"), Session::logged_out()) });
        first.block_on(async { sleep(2 * MINUTE).await });
        assert_eq!(tasks(&first), 0);
    }
}

#[test]
fn sweeper_at_work_is_left_alone_whoever_uses_the_sessions() {
    let (first, second) = (runtime(), runtime());
    let (sessions, _) = swept_on(&first);
    for _ in 0..20 {
        first.block_on(async { sleep(MINUTE).await });
        second.block_on(async {
            advance(MINUTE).await;
            USES.iter().for_each(|using| using(&sessions));
        });
        assert_eq!((tasks(&first), tasks(&second)), (1, 0));
    }
}

#[test]
fn sessions_that_are_used_where_there_is_no_runtime_are_served() {
    let first = runtime();
    let (sessions, sign) = swept_on(&first);
    drop(first);
    assert!(sessions.get(&key("alice")).is_some());
    assert!(sign.upgrade().is_some());
}
