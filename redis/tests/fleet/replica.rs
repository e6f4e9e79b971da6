//! A process of the fleet: this test binary again, with a role.

use std::{
    collections::HashMap,
    env,
    fmt::Display,
    io::BufRead,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{Semaphore, mpsc, watch},
    time::sleep,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{
    Ear, Error, Leased, Listening, Origins, PasswordGrant, ReauthLayer, Record, RefreshTokenGrant, RenewalFailed,
    Saved, Session, StoreKey, StoreSecret, TokenEndpoint, TokenStore, Version,
};
use tower_reauth_redis::RedisStore;

use super::{
    Kind, PASSWORD, SESSIONS, USERNAME,
    authority::REPLICA,
    http,
    ledger::{Ledger, Replica, Token, now},
};

const ROLE: &str = "FLEET_REPLICA";
const AUTHORITY: &str = "FLEET_AUTHORITY";
const REDIS: &str = "FLEET_REDIS";
pub(crate) const LEASE_LIFE: Duration = Duration::from_secs(5);
/// How long a renewal may take, and so how long a dead process's claim is waited for.
const RENEWAL_LIMIT: Duration = Duration::from_secs(15);
/// How long a call waits.
const WAITING_TIME: Duration = Duration::from_secs(30);
/// Between two calls of one process.
const PAUSE: Duration = Duration::from_millis(80);
/// In so many milliseconds the fleet turns to other sessions.
const TURN: u64 = 5_000;
const HOT: u64 = 5;

/// For the last call of a session. One that nobody can log in anew is not waited for when its login is over.
fn patience(session: usize, outcome: &str) -> Duration {
    let is_over = Kind::of(session) == Kind::Nobody && outcome.starts_with("Refused");
    if is_over { Duration::from_secs(5) } else { 2 * WAITING_TIME }
}

/// A session that many calls go to just now, or any one.
pub(crate) fn any_session() -> usize {
    let hot = (now() / TURN * HOT + fastrand::u64(..HOT)) % SESSIONS as u64;
    if fastrand::bool() { usize::try_from(hot).unwrap() } else { fastrand::usize(..SESSIONS) }
}

/// The other process, seen from the test.
pub(crate) struct Handle {
    pub(crate) replica: Replica,
    process: Child,
    stdin: ChildStdin,
    said: watch::Receiver<String>,
}

impl Handle {
    pub(crate) fn start(replica: Replica, authority: &str, redis: &str, ledger: Arc<Ledger>) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .env(ROLE, replica.to_string())
            .env(AUTHORITY, authority)
            .env(REDIS, redis)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, said) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                match line.strip_prefix("# ") {
                    Some(said) => drop(tell.send(said.to_owned())),
                    None => ledger.hear(replica, &line),
                }
            }
        });
        Self { replica, process, stdin, said }
    }

    pub(crate) async fn says(&mut self, what: &str) {
        let replica = self.replica;
        self.said.wait_for(|said| said == what).await.unwrap_or_else(|_| panic!("{replica} ended before {what:?}"));
    }

    pub(crate) async fn tell(&mut self, what: &str) {
        self.stdin.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    /// SIGKILL, and wait for its end.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// A store that writes down what the process learns from it.
#[derive(Clone)]
struct Watched {
    store: RedisStore,
    seen: Arc<Mutex<HashMap<StoreKey, Token>>>,
    claims: Arc<Mutex<HashMap<StoreKey, u64>>>,
}

fn say(what: &str, session: usize, more: impl Display) {
    println!("{what} {} {session} {more}", now());
}

fn session_of(key: &StoreKey) -> usize {
    std::str::from_utf8(key.as_bytes()).unwrap().trim_start_matches("session-").parse().unwrap()
}

fn token_of(record: &Record) -> Option<Token> {
    Some(Token::of(record.refresh_token()?.expose_secret()))
}

impl Watched {
    fn is_new(&self, key: &StoreKey, token: Token) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), token) != Some(token)
    }

    fn is_claimed_anew(&self, key: &StoreKey, by: u64, since: SystemTime) -> bool {
        let id = by ^ since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), id) != Some(id)
    }
}

impl TokenStore for Watched {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        let loaded = self.store.load(key).await;
        if let Ok(Some(record)) = &loaded
            && let Some(token) = token_of(record)
            && self.is_new(key, token)
        {
            say("saw", session_of(key), token);
        }
        loaded
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let (from, wall) = (now(), SystemTime::now());
        let (session, token) = (session_of(key), token_of(record));
        if let Some(token) = token
            && let Some(claim) = record.claim(wall)
            && claim.until > 0
            && claim.since <= 0
            && self.is_claimed_anew(key, claim.by, wall - Duration::from_millis(claim.since.unsigned_abs()))
        {
            say("claims", session, format_args!("{token} {}", claim.until));
        }
        let saved = self.store.save(key, record, seen).await;
        match (&saved, token) {
            (Ok(Saved::Saved), Some(token)) if self.is_new(key, token) => {
                say("saved", session, format_args!("{token} {from}"));
            }
            (Ok(Saved::Saved), Some(token)) => say("saved", session, format_args!("{token} {from} again")),
            (Ok(Saved::Overtaken(by)), _) => {
                say("overtaken", session, format_args!("{:?} by {:?}", record.version(), by.version()));
            }
            (Err(error), _) => say("unsaved", session, format_args!("{:?} {error}", record.version())),
            _ => {}
        }
        saved
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        self.store.lease(key).await
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        self.store.changed(key, seen).await
    }

    fn news_every(&self) -> Duration {
        self.store.news_every()
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        self.store.listen(key, ear)
    }

    async fn ask(&self, key: &StoreKey, dead: Version) -> Result<bool, Error> {
        self.store.ask(key, dead).await
    }
}

/// The whole life of a process of the fleet. `false`: this process is none.
pub(crate) fn plays_its_role() -> bool {
    let Ok(replica) = env::var(ROLE) else { return false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(play(replica.parse().unwrap()));
    true
}

/// What the test says; the process ends with it.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let _ = tell.send(line.unwrap());
        }
        std::process::exit(0);
    });
    told
}

/// Redis may be down when the process starts.
fn store(url: &str) -> RedisStore {
    let secret = |byte| StoreSecret::from([byte; 32]);
    let builder = RedisStore::builder(url).naming_key(secret(1)).encrypt_with("fleet", secret(2));
    builder.lease_life(LEASE_LIFE).connect_lazily().unwrap()
}

async fn play(replica: Replica) {
    let mut told = orders();
    let url = env::var(AUTHORITY).unwrap();
    let store = Watched { store: store(&env::var(REDIS).unwrap()), seen: Arc::default(), claims: Arc::default() };
    let client = http();
    let named = service_fn(move |mut request: Request<Full<Bytes>>| {
        request.headers_mut().insert(REPLICA, replica.to_string().parse().unwrap());
        client.request(request)
    });
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let endpoint = TokenEndpoint::new(named.clone(), format!("{url}/{session}/token")).unwrap();
            let (key, store) = (format!("session-{session}"), store.clone());
            let session = if Kind::of(session).has_password(session, replica.process) {
                let builder = Session::builder(PasswordGrant::new(endpoint, USERNAME, PASSWORD)).store(store, key);
                builder.renewals_per_minute(None).renewal_limit(RENEWAL_LIMIT).waiting_time(WAITING_TIME).build()
            } else {
                let builder = Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, key);
                builder.renewals_per_minute(None).renewal_limit(RENEWAL_LIMIT).waiting_time(WAITING_TIME).build()
            };
            let api = ReauthLayer::new(session.clone(), Origins::only(&url).unwrap()).layer(named.clone());
            (session, api)
        })
        .collect();
    let call = async |session: usize| {
        let (of, api) = &sessions[session];
        let request = Request::get(format!("{url}/{session}/api")).body(Full::default()).unwrap();
        match api.clone().oneshot(request).await {
            Ok(answer) if answer.status() == StatusCode::OK => "200".to_owned(),
            Ok(answer) => {
                let cause =
                    answer.extensions().get::<RenewalFailed>().map(|cause| format!("{:?}", cause.error().kind()));
                format!("{} {}", answer.status().as_u16(), cause.unwrap_or_default())
            }
            Err(error) => format!("{:?} {:?}", error.kind(), of.status()),
        }
    };

    if replica.life == 0 {
        for (number, (session, _)) in sessions.iter().enumerate() {
            if Kind::of(number).begins(number, replica.process) {
                session.token().await.unwrap();
            }
        }
    }
    println!("# ready");
    assert_eq!(told.recv().await.as_deref(), Some("go"));

    let places = Semaphore::new(1);
    let is_over = AtomicBool::new(false);
    let caller = async || {
        // Each caller makes one call after the other; many wait while something is broken.
        while !is_over.load(Ordering::Relaxed) {
            let turn = places.acquire().await.unwrap();
            sleep(PAUSE.mul_f64(2.0 * fastrand::f64())).await;
            drop(turn);
            let (session, began) = (any_session(), Instant::now());
            let outcome = call(session).await;
            say("called", session, format_args!("{} {outcome}", began.elapsed().as_millis()));
        }
    };
    let over = async {
        assert_eq!(told.recv().await.as_deref(), Some("last"));
        is_over.store(true, Ordering::Relaxed);
    };
    futures::join!(futures::future::join_all((0..SESSIONS).map(|_| caller())), over);
    println!("# quiet");

    assert_eq!(told.recv().await.as_deref(), Some("prove"));
    let last = async |session| {
        let (began, mut outcome) = (Instant::now(), call(session).await);
        while outcome != "200" && began.elapsed() < patience(session, &outcome) {
            sleep(Duration::from_secs(1)).await;
            outcome = call(session).await;
        }
        say("last", session, outcome);
    };
    futures::future::join_all((0..SESSIONS).map(last)).await;
    println!("# done");
    std::future::pending::<()>().await;
}
