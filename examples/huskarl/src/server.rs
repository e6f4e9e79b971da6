//! A server that issues tokens and knows the newest one alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use serde_json::{Value, json};

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    book: Arc<Book>,
}

#[derive(Default)]
struct Book {
    issued: AtomicUsize,
    revoked: AtomicBool,
}

impl Server {
    pub(crate) fn token_requests(&self) -> usize {
        self.book.issued.load(Ordering::SeqCst)
    }

    pub(crate) fn revoke(&self) {
        self.book.revoked.store(true, Ordering::SeqCst);
    }
}

pub(crate) async fn start() -> anyhow::Result<Server> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let server = Server { url: format!("http://{}", listener.local_addr()?), book: Arc::default() };
    let router =
        Router::new().route("/token", post(token)).route("/orders", get(orders)).with_state(server.book.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(server)
}

async fn token(State(book): State<Arc<Book>>) -> Json<Value> {
    book.revoked.store(false, Ordering::SeqCst);
    let number = book.issued.fetch_add(1, Ordering::SeqCst) + 1;
    Json(json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 3600 }))
}

async fn orders(State(book): State<Arc<Book>>, headers: HeaderMap) -> StatusCode {
    let good = format!("Bearer token-{}", book.issued.load(Ordering::SeqCst));
    let is_good =
        !book.revoked.load(Ordering::SeqCst) && headers.get(AUTHORIZATION).is_some_and(|sent| sent == good.as_str());
    if is_good { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}
