//! Sessions that are too many, unused for too long, or too old.

use std::sync::{Arc, Barrier, Mutex, Weak};

use tokio::time::advance;
use tower_reauth::{ErrorKind, Eviction, SessionsBuilder, Status, TokenSet, grant_fn};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

type Notices = Arc<Mutex<Vec<(Key, Eviction)>>>;

/// Sessions whose evictions are written down.
fn watched(builder: SessionsBuilder<Key>) -> (Sessions<Key>, Notices) {
    let notices = Notices::default();
    let written = notices.clone();
    let builder = builder.on_eviction(move |key, cause| written.lock().unwrap().push((key.clone(), cause)));
    (builder.build(), notices)
}

fn taken(notices: &Notices) -> Vec<(Key, Eviction)> {
    std::mem::take(&mut notices.lock().unwrap())
}

/// A session, and a sign of the secrets in its grant.
fn session_with_secret() -> (Session, Weak<()>) {
    let secret = Arc::new(());
    let sign = Arc::downgrade(&secret);
    let session = Session::new(grant_fn(move |_context| {
        let _secret = &secret;
        async { TokenSet::new("token") }
    }));
    (session, sign)
}

#[tokio::test(start_paused = true)]
async fn over_capacity_the_least_recently_used_goes() {
    for_every_credential(async |world| {
        let (sessions, notices) = watched(Sessions::builder().capacity(3));
        let users = Users::new(world, sessions);
        for owner in ["a", "b", "c"] {
            users.insert(owner);
            settle().await;
        }
        // By a call and by a look; a list of all uses nobody.
        users.get("a").await.unwrap();
        settle().await;
        users.sessions.get(&key("b")).unwrap();
        settle().await;
        assert_eq!(users.sessions.statuses().count(), 3);
        users.insert("d");
        assert_eq!(taken(&notices), [(key("c"), Eviction::Capacity)]);
        settle().await;
        users.insert("e");
        assert_eq!(taken(&notices), [(key("a"), Eviction::Capacity)]);
        assert_eq!(users.sessions.len(), 3);
        assert_eq!(users.get("c").await.unwrap_err().kind(), ErrorKind::LoggedOut);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_below_the_capacity_and_the_newest_never() {
    let (sessions, notices) = watched(Sessions::builder().capacity(1000));
    // All in one instant, so that the order of use tells nothing.
    for number in 0..1000 {
        sessions.insert(key(&number.to_string()), Session::logged_out());
    }
    assert_eq!((taken(&notices).len(), sessions.len()), (0, 1000));
    for number in 1000..3000 {
        let key = key(&number.to_string());
        sessions.insert(key.clone(), Session::logged_out());
        assert!(sessions.get(&key).is_some());
    }
    assert_eq!((taken(&notices).len(), sessions.len()), (2000, 1000));
    let (sessions, _) = watched(Sessions::builder().capacity(0));
    sessions.insert(key("one"), Session::logged_out());
    assert_eq!(sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unused_session_ends_after_the_idle_time_to_the_second() {
    for_every_credential(async |world| {
        let (sessions, notices) = watched(Sessions::builder());
        let users = Users::new(world, sessions);
        users.insert("alice");
        for _ in 0..5 {
            advance(30 * MINUTE - Duration::from_secs(1)).await;
            assert_eq!(users.get("alice").await.unwrap().status(), 200);
        }
        advance(30 * MINUTE).await;
        let requests = users.world.issuer.token_requests();
        assert_eq!(users.get("alice").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert_eq!(users.world.issuer.token_requests(), requests);
        assert_eq!(taken(&notices), [(key("alice"), Eviction::Idle)]);
        assert!(users.sessions.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn busy_session_ends_after_its_lifetime() {
    for_every_credential(async |world| {
        let (sessions, notices) = watched(Sessions::builder());
        let users = Users::new(world, sessions);
        users.insert("alice");
        for _ in 0..12 * 6 - 1 {
            advance(10 * MINUTE).await;
            assert_eq!(users.get("alice").await.unwrap().status(), 200);
        }
        advance(10 * MINUTE).await;
        assert_eq!(users.get("alice").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert_eq!(taken(&notices), [(key("alice"), Eviction::Lifetime)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_timer_sweeps_out_what_nobody_asks_for_any_more() {
    let (sessions, notices) = watched(Sessions::builder());
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let mut signs = Vec::new();
    for number in 0..500 {
        let (session, sign) = session_with_secret();
        session.token().await.unwrap();
        signs.push(sign);
        sessions.insert(key(&number.to_string()), session);
    }
    settle().await;
    assert_eq!(metrics.num_alive_tasks(), before + 1, "one task for all sessions");
    tokio::time::sleep(31 * MINUTE).await;
    assert_eq!((sessions.len(), taken(&notices).len()), (0, 500));
    assert!(signs.iter().all(|sign| sign.upgrade().is_none()), "their secrets are gone");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(metrics.num_alive_tasks(), before, "nobody is left to wait for");
    // And it starts again.
    let (session, sign) = session_with_secret();
    sessions.insert(key("late"), session);
    tokio::time::sleep(31 * MINUTE).await;
    assert!(sign.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn sweep_finds_the_old_among_the_busy() {
    let (sessions, notices) = watched(Sessions::builder().max_lifetime(Duration::from_secs(3600)));
    let (session, sign) = session_with_secret();
    sessions.insert(key("old"), session);
    for round in 0..7 {
        tokio::time::sleep(10 * MINUTE).await;
        // Busy to the end, and not alone on its shelf.
        if round < 5 {
            assert!(sessions.get(&key("old")).is_some());
        }
        for number in 0..200 {
            sessions.insert(key(&format!("{round}-{number}")), Session::logged_out());
        }
    }
    assert!(sign.upgrade().is_none());
    assert!(taken(&notices).contains(&(key("old"), Eviction::Lifetime)));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_nobody_holds_any_more_take_their_timer_along() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let (session, sign) = session_with_secret();
    let sessions = Sessions::new();
    sessions.insert(key("alice"), session);
    drop(sessions);
    assert!(sign.upgrade().is_none());
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(metrics.num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn evicted_session_is_wiped_whoever_else_holds_it_and_is_not_revoked() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::builder().capacity(1).build());
        users.insert("alice");
        users.get("alice").await.unwrap();
        let held = users.sessions.get(&key("alice")).unwrap();
        users.insert("bob");
        assert_eq!(held.status(), Status::LoggedOut);
        settle().await;
        assert!(users.world.issuer.revocations().is_empty());
        assert!(users.world.issuer.is_alive(&users.world.issuer.last_access_token()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn evicted_session_is_revoked_where_that_was_chosen() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::builder().capacity(1).revoke_evicted().build());
        users.insert("alice");
        users.get("alice").await.unwrap();
        users.insert("bob");
        settle().await;
        assert_eq!(users.world.issuer.is_alive(&users.world.issuer.last_access_token()), !revocable);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn call_of_an_evicted_session_that_is_rejected_gets_its_rejection() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::builder().capacity(1).build());
        users.insert("alice");
        users.get("alice").await.unwrap();
        let gate = Gate::closed();
        users.world.resource.hold("/orders", &gate);
        let call = tokio::spawn({
            let users = users.clone();
            async move { users.get("alice").await }
        });
        gate.arrived(1).await;
        users.world.issuer.revoke_all();
        users.insert("bob");
        gate.open();
        let response = call.await.unwrap().unwrap();
        let failed = response.extensions().get::<tower_reauth::RenewalFailed>().expect("a cause");
        assert_eq!((response.status().as_u16(), failed.error().kind()), (401, ErrorKind::LoggedOut));
        assert_eq!(users.world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn notice_may_use_the_sessions() {
    let sessions: Arc<Mutex<Option<Sessions<Key>>>> = Arc::default();
    let known = sessions.clone();
    let builder = Sessions::builder().capacity(1).on_eviction(move |gone: &Key, _| {
        let sessions = known.lock().unwrap().clone().unwrap();
        assert!(sessions.get(gone).is_none());
        assert_eq!(sessions.statuses().count(), sessions.len());
        drop(sessions.logout(&key("nobody")));
    });
    *sessions.lock().unwrap() = Some(builder.build());
    let users = sessions.lock().unwrap().clone().unwrap();
    users.insert(key("a"), Session::logged_out());
    users.insert(key("b"), Session::logged_out());
    assert_eq!(users.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn notice_that_panics_keeps_nobody_from_being_forgotten() {
    let builder = Sessions::builder().capacity(500).on_eviction(|_: &Key, _| panic!("on purpose"));
    let sessions = builder.build();
    let held: Vec<_> = (0..501).map(|_| session_with_secret().0).collect();
    for (number, session) in held.iter().enumerate() {
        sessions.insert(key(&number.to_string()), session.clone());
    }
    tokio::time::sleep(32 * MINUTE).await;
    assert!(held.iter().all(|session| session.status() == Status::LoggedOut));
    assert!(sessions.is_empty());
}

/// A key that lets another thread go first whenever it is compared.
#[expect(clippy::derived_hash_with_manual_eq, reason = "it compares as the derived one does")]
#[derive(Clone, Eq, Hash)]
struct Polite(u32);

impl PartialEq for Polite {
    fn eq(&self, other: &Self) -> bool {
        std::thread::yield_now();
        self.0 == other.0
    }
}

#[test]
fn inserts_side_by_side_take_away_just_what_is_too_much() {
    let sessions = Sessions::<Polite>::builder().capacity(1).build();
    let together = Barrier::new(2);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (sessions, together) = (&sessions, &together);
            scope.spawn(move || {
                let session = Session::logged_out();
                for round in 0..1000 {
                    together.wait();
                    sessions.insert(Polite(2 * round + thread), session.clone());
                    together.wait();
                    assert_eq!((sessions.len(), sessions.statuses().count()), (1, 1));
                }
            });
        }
    });
}
