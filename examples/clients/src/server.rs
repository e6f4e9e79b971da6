//! Servers on the loopback interface, and a guard for those that want tokens of an issuer.

use std::io;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower_reauth::{
    ClientCredentialsGrant, Session,
    testing::{Answer, Issuer},
};

/// Serves `api` for the issuer's living tokens alone, and gives its address. Other calls get this rejection.
pub async fn guarded(api: Router, issuer: &Issuer, rejection: fn() -> Response) -> io::Result<String> {
    let in_its_words = move |request: Request, next: Next| async move {
        let (head, body) = request.into_parts();
        // Read to its end, whatever comes of it: else the connection may break before the client has read the answer.
        let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
        let answer = next.run(Request::from_parts(head, Body::from(body.to_bytes()))).await;
        if answer.status() == StatusCode::UNAUTHORIZED { rejection() } else { answer }
    };
    serve(api.layer(issuer.guard()).layer(middleware::from_fn(in_its_words))).await
}

/// Serves on a free port, and gives its address.
pub async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// A session whose tokens come from this issuer.
pub fn session(issuer: &Issuer) -> Session {
    Session::new(ClientCredentialsGrant::new(issuer.endpoint()))
}

/// From now on the issuer gives out tokens that no guard takes.
pub fn issue_bad_tokens(issuer: &Issuer) {
    issuer.always(Answer::status(200, r#"{ "access_token": "forged", "token_type": "Bearer" }"#));
}

/// How many calls the guard has rejected.
pub fn rejected(issuer: &Issuer) -> usize {
    issuer.journal().iter().filter(|entry| entry.answer.as_deref() == Some("401")).count()
}

/// A client without TLS: all servers here are on this machine.
pub fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}
