//! What stands before an authorization server and its API. It writes down every token request, and refuses access tokens that
//! were withdrawn.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Form, Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::net::TcpListener;

use super::{
    ledger::{Answer, Asked, Ledger, Replica, Token, now},
    remote::{Remote, Server},
};

/// Names the process that sends a token request.
pub(crate) const REPLICA: &str = "x-replica";
/// As APIs do that ask the server about tokens.
const BELIEVED: Duration = Duration::from_secs(1);

pub(crate) struct Authority {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    server: Remote,
    ledger: Arc<Ledger>,
    /// The newest access token and refresh token of each session.
    newest: Mutex<HashMap<usize, (String, String)>>,
    /// What the server said of an access token, and when.
    accepted: Mutex<HashMap<Token, (Instant, bool)>>,
}

impl Authority {
    pub(crate) async fn start(server: Remote, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner { server, ledger, newest: Mutex::default(), accepted: Mutex::default() });
        let routes = Router::new()
            .route("/{session}/token", post(token))
            .route("/{session}/api", get(api))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, inner }
    }

    /// The API takes the session's access token no more; its refresh token lives on.
    pub(crate) fn withdraw(&self, session: usize) {
        if let Some((access_token, _)) = self.inner.newest(session) {
            let mut book = self.inner.ledger.book();
            book.withdrawn.insert(Token::of(&access_token));
            book.note(now(), Some(session), format_args!("withdrawn {}", Token::of(&access_token)));
            drop(book);
        }
    }

    /// The whole login is ended at the server.
    pub(crate) async fn end_login(&self, session: usize) {
        if let Some((_, refresh_token)) = self.inner.newest(session) {
            {
                let mut book = self.inner.ledger.book();
                book.ended.push((session, now()));
                book.note(now(), Some(session), "login ended");
            }
            assert_eq!(self.inner.server.revoke(&refresh_token).await, StatusCode::OK);
        }
    }
}

impl Inner {
    fn newest(&self, session: usize) -> Option<(String, String)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    async fn accepts(&self, access_token: &str) -> bool {
        let token = Token::of(access_token);
        if self.ledger.book().withdrawn.contains(&token) {
            return false;
        }
        let known = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).get(&token).copied();
        match known {
            Some((asked, accepts)) if asked.elapsed() < BELIEVED => accepts,
            _ => {
                let accepts = self.server.accepts(access_token).await;
                let now = (Instant::now(), accepts);
                self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(token, now);
                accepts
            }
        }
    }

    async fn token(&self, session: usize, by: Replica, form: HashMap<String, String>) -> Response {
        let spent = form.get("refresh_token").map(|token| Token::of(token));
        let number = {
            let mut book = self.ledger.book();
            book.asked.push(Asked { session, by, at: now(), spent, answer: Answer::None });
            let how = spent.map_or("the password".to_owned(), |token| token.to_string());
            book.note(now(), Some(session), format_args!("{by} asks with {how}"));
            book.asked.len() - 1
        };
        let (status, answer) = self.server.token(&form).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let (access_token, refresh_token) = (text("access_token"), text("refresh_token"));
        let mut book = self.ledger.book();
        if status == StatusCode::OK {
            let brought = Token::of(&refresh_token);
            book.asked[number].answer = Answer::Brought(brought, now());
            let line = format!("{by} is answered {brought}, access token {}", Token::of(&access_token));
            book.note(now(), Some(session), line);
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            newest.insert(session, (access_token, refresh_token));
        } else {
            book.asked[number].answer = Answer::Refused;
            book.note(now(), Some(session), format_args!("{by} is refused: {} {}", status.as_u16(), text("error")));
        }
        drop(book);
        (status, Json(answer)).into_response()
    }
}

/// A request goes on when its sender is gone.
async fn token(
    State(inner): State<Arc<Inner>>,
    Path(session): Path<usize>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let by = headers[REPLICA].to_str().unwrap().parse().unwrap();
    tokio::spawn(async move { inner.token(session, by, form).await }).await.unwrap()
}

async fn api(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = token else { return StatusCode::UNAUTHORIZED };
    if inner.accepts(token).await { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}
