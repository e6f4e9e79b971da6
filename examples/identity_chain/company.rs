//! The company's authorization server: it knows the employees, and asserts who they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::json;
use tower_reauth::TokenType;

use crate::{
    key::Key,
    server::{self, Answer, Form, parameter, refused, seconds_since_1970},
};

#[derive(Clone)]
pub(crate) struct Company {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    key: Key,
    lifetime: Duration,
    exchanges: AtomicUsize,
}

impl Company {
    pub(crate) async fn start(lifetime: Duration) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { key: Key::new("company-1")?, lifetime, exchanges: AtomicUsize::new(0) });
        let url = server::start(|url| {
            let company = Self { url: url.to_owned(), shared: shared.clone() };
            Ok(Router::new().route("/token", post(token)).with_state(company))
        })
        .await?;
        Ok(Self { url, shared })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/token", self.url)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.shared.key
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// What a login in the browser would have brought.
    pub(crate) fn id_token(&self, user: &str) -> anyhow::Result<String> {
        let now = seconds_since_1970();
        let claims = json!({ "iss": self.url, "sub": user, "aud": "billing", "iat": now, "exp": now + 3600 });
        self.shared.key.sign("JWT", &claims)
    }

    /// Another server takes this as the employee's word.
    fn assert(&self, form: &Form) -> anyhow::Result<String> {
        anyhow::ensure!(
            parameter(form, "grant_type")? == "urn:ietf:params:oauth:grant-type:token-exchange"
                && parameter(form, "subject_token_type")? == TokenType::ID_TOKEN.as_str()
                && parameter(form, "requested_token_type")? == TokenType::ID_JAG.as_str(),
            "nothing but ID tokens is exchanged here, for identity assertions"
        );
        let employee =
            self.shared.key.public().verify(parameter(form, "subject_token")?, "JWT", &self.url, "billing")?;
        let now = seconds_since_1970();
        let claims = json!({
            "iss": self.url,
            "sub": employee["sub"],
            "aud": parameter(form, "audience")?,
            "client_id": "billing",
            "scope": form.get("scope"),
            "iat": now,
            "exp": now + self.shared.lifetime.as_secs(),
        });
        self.shared.key.sign("oauth-id-jag+jwt", &claims)
    }
}

async fn token(State(company): State<Company>, headers: HeaderMap, axum::Form(form): axum::Form<Form>) -> Answer {
    company.shared.exchanges.fetch_add(1, Ordering::Relaxed);
    let expected = format!("Basic {}", STANDARD.encode("billing:secret-of-billing-at-the-company"));
    if headers.get(AUTHORIZATION).is_none_or(|value| value != expected.as_str()) {
        return Err(refused("invalid_client", &anyhow::anyhow!("this is not billing")));
    }
    let assertion = company.assert(&form).map_err(|why| refused("invalid_request", &why))?;
    Ok(Json(json!({
        "access_token": assertion,
        "issued_token_type": TokenType::ID_JAG.as_str(),
        // It opens nothing by itself (RFC 8693 §2.2.1).
        "token_type": "N_A",
        "expires_in": company.shared.lifetime.as_secs(),
    })))
}
