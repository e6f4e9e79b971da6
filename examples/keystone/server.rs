//! A Keystone and a compute service, as far as the published exchange of the identity API v3 goes: password authentication, scoped or
//! not, tokens with an end, and their revocation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, StatusCode,
    header::{VARY, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};
use tokio::{net::TcpListener, time::Instant};

/// Clones are the same cloud.
#[derive(Clone)]
pub(crate) struct OpenStack {
    user: Arc<str>,
    password: Arc<str>,
    lifetime: Duration,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    /// Each with its end.
    tokens: HashMap<String, Instant>,
    /// All that were ever issued.
    issued: Vec<String>,
    /// All that a client has deleted.
    deleted: Vec<String>,
    refused: usize,
}

impl OpenStack {
    /// A cloud with one user, whose tokens live so long.
    pub(crate) fn new(user: &str, password: &str, lifetime: Duration) -> Self {
        Self { user: user.into(), password: password.into(), lifetime, book: Arc::default() }
    }

    /// Serves until the program ends; gives its URL.
    pub(crate) async fn start(&self) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/v3/auth/tokens", post(log_in).delete(log_out))
            .route("/v2.1/servers", get(servers))
            .with_state(self.clone())
    }

    /// An administrator revokes every token.
    pub(crate) fn revoke_all(&self) {
        self.with(|book| book.tokens.clear());
    }

    pub(crate) fn logins(&self) -> usize {
        self.with(|book| book.issued.len())
    }

    pub(crate) fn refused(&self) -> usize {
        self.with(|book| book.refused)
    }

    /// How many tokens are good.
    pub(crate) fn tokens(&self) -> usize {
        self.with(|book| book.tokens.len())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Book) -> T) -> T {
        act(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The token of a header, if it is good.
    fn token(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let token = headers.get(name)?.to_str().ok()?;
        self.with(|book| book.tokens.get(token).is_some_and(|end| Instant::now() < *end)).then(|| token.to_owned())
    }
}

async fn log_in(State(cloud): State<OpenStack>, Json(request): Json<Value>) -> Response {
    let identity = &request["auth"]["identity"];
    let user = &identity["password"]["user"];
    let is_password = identity["methods"] == json!(["password"]) && user["domain"]["name"] == "Default";
    if !is_password || user["name"] != *cloud.user || user["password"] != *cloud.password {
        cloud.with(|book| book.refused += 1);
        return unauthorized();
    }
    let token = cloud.with(|book| {
        let token = format!("gAAAAAB-{}", book.issued.len() + 1);
        book.issued.push(token.clone());
        book.tokens.insert(token.clone(), Instant::now() + cloud.lifetime);
        token
    });
    let now = SystemTime::now();
    let mut issued = json!({
        "methods": ["password"],
        "user": {
            "domain": { "id": "default", "name": "Default" },
            "id": "ee4dfb6e5540447cb3741905149d9b6e",
            "name": *cloud.user,
            "password_expires_at": null,
        },
        "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
        "issued_at": microseconds(now),
        "expires_at": microseconds(now + cloud.lifetime),
    });
    if let Some(project) = request["auth"]["scope"]["project"]["name"].as_str() {
        let domain = json!({ "id": "default", "name": "Default" });
        issued["project"] = json!({ "domain": domain, "id": "263fd9", "name": project });
        issued["roles"] = json!([{ "id": "51cc68287d524c759f47c811e6463340", "name": "member" }]);
        issued["catalog"] = json!([]);
    }
    let headers = [("x-subject-token", token.as_str()), (VARY.as_str(), "X-Auth-Token")];
    (StatusCode::CREATED, headers, Json(json!({ "token": issued }))).into_response()
}

async fn log_out(State(cloud): State<OpenStack>, headers: HeaderMap) -> Response {
    if cloud.token(&headers, "x-auth-token").is_none() {
        return unauthorized();
    }
    let Some(subject) = cloud.token(&headers, "x-subject-token") else {
        return failure(StatusCode::NOT_FOUND, "This is not a recognized Fernet token.", "Not Found");
    };
    cloud.with(|book| {
        book.tokens.remove(&subject);
        book.deleted.push(subject);
    });
    StatusCode::NO_CONTENT.into_response()
}

async fn servers(State(cloud): State<OpenStack>, headers: HeaderMap) -> Response {
    match cloud.token(&headers, "x-auth-token") {
        Some(_) => Json(json!({ "servers": [] })).into_response(),
        None => unauthorized(),
    }
}

fn unauthorized() -> Response {
    let message = "The request you have made requires authentication.";
    let answer = failure(StatusCode::UNAUTHORIZED, message, "Unauthorized");
    ([(WWW_AUTHENTICATE, r#"Keystone uri="http://cloud.example/v3""#)], answer).into_response()
}

fn failure(status: StatusCode, message: &str, title: &str) -> Response {
    let error = json!({ "code": status.as_u16(), "message": message, "title": title });
    (status, Json(json!({ "error": error }))).into_response()
}

/// As Keystone writes it.
fn microseconds(at: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::from(at).format(format).unwrap_or_default()
}
