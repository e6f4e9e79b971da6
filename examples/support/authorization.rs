//! `/oauth2/authorize` (RFC 6749 §4.1.1, with PKCE as RFC 9700 §2.1.1 asks for): a page where the user logs in, and the way
//! back to the client.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{StatusCode, Uri};
use serde::Deserialize;

use super::{codes::Grant, pages, server::Gateway, token_endpoint::granted, tokens::Slot};

/// What the client asks for; the page sends it along with the user's answer.
#[derive(Clone, Deserialize)]
pub(super) struct AuthorizationRequest {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) response_type: String,
    pub(super) scope: Option<String>,
    pub(super) state: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) code_challenge_method: Option<String>,
}

/// What the user says to it.
#[derive(Deserialize)]
pub(super) struct Consent {
    #[serde(flatten)]
    request: AuthorizationRequest,
    username: Option<String>,
    password: Option<String>,
    decision: String,
}

/// Why the user is not asked, or not believed.
enum Refusal {
    /// Whoever asks with a redirection of their own gets no redirect (RFC 6749 §4.1.2.1).
    Unregistered,
    /// An error code for the client.
    Back(&'static str),
    WrongPassword(String),
}

pub(super) async fn ask(State(gateway): State<Arc<Gateway>>, Query(request): Query<AuthorizationRequest>) -> Response {
    match check(&gateway, &request) {
        Ok(_) => pages::login(StatusCode::OK, &request, None),
        Err(refusal) => refusal.answer(&request),
    }
}

pub(super) async fn decide(State(gateway): State<Arc<Gateway>>, Form(consent): Form<Consent>) -> Response {
    let request = consent.request.clone();
    match authorize(&gateway, consent) {
        Ok(code) => back(&request, "code", &code),
        Err(refusal) => refusal.answer(&request),
    }
}

fn authorize(gateway: &Gateway, consent: Consent) -> Result<String, Refusal> {
    let request = consent.request;
    let challenge = check(gateway, &request)?;
    if consent.decision != "allow" {
        return Err(Refusal::Back("access_denied"));
    }
    let (user, password) = (consent.username.unwrap_or_default(), consent.password.unwrap_or_default());
    if !gateway.knows(&user, &password) {
        return Err(Refusal::WrongPassword(user));
    }
    let scopes = granted(&gateway.options, request.scope.as_deref());
    let slot = Slot { client: request.client_id, user: Some(user), scopes, ..Slot::default() };
    Ok(gateway.codes().add(Grant { slot, redirect_uri: request.redirect_uri, challenge }))
}

/// The PKCE challenge of a request that is in order.
fn check(gateway: &Gateway, request: &AuthorizationRequest) -> Result<String, Refusal> {
    let registered = gateway.options.redirect_uris.get(&request.client_id);
    if registered.is_none_or(|uri| !is_same(uri, &request.redirect_uri)) {
        return Err(Refusal::Unregistered);
    }
    if request.response_type != "code" {
        return Err(Refusal::Back("unsupported_response_type"));
    }
    match &request.code_challenge {
        Some(challenge) if request.code_challenge_method.as_deref() == Some("S256") => Ok(challenge.clone()),
        _ => Err(Refusal::Back("invalid_request")),
    }
}

/// Whether a redirection is the registered one. A program on the user's machine listens on whatever port is free.
fn is_same(registered: &str, asked: &str) -> bool {
    let without_port = |uri: &str| {
        let uri: Uri = uri.parse().ok()?;
        let is_loopback = matches!(uri.host()?, "127.0.0.1" | "[::1]") && uri.scheme_str() == Some("http");
        let has_user = uri.authority()?.as_str().contains('@');
        (is_loopback && !has_user).then(|| (uri.host().map(str::to_owned), uri.path_and_query().cloned()))
    };
    registered == asked || without_port(registered).is_some_and(|parts| without_port(asked) == Some(parts))
}

impl Refusal {
    fn answer(&self, request: &AuthorizationRequest) -> Response {
        match self {
            Self::Unregistered => pages::refusal("This application is not registered here, or not with this address."),
            Self::Back(code) => back(request, "error", code),
            Self::WrongPassword(user) => pages::login(StatusCode::FORBIDDEN, request, Some(user)),
        }
    }
}

fn back(request: &AuthorizationRequest, name: &str, value: &str) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value);
    if let Some(state) = &request.state {
        query.append_pair("state", state);
    }
    let joint = if request.redirect_uri.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{}{joint}{}", request.redirect_uri, query.finish())).into_response()
}
