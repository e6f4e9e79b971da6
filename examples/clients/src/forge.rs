//! A forge as GitHub is one: tags in pages, archives on another host.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HOST, LINK},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many pages of tags there are; each has two.
pub const PAGES: usize = 3;

#[derive(Deserialize)]
struct Place {
    page: Option<usize>,
}

/// The API. The archives are at `archives`.
pub fn router(archives: &str) -> Router<()> {
    let archives = archives.to_owned();
    Router::new()
        .route("/repos/acme/shop/tags", get(tags))
        .route("/repos/acme/old-name/tags", get(async || Redirect::permanent("/repos/acme/shop/tags?page=3")))
        .route("/repos/acme/shop/tarball/{tag}", get(async move || found(&format!("{archives}/shop.tar"))))
}

async fn tags(Query(Place { page }): Query<Place>, headers: HeaderMap) -> Response {
    let page = page.unwrap_or(1);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let tags: Vec<_> = (1..=2).map(|place| tag(&format!("v{page}.{place}"))).collect();
    if page == PAGES {
        return Json(tags).into_response();
    }
    let next = format!("<http://{host}/repos/acme/shop/tags?page={}>; rel=\"next\"", page + 1);
    ([(LINK, next)], Json(tags)).into_response()
}

fn tag(name: &str) -> Value {
    let url = "https://api.example/shop";
    json!({
        "name": name, "node_id": name, "zipball_url": url, "tarball_url": url,
        "commit": { "sha": "c0ffee", "url": url },
    })
}

fn found(to: &str) -> Response {
    (StatusCode::FOUND, [("location", to.to_owned())]).into_response()
}

/// The answer to a token that is not good. GitHub sends no challenge.
pub fn bad_credentials() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Bad credentials", "status": "401" }))).into_response()
}

/// Another host, which no token is meant for. Clones share one list.
#[derive(Clone, Default)]
pub struct Archives(Arc<Mutex<Vec<Option<String>>>>);

impl Archives {
    pub fn router(&self) -> Router<()> {
        Router::new().route("/shop.tar", get(archive)).with_state(self.clone())
    }

    /// The `Authorization` header of each request, if it had one.
    pub fn seen(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn archive(State(Archives(seen)): State<Archives>, request: Request) -> &'static str {
    let header = request.headers().get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into());
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(header);
    "an archive"
}
