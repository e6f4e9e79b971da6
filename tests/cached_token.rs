//! The copy of the token that a service keeps for itself is never more than a copy: it follows every login, renewal and
//! logout, no two sessions are mixed up, and it keeps nothing of a session alive.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use proptest::prelude::*;
use tower::{Layer, Service};
use tower_reauth::{ErrorKind, Grant, Origins, Reauth, ReauthLayer, Scheme, Session, Sessions, TokenSet, grant_fn};

type Payload = Empty<Bytes>;

/// Answers with the token that a request carries.
#[derive(Clone, Debug)]
struct Mirror;

impl Service<Request<Payload>> for Mirror {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Payload>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        let mut response = Response::new(Payload::new());
        response.headers_mut().insert(AUTHORIZATION, request.headers()[AUTHORIZATION].clone());
        ready(Ok(response))
    }
}

/// Who a request is for, where one layer has many sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct User(usize);

/// Gives out a new token each time, and remembers the last one.
#[derive(Clone, Default)]
struct Issuer {
    latest: Arc<Mutex<Option<String>>>,
    // Lives for as long as a grant of this issuer does.
    grants: Arc<()>,
}

impl Issuer {
    fn grant(&self) -> impl Grant {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        *self.latest.lock().unwrap() = None;
        let (latest, grants) = (self.latest.clone(), self.grants.clone());
        grant_fn(move |_context| {
            let _alive = &grants;
            let token = format!("token-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            *latest.lock().unwrap() = Some(token.clone());
            ready(TokenSet::new(token))
        })
    }

    fn living_grants(&self) -> usize {
        Arc::strong_count(&self.grants) - 1
    }
}

/// A session, its services, and what is known of it.
struct Owner {
    issuer: Issuer,
    session: Session,
    logged_in: bool,
    services: Vec<Reauth<Mirror>>,
}

impl Owner {
    fn new() -> Self {
        let issuer = Issuer::default();
        let session = Session::new(issuer.grant());
        let services = vec![layer(session.clone()).layer(Mirror)];
        Self { issuer, session, logged_in: true, services }
    }

    /// The token that a call carries must be the one that was given out last.
    fn check(&self, outcome: Result<String, ErrorKind>) {
        if self.logged_in {
            let latest = self.issuer.latest.lock().unwrap().clone().unwrap();
            assert_eq!(outcome, Ok(format!("Bearer {latest}")));
        } else {
            assert_eq!(outcome, Err(ErrorKind::LoggedOut));
        }
    }
}

fn layer(select: impl Into<tower_reauth::SessionSource>) -> ReauthLayer {
    ReauthLayer::new(select, Origins::only("https://api.example").unwrap())
}

async fn call(service: &mut Reauth<Mirror>, user: usize) -> Result<String, ErrorKind> {
    let mut request = Request::get("https://api.example/").body(Payload::new()).unwrap();
    request.extensions_mut().insert(User(user));
    let response = service.call(request).await.map_err(|error| error.kind())?;
    Ok(response.headers()[AUTHORIZATION].to_str().unwrap().to_owned())
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Call {
        service: usize,
    },
    Clone {
        service: usize,
    },
    Renew,
    Forget,
    Login,
    /// The session and all its services go, and new ones take their place.
    Replace,
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        6 => (0..4_usize).prop_map(|service| Act::Call { service }),
        1 => (0..4_usize).prop_map(|service| Act::Clone { service }),
        1 => Just(Act::Renew),
        1 => Just(Act::Forget),
        1 => Just(Act::Login),
        1 => Just(Act::Replace),
    ];
    prop::collection::vec((0..2_usize, act), 1..60)
}

async fn run(acts: Vec<(usize, Act)>) {
    let mut owners = [Owner::new(), Owner::new()];
    let users: Sessions<User> = Sessions::new();
    let mut for_all = layer(users.clone()).layer(Mirror);
    for (number, owner) in owners.iter().enumerate() {
        users.insert(User(number), owner.session.clone());
    }
    for (number, act) in acts {
        let owner = &mut owners[number];
        match act {
            Act::Call { service } => {
                let service = service % owner.services.len();
                let outcome = call(&mut owner.services[service], number).await;
                owner.check(outcome);
                // Twice, since the first one may bring the copy that the second one finds.
                for _ in 0..2 {
                    owner.check(call(&mut owner.services[service].clone(), number).await);
                }
                owner.check(call(&mut for_all, number).await);
            }
            Act::Clone { service } => {
                let service = owner.services[service % owner.services.len()].clone();
                owner.services.push(service);
            }
            Act::Renew => {
                if let Ok(token) = owner.session.token().await {
                    owner.session.renew(token.generation()).await.unwrap();
                }
            }
            Act::Forget => {
                owner.session.forget();
                owner.logged_in = false;
            }
            Act::Login => {
                owner.session.login(owner.issuer.grant());
                owner.logged_in = true;
            }
            Act::Replace => {
                *owner = Owner::new();
                users.insert(User(number), owner.session.clone());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_carries_the_token_that_its_session_holds_then(acts in acts()) {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(run(acts));
    }
}

#[test]
fn no_clone_on_any_thread_carries_a_token_after_its_logout_has_returned() {
    const LOGINS: u64 = 300;
    let Owner { issuer, session, services, .. } = Owner::new();
    // Even: logged in, or about to be. Odd: logged out, for sure.
    let phase = AtomicU64::new(0);
    let token = || futures::executor::block_on(session.token());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    token().unwrap();
    thread::scope(|scope| {
        let threads = [(); 3].map(|()| {
            let (service, phase) = (services[0].clone(), &phase);
            scope.spawn(move || {
                let mut carried = 0;
                loop {
                    let before = phase.load(Ordering::SeqCst);
                    if before > 2 * LOGINS {
                        return carried;
                    }
                    // A call that needs a new token is dropped: it is not what this is about.
                    let outcome = call(&mut service.clone(), 0).now_or_never();
                    let after = phase.load(Ordering::SeqCst);
                    carried += usize::from(matches!(outcome, Some(Ok(_))));
                    assert!(before % 2 == 0 || before != after || !matches!(outcome, Some(Ok(_))), "{outcome:?}");
                }
            })
        });
        for _ in 0..LOGINS {
            session.forget();
            phase.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            phase.fetch_add(1, Ordering::SeqCst);
            session.login(issuer.grant());
            token().unwrap();
            thread::yield_now();
        }
        phase.fetch_add(1, Ordering::SeqCst);
        for thread in threads {
            assert!(thread.join().unwrap() > 0, "tokens were carried");
        }
    });
}

#[tokio::test]
async fn layers_with_other_schemes_share_no_copy() {
    let Owner { session, .. } = Owner::new();
    let bearer = layer(session);
    let bare = bearer.clone().scheme(Scheme::bare());
    let (bearer, bare) = (bearer.layer(Mirror), bare.layer(Mirror));
    for _ in 0..3 {
        let token = call(&mut bare.clone(), 0).await.unwrap();
        assert_eq!(call(&mut bearer.clone(), 0).await, Ok(format!("Bearer {token}")));
    }
}

#[tokio::test]
async fn copy_keeps_nothing_of_a_login_alive() {
    let mut owner = Owner::new();
    for _ in 0..3 {
        let outcome = call(&mut owner.services[0], 0).await;
        owner.check(outcome);
    }
    assert_eq!(owner.issuer.living_grants(), 1);
    owner.session.forget();
    assert_eq!(owner.issuer.living_grants(), 0, "the service is still there");
}

#[tokio::test]
async fn service_is_the_last_to_hold_its_one_session() {
    let Owner { issuer, session, mut services, .. } = Owner::new();
    for _ in 0..3 {
        call(&mut services[0], 0).await.unwrap();
    }
    drop(session);
    assert_eq!(issuer.living_grants(), 1, "the service needs it");
    call(&mut services[0], 0).await.unwrap();
    drop(services);
    assert_eq!(issuer.living_grants(), 0);
}

#[tokio::test]
async fn service_for_many_holds_none_of_their_sessions() {
    let (issuer, users) = (Issuer::default(), Sessions::new());
    users.insert(User(0), Session::new(issuer.grant()));
    let mut service = layer(users.clone()).layer(Mirror);
    for _ in 0..3 {
        call(&mut service, 0).await.unwrap();
    }
    assert_eq!(issuer.living_grants(), 1);
    // Taken out and dropped, without a logout.
    drop(users.insert(User(0), Session::logged_out()));
    assert_eq!(issuer.living_grants(), 0);
    assert_eq!(call(&mut service, 0).await, Err(ErrorKind::LoggedOut));
}

#[tokio::test]
async fn call_holds_its_session_until_it_ends() {
    let Owner { issuer, session, mut services, .. } = Owner::new();
    call(&mut services[0], 0).await.unwrap();
    let under_way = services[0].call(Request::get("https://api.example/").body(Payload::new()).unwrap());
    drop((session, services));
    assert_eq!(issuer.living_grants(), 1);
    let mut under_way = Box::pin(under_way);
    assert!(pin!(&mut under_way).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(issuer.living_grants(), 0, "what a call holds goes when it is answered");
}
