//! What both authorization servers have in common: a form in, JSON out, on a loopback socket.

use std::collections::HashMap;

use axum::{Json, Router, http::StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) type Form = HashMap<String, String>;
pub(crate) type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// Serves until the program ends; `router` is told the address.
pub(crate) async fn start(router: impl FnOnce(&str) -> anyhow::Result<Router>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = router(&url)?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

pub(crate) fn refused(code: &str, why: &anyhow::Error) -> (StatusCode, Json<Value>) {
    let status = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    (status, Json(json!({ "error": code, "error_description": why.to_string() })))
}

pub(crate) fn parameter<'a>(form: &'a Form, name: &str) -> anyhow::Result<&'a str> {
    form.get(name).map(String::as_str).ok_or_else(|| anyhow::anyhow!("{name} is missing"))
}

pub(crate) fn seconds_since_1970() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
