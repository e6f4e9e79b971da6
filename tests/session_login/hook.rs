//! A logout of the grant's own keeps the promises of a revocation.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower_reauth::{
    BoxGrant, Credential, Error, ErrorKind, Grant, GrantContext, Record, Revocable, Revoke, Session, Sessions, Status,
    TokenEndpoint, TokenSet, grant_fn,
};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

/// A site with a login and a logout. Clones are the same site.
#[derive(Clone)]
struct Site(Arc<Book>);

struct Book {
    issued: AtomicUsize,
    /// Holds logins that are done.
    landing: Gate,
    /// Holds logouts that have arrived.
    leaving: Gate,
    script: Mutex<VecDeque<Does>>,
    /// What was ended: access token, refresh token, and the address that came with it.
    ended: Mutex<Vec<[String; 3]>>,
}

/// What becomes of a logout.
#[derive(Clone, Copy)]
enum Does {
    Fail,
    NotReach,
    AskToWait,
    Hang,
    Panic,
}

impl Site {
    fn new() -> Self {
        Self::slow(false, false)
    }

    /// Whose logouts go like this, and well when there is nothing left in the script.
    fn does(does: impl IntoIterator<Item = Does>) -> Self {
        let site = Self::new();
        site.0.script.lock().unwrap().extend(does);
        site
    }

    /// Whose logins or logouts wait at their gate.
    fn slow(landing: bool, leaving: bool) -> Self {
        let gate = |is_closed: bool| {
            let gate = Gate::closed();
            if !is_closed {
                gate.open();
            }
            gate
        };
        Self(Arc::new(Book {
            issued: AtomicUsize::new(0),
            landing: gate(landing),
            leaving: gate(leaving),
            script: Mutex::default(),
            ended: Mutex::default(),
        }))
    }

    fn login(&self) -> Login {
        Login { site: self.clone(), forgotten: Arc::default(), endpoint: None }
    }

    /// A session that gives each attempt at a logout ten seconds.
    fn session(&self) -> Session {
        Session::builder(self.login()).renewal_limit(LIMIT).build()
    }

    /// The access tokens that were ended, in order.
    fn ended(&self) -> Vec<String> {
        self.0.ended.lock().unwrap().iter().map(|[access, ..]| access.clone()).collect()
    }

    /// How often a logout arrived.
    fn calls(&self) -> usize {
        self.0.leaving.arrivals()
    }

    async fn end(self, tokens: Revocable) -> Result<(), Error> {
        self.0.leaving.pass().await;
        let does = self.0.script.lock().unwrap().pop_front();
        match does {
            None => {
                let text = |secret: Option<&SecretString>| secret.map_or("", ExposeSecret::expose_secret).to_owned();
                let [access, refresh, address] =
                    [tokens.access_token(), tokens.refresh_token(), tokens.extra("location")].map(text);
                self.0.ended.lock().unwrap().push([access, refresh, address]);
                Ok(())
            }
            Some(Does::Fail) => {
                Err(Error::new(ErrorKind::Transport, "the site broke").with_source(io::Error::other("why")))
            }
            Some(Does::NotReach) => Err(Error::new(ErrorKind::Transport, "the site cannot be reached").not_sent()),
            Some(Does::AskToWait) => {
                Err(Error::new(ErrorKind::Unavailable, "the site is busy").with_retry_after(7 * SECOND))
            }
            Some(Does::Hang) => std::future::pending().await,
            Some(Does::Panic) => panic!("as the script says"),
        }
    }
}

struct Login {
    site: Site,
    forgotten: Arc<AtomicUsize>,
    endpoint: Option<TokenEndpoint>,
}

impl Grant for Login {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        let number = self.site.0.issued.fetch_add(1, Ordering::Relaxed) + 1;
        self.site.0.landing.pass().await;
        let tokens = TokenSet::new(format!("token-{number}"))?.with_extra("location", format!("/sessions/{number}"));
        Ok(if context.scope().is_some() { tokens } else { tokens.with_refresh_token(format!("refresh-{number}")) })
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.endpoint.as_ref()
    }

    fn revoke(&self) -> Option<Revoke> {
        Some(Revoke::new(self.site.clone(), Site::end))
    }

    fn credential(&self) -> Credential {
        Credential::Password
    }

    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }
}

async fn logged_in(site: &Site) -> Session {
    let session = site.session();
    session.token().await.unwrap();
    session
}

#[tokio::test(start_paused = true)]
async fn logout_calls_the_hook_once_with_all_that_came_with_the_newest_token() {
    let site = Site::new();
    let session = logged_in(&site).await;
    let first = session.token().await.unwrap().generation();
    session.renew(first).await.unwrap();
    session.logout().await.unwrap();
    assert_eq!(*site.0.ended.lock().unwrap(), [["token-2", "refresh-2", "/sessions/2"]]);
    // Nothing is left for a second one.
    session.logout().await.unwrap();
    assert_eq!(site.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn logout_without_a_token_calls_no_hook() {
    let site = Site::new();
    site.session().logout().await.unwrap();
    assert_eq!(site.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn logout_ends_a_refresh_token_that_came_without_an_access_token() {
    struct Remembered(Login);

    impl Grant for Remembered {
        async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
            self.0.fetch(context).await
        }

        fn initial_refresh_token(&mut self) -> Option<SecretString> {
            Some("remembered".into())
        }

        fn revoke(&self) -> Option<Revoke> {
            self.0.revoke()
        }
    }

    let site = Site::new();
    Session::new(Remembered(site.login())).logout().await.unwrap();
    assert_eq!(*site.0.ended.lock().unwrap(), [["", "remembered", ""]]);
}

#[tokio::test(start_paused = true)]
async fn secrets_of_the_grant_are_wiped_when_the_logout_returns_and_the_hook_works_all_the_same() {
    let site = Site::slow(false, true);
    let login = site.login();
    let forgotten = login.forgotten.clone();
    let session = Session::new(login);
    session.token().await.unwrap();
    let logout = session.logout();
    assert_eq!((forgotten.load(Ordering::Relaxed), session.status()), (1, Status::LoggedOut));
    site.0.leaving.open();
    logout.await.unwrap();
    assert_eq!(site.ended(), ["token-1"]);
}

#[tokio::test(start_paused = true)]
async fn hook_goes_on_if_the_future_of_the_logout_is_dropped_and_shutdown_waits_for_it() {
    let site = Site::slow(false, true);
    let session = logged_in(&site).await;
    drop(session.logout());
    never_hangs(site.0.leaving.arrived(1)).await;
    assert!(!session.shutdown(SECOND).await);
    site.0.leaving.open();
    assert!(session.shutdown(SECOND).await);
    assert_eq!(site.ended(), ["token-1"]);
}

/// A caller without a token, whose answer is at the gate.
async fn asking(site: &Site, session: &Session) -> JoinHandle<Result<(), Error>> {
    let session = session.clone();
    let waiting = tokio::spawn(async move { session.token().await.map(|_| ()) });
    never_hangs(site.0.landing.arrived(1)).await;
    waiting
}

#[tokio::test(start_paused = true)]
async fn token_that_a_login_brings_in_after_the_logout_is_ended_whether_a_handle_is_left_or_not() {
    for is_left in [true, false] {
        let site = Site::slow(true, false);
        let session = site.session();
        let waiting = asking(&site, &session).await;
        // There is nothing to end yet.
        session.logout().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        let left = is_left.then(|| session.clone());
        drop(session);
        assert!(site.ended().is_empty());
        site.0.landing.open();
        match left {
            Some(session) => assert!(session.shutdown(SECOND).await),
            None => sleep(SECOND).await,
        }
        assert_eq!(site.ended(), ["token-1"], "{is_left}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_logout_calls_the_hook() {
    let ends: [fn(Session); 3] = [
        |session| session.forget(),
        drop,
        |session| {
            session.login(grant_fn(|_| async { TokenSet::new("another") }));
        },
    ];
    for end in ends {
        for is_late in [false, true] {
            let site = Site::slow(is_late, false);
            let session = site.session();
            let waiting = asking(&site, &session).await;
            if is_late {
                waiting.abort();
            } else {
                waiting.await.unwrap().unwrap();
            }
            end(session);
            site.0.landing.open();
            sleep(SECOND).await;
            assert_eq!(site.calls(), 0, "{is_late}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hook_that_fails_is_told_and_not_called_again() {
    let site = Site::does([Does::Fail]);
    let session = logged_in(&site).await;
    let error = session.logout().await.unwrap_err();
    assert_eq!((error.kind(), session.status(), site.calls()), (ErrorKind::NotRevoked, Status::LoggedOut, 1));
    assert!(error.to_string().contains("the site broke: why"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn hook_that_sent_nothing_or_is_asked_to_wait_is_called_three_times_in_all() {
    for (does, pauses) in [(Does::NotReach, 1 + 2), (Does::AskToWait, 7 + 7)] {
        let site = Site::does([does; 2]);
        let session = Session::new(site.login());
        session.token().await.unwrap();
        let began = Instant::now();
        session.logout().await.unwrap();
        assert_eq!((site.calls(), began.elapsed().as_secs()), (3, pauses));
        assert_eq!(site.ended(), ["token-1"]);

        let site = Site::does([does; 3]);
        let session = Session::new(site.login());
        session.token().await.unwrap();
        assert_eq!(session.logout().await.unwrap_err().kind(), ErrorKind::NotRevoked);
        assert_eq!(site.calls(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn hook_that_hangs_ends_at_the_limit_and_holds_up_no_shutdown_beyond_it() {
    let site = Site::does([Does::Hang]);
    let session = logged_in(&site).await;
    let began = Instant::now();
    let logout = session.logout();
    assert!(session.shutdown(LIMIT + SECOND).await);
    assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());
    assert_eq!(logout.await.unwrap_err().kind(), ErrorKind::NotRevoked);
}

#[tokio::test(start_paused = true)]
async fn hook_that_panics_or_hangs_keeps_no_other_token_alive() {
    for does in [Does::Panic, Does::Hang, Does::Fail] {
        let site = Site::does([does]);
        let session = logged_in(&site).await;
        session.for_scope("orders").token().await.unwrap();
        assert_eq!(session.logout().await.unwrap_err().kind(), ErrorKind::NotRevoked);
        assert_eq!((site.calls(), site.ended()), (2, vec!["token-2".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn hook_that_panics_for_a_late_token_harms_no_later_login() {
    let site = Site::slow(true, false);
    site.0.script.lock().unwrap().push_back(Does::Panic);
    let session = site.session();
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.token().await.map(|_| ()) }
    });
    never_hangs(site.0.landing.arrived(1)).await;
    session.logout().await.unwrap();
    waiting.await.unwrap().unwrap_err();
    site.0.landing.open();
    assert!(session.shutdown(SECOND).await);
    assert_eq!(site.calls(), 1);
    session.login(site.login());
    session.token().await.unwrap();
    session.logout().await.unwrap();
    assert_eq!(site.ended(), ["token-2"]);
}

#[tokio::test(start_paused = true)]
async fn hook_of_one_user_that_panics_keeps_nobody_elses_from_being_called() {
    let site = Site::does([Does::Panic]);
    let sessions = Sessions::new();
    for user in 0..3 {
        sessions.insert(user, logged_in(&site).await);
    }
    assert_eq!(sessions.logout_all().await.unwrap_err().kind(), ErrorKind::NotRevoked);
    assert_eq!((site.calls(), site.ended().len()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn derived_sessions_tokens_are_ended_each_once_and_the_late_one_too() {
    let site = Site::new();
    let session = logged_in(&site).await;
    let orders = session.for_scope("orders");
    orders.token().await.unwrap();
    orders.logout().await.unwrap();
    assert_eq!(
        *site.0.ended.lock().unwrap(),
        [["token-1", "refresh-1", "/sessions/1"], ["token-2", "", "/sessions/2"]]
    );

    let site = Site::slow(true, false);
    let session = site.session();
    let orders = session.for_scope("orders");
    let waiting = tokio::spawn(async move { orders.token().await.map(|_| ()) });
    never_hangs(site.0.landing.arrived(1)).await;
    session.logout().await.unwrap();
    waiting.await.unwrap().unwrap_err();
    site.0.landing.open();
    assert!(session.shutdown(SECOND).await);
    assert_eq!(site.ended(), ["token-1"]);
}

#[tokio::test(start_paused = true)]
async fn hook_takes_the_place_of_the_endpoints_revocation() {
    let (site, issuer) = (Site::new(), Issuer::new());
    let session = Session::new(Login { endpoint: Some(issuer.endpoint()), ..site.login() });
    session.token().await.unwrap();
    session.logout().await.unwrap();
    assert_eq!((site.ended(), issuer.revocations().len()), (vec!["token-1".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn logout_by_the_record_alone_ends_what_the_record_holds() {
    let (site, store) = (Site::new(), MemoryStore::new());
    let session = || Session::builder(site.login()).store(store.clone(), "alice").build();
    session().token().await.unwrap();
    // Another process, which has not looked into the store yet.
    session().logout().await.unwrap();
    assert_eq!(*site.0.ended.lock().unwrap(), [["token-1", "refresh-1", "/sessions/1"]]);
    assert!(store.record("alice").unwrap().is_logged_out());
}

#[tokio::test(start_paused = true)]
async fn login_that_a_program_kept_itself_is_ended_as_well() {
    let site = Site::new();
    let text = logged_in(&site).await.record().unwrap().to_json();
    let record = Record::from_json(text.expose_secret()).unwrap();
    Session::builder(site.login()).record(record).unwrap().build().logout().await.unwrap();
    assert_eq!(*site.0.ended.lock().unwrap(), [["token-1", "refresh-1", "/sessions/1"]]);
}

#[tokio::test(start_paused = true)]
async fn different_grants_in_one_place_each_end_their_tokens_in_their_own_way() {
    let (site, issuer) = (Site::new(), Issuer::new());
    let grants: Vec<BoxGrant> = vec![
        site.login().boxed(),
        Kind::Password.grant(&issuer, USERNAME),
        grant_fn(|_| async { TokenSet::new("nobody-ends-it") }).boxed(),
    ];
    for grant in grants {
        let session = Session::new(grant);
        session.token().await.unwrap();
        session.logout().await.unwrap();
    }
    assert_eq!(site.ended(), ["token-1"]);
    assert!(!issuer.is_alive(&issuer.last_access_token()));
}

#[tokio::test(start_paused = true)]
async fn caller_whose_login_another_process_ended_is_told_so_and_does_not_wait_for_the_hook() {
    let (site, store) = (Site::slow(true, true), MemoryStore::new());
    let process = || Session::builder(site.login()).store(store.clone(), "alice").build();
    let (one, other) = (process(), process());
    site.0.landing.admit(1);
    let first = one.token().await.unwrap().generation();
    let waiting = tokio::spawn({
        let one = one.clone();
        async move { one.renew(first).await.map(|_| ()) }
    });
    never_hangs(site.0.landing.arrived(2)).await;
    site.0.leaving.admit(1);
    other.logout().await.unwrap();
    assert_eq!(site.ended(), ["token-1"]);
    let began = Instant::now();
    site.0.landing.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    // What came too late is ended all the same.
    assert!(!one.shutdown(SECOND).await);
    site.0.leaving.open();
    assert!(one.shutdown(SECOND).await);
    assert_eq!(site.ended(), ["token-1", "token-2"]);
}

#[tokio::test(start_paused = true)]
async fn hook_may_ask_its_session_which_has_no_login_then_and_may_log_in_anew() {
    #[derive(Clone, Default)]
    struct Asks(Arc<Mutex<Option<Session>>>);

    impl Grant for Asks {
        async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
            TokenSet::new("token")
        }

        fn revoke(&self) -> Option<Revoke> {
            Some(Revoke::new(self.clone(), async |Asks(session), _| {
                let session = session.lock().unwrap().take().unwrap();
                assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoggedOut);
                session.logout().await.unwrap();
                session.login(grant_fn(async |_| TokenSet::new("next")));
                session.token().await.map(|_| ())
            }))
        }
    }

    let asks = Asks::default();
    let session = Session::new(asks.clone());
    *asks.0.lock().unwrap() = Some(session.clone());
    session.token().await.unwrap();
    never_hangs(session.logout()).await.unwrap();
    assert_eq!(session.status(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn grant_that_panics_when_it_is_asked_for_its_hook_harms_no_call_and_no_other_logout() {
    struct Panics(Login);

    impl Grant for Panics {
        async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
            self.0.fetch(context).await
        }

        fn revoke(&self) -> Option<Revoke> {
            panic!("its lock is poisoned")
        }
    }

    let site = Site::new();
    let sessions = Sessions::new();
    for user in 0..3 {
        let session = if user == 1 { Session::new(Panics(site.login())) } else { site.session() };
        session.token().await.unwrap();
        sessions.insert(user, session);
    }
    assert_eq!(sessions.logout_all().await.unwrap_err().kind(), ErrorKind::NotRevoked);
    let mut ended = site.ended();
    ended.sort();
    assert_eq!(ended, ["token-1", "token-3"]);
}
