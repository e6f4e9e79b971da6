//! What stands before an authorization server and its API: it writes down every token request, lets access tokens expire, and
//! holds a request or its answer for as long as it takes to kill who sent it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Form, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tower_reauth::{TokenEndpoint, TokenSet};

use super::{Http, PASSWORD, USERNAME, remote::Server};

/// A token request that the server has answered.
#[derive(Clone, Debug)]
pub struct Asked {
    pub grant_type: String,
    pub refresh_token: Option<String>,
    pub status: u16,
}

/// Where the next token request is held, until it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Before the server; it never arrives there.
    Lost,
    /// Before the server; it arrives late.
    Late,
    /// Behind the server: its answer is not delivered.
    Unanswered,
}

#[derive(Clone)]
pub struct Front {
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<dyn Server>,
    asked: watch::Sender<Vec<Asked>>,
    hold: Mutex<Option<Hold>>,
    held: Semaphore,
    let_go: Semaphore,
    pads: AtomicBool,
    lifetime: Option<Duration>,
    /// When each access token came, if they expire.
    issued: Mutex<HashMap<String, Instant>>,
}

impl Front {
    /// On this runtime.
    pub async fn start(server: Arc<dyn Server>, lifetime: Option<Duration>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner {
            server,
            asked: watch::Sender::default(),
            hold: Mutex::default(),
            held: Semaphore::new(0),
            let_go: Semaphore::new(0),
            pads: AtomicBool::new(false),
            lifetime,
            issued: Mutex::default(),
        };
        let inner = Arc::new(inner);
        let routes = Router::new().route("/token", post(token)).route("/api", get(api)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, inner }
    }

    /// On a thread of its own, for a test that stops its runtime's clock.
    pub fn apart(server: Arc<dyn Server>) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tell.send(Self::start(server, None).await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        told.recv().unwrap()
    }

    pub fn endpoint(&self, http: Http) -> TokenEndpoint {
        TokenEndpoint::new(http, format!("{}/token", self.url)).unwrap()
    }

    /// Without a socket, for a test that stops its runtime's clock.
    pub fn endpoint_without_socket(&self) -> TokenEndpoint {
        let inner = self.inner.clone();
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let inner = inner.clone();
            async move {
                let body = request.into_body().collect().await?.to_bytes();
                let form = form_urlencoded::parse(&body).into_owned().collect();
                Ok::<_, Infallible>(inner.token(form).await)
            }
        });
        TokenEndpoint::new(service, format!("{}/token", self.url)).unwrap()
    }

    /// A login that is not written down.
    pub async fn log_in(&self) -> TokenSet {
        let form = [("grant_type", "password"), ("username", USERNAME), ("password", PASSWORD)];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (status, answer) = self.inner.server.token(&form).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let access_token = text("access_token");
        self.inner.issued.lock().unwrap().insert(access_token.clone(), Instant::now());
        let lifetime = self.inner.lifetime.unwrap_or(Duration::from_secs(3600));
        TokenSet::new(access_token).unwrap().with_lifetime(lifetime).with_refresh_token(text("refresh_token"))
    }

    pub async fn accepts(&self, access_token: &str) -> bool {
        self.inner.accepts(access_token).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.borrow().clone()
    }

    /// Until the server has answered so many token requests.
    pub async fn answered(&self, requests: usize) {
        self.inner.asked.subscribe().wait_for(|asked| asked.len() >= requests).await.unwrap();
    }

    /// Whether a refresh token was sent twice.
    pub fn saw_one_twice(&self) -> bool {
        let mut sent: Vec<_> = self.asked().into_iter().filter_map(|asked| asked.refresh_token).collect();
        let all = sent.len();
        sent.sort_unstable();
        sent.dedup();
        sent.len() < all
    }

    pub fn hold_next(&self, hold: Hold) {
        *self.inner.hold.lock().unwrap() = Some(hold);
    }

    /// Long answers, so that a record takes a moment to be written.
    pub fn pad(&self) {
        self.inner.pads.store(true, Ordering::Relaxed);
    }

    /// Until a request is held.
    pub async fn held(&self) {
        self.inner.held.acquire().await.unwrap().forget();
    }

    pub fn let_go(&self) {
        self.inner.let_go.add_permits(1);
    }
}

impl Inner {
    async fn token(&self, form: HashMap<String, String>) -> Response {
        let hold = self.hold.lock().unwrap().take();
        if let Some(Hold::Lost | Hold::Late) = hold {
            self.is_held().await;
        }
        if hold == Some(Hold::Lost) {
            return StatusCode::BAD_GATEWAY.into_response();
        }
        let (status, mut answer) = self.server.token(&form).await;
        if let (Some(lifetime), Some(access_token)) = (self.lifetime, answer["access_token"].as_str()) {
            self.issued.lock().unwrap().insert(access_token.to_owned(), Instant::now());
            answer["expires_in"] = lifetime.as_secs().into();
        }
        let (grant_type, refresh_token) = (form["grant_type"].clone(), form.get("refresh_token").cloned());
        let asked = Asked { grant_type, refresh_token, status: status.as_u16() };
        self.asked.send_modify(|all| all.push(asked));
        if hold == Some(Hold::Unanswered) {
            self.is_held().await;
        }
        if self.pads.load(Ordering::Relaxed) {
            answer["id_token"] = "x".repeat(500_000).into();
        }
        (status, Json(answer)).into_response()
    }

    async fn is_held(&self) {
        self.held.add_permits(1);
        self.let_go.acquire().await.unwrap().forget();
    }

    async fn accepts(&self, access_token: &str) -> bool {
        let issued = self.issued.lock().unwrap().get(access_token).copied();
        let is_expired = self.lifetime.zip(issued).is_some_and(|(lifetime, issued)| issued.elapsed() >= lifetime);
        !is_expired && self.server.accepts(access_token).await
    }
}

/// A request goes on when its sender is gone.
async fn token(State(inner): State<Arc<Inner>>, Form(form): Form<HashMap<String, String>>) -> Response {
    tokio::spawn(async move { inner.token(form).await }).await.unwrap()
}

async fn api(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match token {
        Some(token) if inner.accepts(token).await => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    }
}
