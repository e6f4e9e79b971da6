//! One replica, in a process of its own: the only code here that an application has, too.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::oneshot, task::JoinSet, time::sleep};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_reauth::{
    ClientAuth, Error, Origins, ReauthLayer, RefreshTokenGrant, Session, SessionBuilder, StoreSecret, TokenEndpoint,
    testing::Issuer,
};
use tower_reauth_redis::RedisStore;

use crate::board::{Doing, Report};

/// Set in the environment of a replica.
pub(crate) const ROLE: &str = "FLEET_REPLICA";
pub(crate) const USER: &str = "alice";
/// Calls under way at a time.
const CALLERS: usize = 4;
const REPORT_EVERY: Duration = Duration::from_millis(100);

type Http = BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, ClientError>;

/// What a replica must know to share the login.
#[derive(Clone)]
pub(crate) struct Place {
    redis: String,
    tokens: String,
    api: String,
    naming_key: String,
    key: String,
}

impl Place {
    pub(crate) fn new(redis: String, (tokens, api): (String, String)) -> anyhow::Result<Self> {
        Ok(Self { redis, tokens, api, naming_key: new_key()?, key: new_key()? })
    }

    /// For a replica's standard input: the address of Redis may hold a password, and others see the arguments of a process.
    pub(crate) fn lines(&self) -> String {
        [&self.redis, &self.tokens, &self.api, &self.naming_key, &self.key].map(|line| format!("{line}\n")).concat()
    }

    fn read(lines: &mut impl Iterator<Item = io::Result<String>>) -> Option<Self> {
        let mut next = || lines.next()?.ok();
        Some(Self { redis: next()?, tokens: next()?, api: next()?, naming_key: next()?, key: next()? })
    }

    pub(crate) fn endpoint(&self) -> Result<TokenEndpoint, Error> {
        self.endpoint_through(service_fn({
            let http = client();
            move |request| http.request(request)
        }))
    }

    fn endpoint_through<S>(&self, http: S) -> Result<TokenEndpoint, Error>
    where
        S: tower::Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = ClientError, Future: Send>,
        S: Clone + Send + Sync + 'static,
    {
        let auth = ClientAuth::basic(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET);
        Ok(TokenEndpoint::new(http, &self.tokens)?.client_auth(auth))
    }

    /// The shared login. It begins with what the store holds, and no replica has a password.
    pub(crate) async fn session(&self, endpoint: TokenEndpoint) -> Result<SessionBuilder<RefreshTokenGrant>, Error> {
        let store = RedisStore::builder(&self.redis)
            .naming_key(StoreSecret::from_base64(&self.naming_key)?)
            .encrypt_with("1", StoreSecret::from_base64(&self.key)?)
            .prefix("fleet-example")
            .connect()
            .await?;
        // In a storm a token that dies young is no sign that two devices fight for it.
        Ok(Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, USER).renewals_per_minute(None))
    }
}

/// Calls until its standard input ends: also if whoever started it was killed.
pub(crate) async fn run() -> ExitCode {
    match work().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: a replica cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work() -> anyhow::Result<()> {
    let Some(place) = Place::read(&mut io::stdin().lock().lines()) else { return Ok(()) };
    let (over, is_over) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _over = over;
        for _ in io::stdin().lock().lines() {}
    });

    let pen = Pen::default();
    let endpoint = place.endpoint_through(pen.at_endpoint())?;
    let session = place.session(endpoint).await?.build();
    let api = ReauthLayer::new(session, Origins::only(&place.api)?).layer(pen.at_api());

    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (api, pen, url) = (api.clone(), pen.clone(), format!("{}/orders", place.api));
        callers.spawn(async move {
            loop {
                sleep(Duration::from_millis(fastrand::u64(50..150))).await;
                let request = Request::get(&url).body(Full::default()).expect("a valid address");
                let answer = api.clone().oneshot(request).await;
                pen.change(|report| match &answer {
                    Ok(answer) if answer.status() == StatusCode::OK => report.good += 1,
                    _ => report.failed += 1,
                });
                if let Ok(answer) = answer {
                    let _ = answer.into_body().collect().await;
                }
            }
        });
    }
    callers.spawn({
        let pen = pen.clone();
        async move {
            loop {
                sleep(REPORT_EVERY).await;
                pen.tell();
            }
        }
    });
    let _ = is_over.await;
    callers.shutdown().await;
    pen.tell();
    Ok(())
}

/// Writes down what this replica does, and tells it when that changes.
#[derive(Clone)]
struct Pen(Arc<Mutex<Report>>);

impl Default for Pen {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Report::NEW)))
    }
}

impl Pen {
    /// The client that goes to the token endpoint.
    fn at_endpoint(&self) -> Http {
        let (pen, http) = (self.clone(), client());
        BoxCloneSyncService::new(service_fn(move |request| {
            pen.change(|report| report.doing = Doing::Renews);
            http.request(request)
        }))
    }

    /// The client below the layer, which sees what the callers don't: the rejections.
    fn at_api(&self) -> Http {
        let (pen, http) = (self.clone(), client());
        BoxCloneSyncService::new(service_fn(move |request: Request<Full<Bytes>>| {
            let (pen, token, answer) = (pen.clone(), number_of_token(&request), http.request(request));
            async move {
                let answer = answer.await?;
                pen.change(|report| match answer.status() {
                    StatusCode::OK if token > report.token => (report.doing, report.token) = (Doing::Calls, token),
                    StatusCode::UNAUTHORIZED => {
                        report.rejected += 1;
                        if report.doing == Doing::Calls && token == report.token {
                            report.doing = Doing::Waits;
                        }
                    }
                    _ => {}
                });
                Ok(answer)
            }
        }))
    }

    fn change(&self, change: impl FnOnce(&mut Report)) {
        let mut report = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = report.doing;
        change(&mut report);
        let is_news = report.doing != before;
        drop(report);
        if is_news {
            self.tell();
        }
    }

    fn tell(&self) {
        let mut output = io::stdout().lock();
        // Under the lock of the output, so that no older report comes after a newer one.
        let report = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads any more: the end of the input tells the same.
        let _ = writeln!(output, "{report}");
        let _ = output.flush();
    }
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// The gateway's tokens end with a number; the number alone is shown.
fn number_of_token(request: &Request<Full<Bytes>>) -> u64 {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    token.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Good for as long as this program runs. That of a real fleet is kept where its secrets are.
pub(crate) fn new_key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(key))
}
