//! The other firm's API, with its authorization server: it trusts the company's assertions.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use serde_json::json;

use crate::{
    key::Public,
    server::{self, Answer, Form, parameter, refused},
};

#[derive(Clone)]
pub(crate) struct Api {
    url: String,
    trusted: Arc<Trusted>,
    book: Arc<Mutex<Book>>,
}

struct Trusted {
    company: (String, Public),
    client: Public,
}

#[derive(Default)]
struct Book {
    grants: usize,
    /// Of client assertions: each is good once.
    seen: HashSet<String>,
    alive: HashSet<String>,
}

impl Api {
    pub(crate) async fn start(company: &str, key: Public, client: Public) -> anyhow::Result<Self> {
        let trusted = Arc::new(Trusted { company: (company.to_owned(), key), client });
        let book = Arc::<Mutex<Book>>::default();
        let url = server::start(|url| {
            let api = Self { url: url.to_owned(), trusted: trusted.clone(), book: book.clone() };
            Ok(Router::new().route("/token", post(token)).route("/orders", get(orders)).with_state(api))
        })
        .await?;
        Ok(Self { url, trusted, book })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/token", self.url)
    }

    pub(crate) fn grants(&self) -> usize {
        self.with(|book| book.grants)
    }

    pub(crate) fn revoke_all(&self) {
        self.with(|book| book.alive.clear());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Book) -> T) -> T {
        act(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn authenticate(&self, form: &Form) -> anyhow::Result<()> {
        let assertion = parameter(form, "client_assertion")?;
        let claims = self.trusted.client.verify(assertion, "JWT", "billing", &self.url)?;
        let id = claims["jti"].as_str().unwrap_or_default().to_owned();
        anyhow::ensure!(self.with(|book| book.seen.insert(id)), "this assertion was sent before");
        Ok(())
    }

    /// A token for whom the company's assertion names.
    fn issue(&self, form: &Form) -> anyhow::Result<String> {
        anyhow::ensure!(
            parameter(form, "grant_type")? == "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "nothing but assertions is taken here"
        );
        let (company, key) = &self.trusted.company;
        let employee = key.verify(parameter(form, "assertion")?, "oauth-id-jag+jwt", company, &self.url)?;
        Ok(self.with(|book| {
            book.grants += 1;
            let token = format!("{}-{}", employee["sub"].as_str().unwrap_or_default(), book.grants);
            book.alive.insert(token.clone());
            token
        }))
    }
}

async fn token(State(api): State<Api>, axum::Form(form): axum::Form<Form>) -> Answer {
    api.authenticate(&form).map_err(|why| refused("invalid_client", &why))?;
    let token = api.issue(&form).map_err(|why| refused("invalid_grant", &why))?;
    Ok(Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 })))
}

async fn orders(State(api): State<Api>, headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match token.filter(|token| api.with(|book| book.alive.contains(*token))) {
        Some(_) => Json(json!([])).into_response(),
        None => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)]).into_response(),
    }
}
