//! Sessions that are too many, unused for too long, or too old.

use std::{
    collections::HashMap,
    sync::{Arc, Barrier, Mutex, Weak},
};

use futures::FutureExt;
use proptest::prelude::*;
use tokio::{runtime::Builder, time::advance};
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

/// So many sessions are compared for each that goes.
const COMPARED: usize = 32;

fn paused<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// Notes when each of them is used.
struct Used {
    sessions: Sessions<Key>,
    notices: Notices,
    at: HashMap<Key, tokio::time::Instant>,
}

impl Used {
    fn new(capacity: usize) -> Self {
        let (sessions, notices) = watched(Sessions::builder().capacity(capacity));
        Self { sessions, notices, at: HashMap::new() }
    }

    async fn by(&mut self, number: usize, act: impl FnOnce(&Sessions<Key>, Key)) {
        advance(Duration::from_millis(1)).await;
        let key = key(&number.to_string());
        act(&self.sessions, key.clone());
        self.at.insert(key, tokio::time::Instant::now());
    }

    async fn insert(&mut self, number: usize) {
        self.by(number, |sessions, key| drop(sessions.insert(key, Session::logged_out()))).await;
    }

    /// Of those that went, how many of those that stay were unused for longer, and for a shorter time. The newest is not among
    /// them.
    fn gone(&mut self, newest: usize) -> Vec<(usize, usize)> {
        let newest = key(&newest.to_string());
        let gone = taken(&self.notices);
        let rank = |(key, cause): (Key, Eviction)| {
            assert_eq!(cause, Eviction::Capacity);
            let used = self.at.remove(&key).unwrap();
            let others = || self.at.iter().filter(|(key, _)| **key != newest);
            (others().filter(|(_, at)| **at < used).count(), others().filter(|(_, at)| **at > used).count())
        };
        gone.into_iter().map(rank).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_goes_was_unused_for_longer_than_all_others_that_it_was_compared_with(
        capacity in 1..200_usize,
        uses in prop::collection::vec(0..200_usize, 0..300),
        late in 1..60_usize,
    ) {
        paused(async {
            let mut used = Used::new(capacity);
            for number in 0..capacity {
                used.insert(number).await;
            }
            for number in uses {
                used.by(number % capacity, |sessions, key| assert!(sessions.get(&key).is_some())).await;
            }
            for newest in capacity..capacity + late {
                used.insert(newest).await;
                assert_eq!(used.sessions.len(), capacity);
                let [(before, behind)] = used.gone(newest)[..] else { panic!("one goes for each that comes") };
                assert!(behind >= (capacity - 1).min(COMPARED - 1), "{behind} of {capacity} were unused for a shorter time");
                assert!(capacity > COMPARED || before == 0, "{before} were unused for longer");
            }
        });
    }
}

/// Of so many, who goes was unused for longer than nearly everybody. That 32 in a row are all of the half that was used, by
/// the chance of their keys' hashes, happens once in thousands of millions of times.
#[tokio::test(start_paused = true)]
async fn nobody_of_the_half_that_was_used_goes_while_the_other_half_is_there() {
    const MANY: usize = 4_000;
    let mut used = Used::new(MANY);
    for number in 0..MANY {
        used.insert(number).await;
    }
    for number in 0..MANY / 2 {
        used.by(2 * number, |sessions, key| assert!(sessions.get(&key).is_some())).await;
    }
    // Half of those that were not used go.
    for newest in MANY..MANY + MANY / 4 {
        used.insert(newest).await;
    }
    let gone: Vec<_> = taken(&used.notices).into_iter().map(|(Key(name), _)| name.parse::<usize>().unwrap()).collect();
    assert_eq!(gone.len(), MANY / 4);
    assert!(gone.iter().all(|number| number % 2 == 1), "{gone:?}");
}

/// A session of this user's and of this number, as its token says, whose token is there already.
async fn told(user: usize, number: usize) -> Session {
    let session = Session::new(grant_fn(move |_context| async move { TokenSet::new(format!("{user}.{number}")) }));
    session.token().await.unwrap();
    session
}

/// What its token says, if nobody has ended it.
fn whose(session: &Session) -> Option<String> {
    let token = session.token().now_or_never().expect("it is there or nowhere").ok()?;
    Some(secrecy::ExposeSecret::expose_secret(token.token_set().access_token()).to_owned())
}

#[derive(Clone, Debug)]
enum Act {
    Insert(usize),
    Get(usize),
    Remove(usize),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..60_usize).prop_map(Act::Insert),
        4 => (0..60_usize).prop_map(Act::Get),
        1 => (0..60_usize).prop_map(Act::Remove),
        1 => (0..12_u64).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Case 21, with re-inserts under the same key.
    #[test]
    fn a_key_finds_what_was_put_there_last_and_nobody_else_s(capacity in 1..80_usize, acts in acts()) {
        paused(async {
            let minutes = |minutes| minutes * MINUTE;
            let builder = Sessions::builder().capacity(capacity).idle_timeout(minutes(30)).max_lifetime(minutes(90));
            let (sessions, notices) = watched(builder);
            // Which number, when it was put there, and when it was used.
            let mut known = HashMap::<Key, (usize, tokio::time::Instant, tokio::time::Instant)>::new();
            for (number, act) in acts.into_iter().enumerate() {
                let now = tokio::time::Instant::now();
                match act {
                    Act::Insert(user) => {
                        let key = key(&user.to_string());
                        let session = told(user, number).await;
                        // The sweeper was at work meanwhile, perhaps.
                        for (gone, _) in taken(&notices) {
                            known.remove(&gone);
                        }
                        let older = sessions.insert(key.clone(), session);
                        let before = known.insert(key, (number, now, now)).map(|(number, ..)| format!("{user}.{number}"));
                        assert_eq!(older.and_then(|older| whose(&older)), before);
                    }
                    Act::Get(user) => {
                        let key = key(&user.to_string());
                        let found = sessions.get(&key).map(|session| whose(&session).expect("it is logged in"));
                        for (gone, _) in taken(&notices) {
                            let (_, opened, used) = known.remove(&gone).unwrap();
                            assert!(opened + minutes(90) <= now || used + minutes(30) <= now);
                        }
                        let expected = known.get_mut(&key).map(|(number, _, used)| {
                            *used = now;
                            format!("{user}.{number}")
                        });
                        assert_eq!(found, expected);
                    }
                    Act::Remove(user) => {
                        sessions.logout(&key(&user.to_string())).await.unwrap();
                        known.remove(&key(&user.to_string()));
                    }
                    Act::Pass(minute) => advance(minutes(minute as u32)).await,
                }
                for (gone, _) in taken(&notices) {
                    known.remove(&gone).expect("nobody goes twice");
                }
                assert!(sessions.len() <= capacity);
                assert_eq!(sessions.len(), known.len());
            }
        });
    }
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

#[test]
fn threads_that_use_the_same_keys_find_those_users_and_the_bound_holds() {
    const USERS: usize = 64;
    const ROUNDS: usize = 2_000;
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let sessions = Sessions::builder().capacity(USERS / 2).build();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            // One for each insert: whoever was evicted has no token any more.
            let mut random = fastrand::Rng::with_seed(thread);
            let told = |user| runtime.block_on(told(user, 0));
            let mut own: Vec<_> = (0..ROUNDS).map(|_| random.usize(..USERS)).map(|user| (user, told(user))).collect();
            let sessions = &sessions;
            scope.spawn(move || {
                let mut found = 0;
                while let Some((user, session)) = own.pop() {
                    sessions.insert(key(&user.to_string()), session);
                    assert!(sessions.len() <= USERS / 2 + 4, "one for each thread that has not made room yet");
                    for _ in 0..4 {
                        let user = random.usize(..USERS);
                        let session = sessions.get(&key(&user.to_string()));
                        if let Some(name) = session.as_ref().and_then(whose) {
                            assert_eq!(name, format!("{user}.0"));
                            found += 1;
                        }
                    }
                    if random.u8(..) < 20 {
                        drop(sessions.logout(&key(&random.usize(..USERS).to_string())));
                    }
                }
                assert!(found > ROUNDS / 2, "{found}");
            });
        }
    });
    assert!(sessions.len() <= USERS / 2);
    assert_eq!(sessions.len(), sessions.statuses().count());
}
