//! A bucket of Google Cloud Storage, which keeps what is put there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{
    StatusCode,
    header::{ETAG, LAST_MODIFIED, WWW_AUTHENTICATE},
};

/// Clones share one content.
#[derive(Clone, Default)]
pub struct Bucket(Arc<Mutex<HashMap<String, Bytes>>>);

impl Bucket {
    pub fn router(&self) -> Router<()> {
        Router::new()
            .route("/backups/{*name}", get(read).put(write))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }
}

/// The answer to a token that is not good.
pub fn unauthenticated() -> Response {
    let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

async fn write(State(Bucket(objects)): State<Bucket>, Path(name): Path<String>, content: Bytes) -> Response {
    objects.lock().unwrap_or_else(PoisonError::into_inner).insert(name, content);
    [(ETAG, "\"1\"")].into_response()
}

async fn read(State(Bucket(objects)): State<Bucket>, Path(name): Path<String>) -> Response {
    let content = objects.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    match content {
        Some(content) => ([(ETAG, "\"1\""), (LAST_MODIFIED, "Sat, 28 Nov 2026 12:00:00 GMT")], content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
