//! Ten thousand users at once: no call ever carries another user's token.
//!
//! The server here is a small one of its own, whose tokens say whose they are: it answers in the same time however many
//! there are.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use fastrand::Rng;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::{sync::Semaphore, task::JoinSet};
use tower::Service;
use tower_reauth::{ErrorKind, ForceRenewal, Grant, PasswordGrant, RefreshTokenGrant, TokenEndpoint};

use super::*;

const USERS: usize = 10_000;
const CALLS: usize = 20_000;
const AT_A_TIME: usize = 500;
/// Where the clock stands still. In real time nothing depends on how busy the machine is.
const IDLE: Duration = Duration::from_secs(20);
const EXPIRES_IN: u64 = 30;

/// An authorization server that keeps one active token per user, and the resource server that knows which. Clones are the
/// same server.
#[derive(Clone, Default)]
struct Server(Arc<State>);

#[derive(Default)]
struct State {
    // By owner.
    active: Mutex<HashMap<String, usize>>,
    tokens: AtomicUsize,
    rejections: AtomicUsize,
    // In seconds.
    expires_in: u64,
    crossed: Mutex<Vec<String>>,
}

impl Server {
    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.0.active.lock().unwrap()
    }

    async fn token(&self, form: HashMap<String, String>) -> Response<Full<Bytes>> {
        // As long as some others need.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let owner = match form.get("refresh_token") {
            Some(token) => token.split('.').nth(1).unwrap().to_owned(),
            None => form["username"].clone(),
        };
        let number = self.0.tokens.fetch_add(1, Ordering::SeqCst);
        self.active().insert(owner.clone(), number);
        let expires_in = self.0.expires_in;
        let tokens = format!(
            r#"{{"access_token":"access.{owner}.{number}","refresh_token":"refresh.{owner}.{number}","expires_in":{expires_in}}}"#
        );
        Response::new(tokens.into())
    }

    fn revoke(&self, token: &str) -> Response<Full<Bytes>> {
        let [_, owner, number] = token.split('.').collect::<Vec<_>>()[..] else { panic!("not a token: {token}") };
        let mut active = self.active();
        if active.get(owner) == Some(&number.parse().unwrap()) {
            active.remove(owner);
        }
        drop(active);
        Response::default()
    }

    fn resource(&self, request: &Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let owner = request.headers()["x-owner"].to_str().unwrap();
        let sent = request.headers().get("authorization").map_or("nothing", |value| value.to_str().unwrap());
        let good = self.active().get(owner).map(|number| format!("Bearer access.{owner}.{number}"));
        if !sent.starts_with(&format!("Bearer access.{owner}.")) {
            self.0.crossed.lock().unwrap().push(format!("{owner} sent {sent}"));
        }
        let mut response = Response::default();
        if good.as_deref() != Some(sent) {
            self.0.rejections.fetch_add(1, Ordering::SeqCst);
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        }
        response
    }
}

impl Service<Request<Full<Bytes>>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            if path == "/orders" {
                tokio::task::yield_now().await;
                return Ok(server.resource(&request));
            }
            let body = request.into_body().collect().await?.to_bytes();
            let form: HashMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
            Ok(if path == "/token" { server.token(form).await } else { server.revoke(&form["token"]) })
        })
    }
}

/// Everything that the callers share.
#[derive(Clone)]
struct Crowd {
    server: Server,
    endpoint: TokenEndpoint,
    sessions: Sessions<Key>,
    refreshes: bool,
    // How far the paused clock goes on between two callers.
    pace: Option<Duration>,
}

impl Crowd {
    /// On a paused clock, which brings tokens and sessions to their ends.
    fn with_passwords() -> Self {
        Self { pace: Some(Duration::from_millis(1)), ..Self::new(false, IDLE, EXPIRES_IN) }
    }

    /// In real time, where all of them outlive the test.
    fn with_refresh_tokens() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self::new(true, day, day.as_secs())
    }

    fn new(refreshes: bool, idle: Duration, expires_in: u64) -> Self {
        let server = Server(Arc::new(State { expires_in, ..State::default() }));
        let endpoint = TokenEndpoint::new(server.clone(), "https://login.example/token").unwrap();
        let endpoint = endpoint.revocation("https://login.example/revoke").unwrap();
        // Fewer places than users, so that evictions go on all the time.
        let sessions = Sessions::builder().capacity(USERS * 4 / 5).idle_timeout(idle).build();
        Self { server, endpoint, sessions, refreshes, pace: None }
    }

    fn session(&self, owner: &str) -> Session {
        fn session(grant: impl Grant) -> Session {
            Session::builder(grant).renewals_per_minute(None).build()
        }
        match self.refreshes {
            true => session(RefreshTokenGrant::new(self.endpoint.clone(), format!("refresh.{owner}.0"))),
            false => session(PasswordGrant::new(self.endpoint.clone(), owner, PASSWORD)),
        }
    }

    /// What one caller does with one user, on a service that is used by whoever comes.
    async fn act(self, mut api: Reauth<Server>, mut random: Rng) -> Vec<String> {
        let owner = format!("user-{}", random.usize(..USERS));
        match random.u8(..) {
            0..30 => drop(self.sessions.insert(key(&owner), self.session(&owner))),
            30..40 => {
                let logout = self.sessions.logout(&key(&owner));
                if random.bool() {
                    logout.await.unwrap();
                }
            }
            40..60 => {
                let login = || std::future::ready(Ok(self.session(&owner)));
                if let Err(error) = self.sessions.get_or_login(key(&owner), login).await {
                    assert_eq!(error.kind(), ErrorKind::LoggedOut, "a logout overtook it");
                }
            }
            // The other device.
            60..100 => drop(self.server.active().remove(&owner)),
            _ => {}
        }
        let mut outcomes = Vec::new();
        for _ in 0..random.usize(1..4) {
            let mut request = request_of(&owner);
            if random.u8(..) < 10 {
                request.extensions_mut().insert(ForceRenewal);
            }
            outcomes.push(match api.ready().await.unwrap().call(request).await {
                Ok(response) => response.status().as_str().to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            });
        }
        outcomes
    }

    async fn run(self, mut random: Rng) {
        for number in 0..USERS {
            let owner = format!("user-{number}");
            self.sessions.insert(key(&owner), self.session(&owner));
        }
        let layer = ReauthLayer::new(self.sessions.clone(), Origins::only(ORIGIN).unwrap());
        let apis: Vec<_> = (0..16).map(|_| layer.layer(self.server.clone())).collect();
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            let place = places.clone().acquire_owned().await.unwrap();
            if let Some(pace) = self.pace {
                tokio::time::advance(pace).await;
            }
            let acts = self.clone().act(apis[random.usize(..16)].clone(), random.fork());
            calls.spawn(async move {
                let outcomes = acts.await;
                drop(place);
                outcomes
            });
        }
        let mut outcomes = BTreeMap::<String, usize>::new();
        while let Some(call) = calls.join_next().await {
            for outcome in call.unwrap() {
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        let State { tokens, rejections, crossed, .. } = &*self.server.0;
        let (tokens, rejections) = (tokens.load(Ordering::SeqCst), rejections.load(Ordering::SeqCst));
        println!("{outcomes:?}, {tokens} tokens, {rejections} rejections");
        assert_eq!(*crossed.lock().unwrap(), Vec::<String>::new());
        // It was busy enough to mean something.
        assert!(outcomes["200"] > CALLS && outcomes["LoggedOut"] > 1000 && tokens > USERS && rejections > 500);
        // A call whose session ends while it is under way keeps its rejection.
        assert!(outcomes.keys().all(|outcome| matches!(outcome.as_str(), "200" | "401" | "LoggedOut")));
    }
}

fn seeded() -> Rng {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    Rng::with_seed(seed)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_users_never_get_each_other_s_token() {
    Crowd::with_passwords().run(seeded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_users_on_several_threads_never_get_each_other_s_token() {
    Crowd::with_refresh_tokens().run(seeded()).await;
}
