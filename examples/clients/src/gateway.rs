//! A server that issues tokens, and lets nobody through to an API without the newest one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use tokio::net::TcpListener;
use tower_reauth::{ClientAuth, ClientCredentialsGrant, Error, Session, TokenEndpoint};

/// Clones share one book.
#[derive(Clone, Default)]
pub struct Gateway(Arc<Book>);

#[derive(Default)]
struct Book {
    issued: AtomicUsize,
    rejected: AtomicUsize,
    is_revoked: AtomicBool,
    refuses_logins: AtomicBool,
    rejects_all: AtomicBool,
}

impl Gateway {
    /// `api` behind a guard that answers with `rejection`, and `/token` beside it. Gives their address.
    pub async fn start(&self, api: Router, rejection: fn() -> Response) -> io::Result<String> {
        let guard = move |State(gateway): State<Self>, request: Request, next: Next| async move {
            if gateway.lets_in(&request) {
                return next.run(request).await;
            }
            gateway.0.rejected.fetch_add(1, SeqCst);
            // Read to its end: else the connection may break before the client has read the answer.
            _ = request.into_body().collect().await;
            rejection()
        };
        let guarded = api.layer(middleware::from_fn_with_state(self.clone(), guard));
        serve(guarded.route("/token", post(token).with_state(self.clone()))).await
    }

    /// The token in force is not good any more.
    pub fn revoke(&self) {
        self.0.is_revoked.store(true, SeqCst);
    }

    /// From now on the client's secret is wrong.
    pub fn refuse_logins(&self) {
        self.0.refuses_logins.store(true, SeqCst);
    }

    /// From now on no token is good, however new.
    pub fn reject_all(&self) {
        self.0.rejects_all.store(true, SeqCst);
    }

    /// How many tokens were issued.
    pub fn issued(&self) -> usize {
        self.0.issued.load(SeqCst)
    }

    /// How many requests the guard has turned away.
    pub fn rejected(&self) -> usize {
        self.0.rejected.load(SeqCst)
    }

    fn lets_in(&self, request: &Request) -> bool {
        let good = format!("Bearer token-{}", self.issued());
        !self.0.is_revoked.load(SeqCst)
            && !self.0.rejects_all.load(SeqCst)
            && request.headers().get(AUTHORIZATION).is_some_and(|sent| sent == good.as_str())
    }
}

async fn token(State(Gateway(book)): State<Gateway>) -> Response {
    if book.refuses_logins.load(SeqCst) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    book.is_revoked.store(false, SeqCst);
    let number = book.issued.fetch_add(1, SeqCst) + 1;
    Json(json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 3600 }))
        .into_response()
}

/// Serves on a port of the loopback interface, and gives its address.
pub async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// A session whose tokens come from the gateway at `url`.
pub fn session(url: &str) -> Result<Session, Error> {
    let endpoint =
        TokenEndpoint::new(http(), format!("{url}/token"))?.client_auth(ClientAuth::basic("program", "secret"));
    Ok(Session::new(ClientCredentialsGrant::new(endpoint)))
}

/// A client without TLS: all servers here are on this machine.
pub fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}
