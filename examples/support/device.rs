//! `/oauth2/device_authorization` (RFC 8628 §3.1), and the page `/oauth2/device` where a user enters the code that a device shows.

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{Query, State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, HOST},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    client_auth::{Credentials, Refusal, authenticate},
    device_codes::{INTERVAL, LIFETIME},
    pages,
    server::Gateway,
    token_endpoint::granted,
};

#[derive(Deserialize)]
pub(super) struct DeviceRequest {
    #[serde(flatten)]
    client: Credentials,
    scope: Option<String>,
}

/// `verification_uri_complete` brings the code along.
#[derive(Deserialize)]
pub(super) struct Shown {
    user_code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Consent {
    user_code: String,
    username: Option<String>,
    password: Option<String>,
    decision: String,
}

pub(super) async fn ask(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    form: Result<Form<DeviceRequest>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(request) = form.map_err(|_| Refusal("invalid_request"))?;
    let client = authenticate(&gateway, &headers, request.client)?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).ok_or(Refusal("invalid_request"))?;
    let scopes = granted(&gateway.options, request.scope.as_deref());
    let (device_code, user_code) = gateway.device_codes().add(client, scopes);
    let page = format!("http://{host}/oauth2/device");
    let body = json!({
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "verification_uri": page,
        "device_code": device_code,
        "user_code": user_code,
        "expires_in": LIFETIME.as_secs(),
        "interval": INTERVAL.as_secs(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

pub(super) async fn page(Query(shown): Query<Shown>) -> Response {
    pages::device(StatusCode::OK, &shown.user_code.unwrap_or_default(), "", None)
}

pub(super) async fn decide(State(gateway): State<Arc<Gateway>>, Form(consent): Form<Consent>) -> Response {
    let Consent { user_code, username, password, decision } = consent;
    let (user, password) = (username.unwrap_or_default(), password.unwrap_or_default());
    let is_allowed = decision == "allow";
    if !gateway.device_codes().knows(&user_code) {
        return pages::device(StatusCode::NOT_FOUND, "", &user, Some("No device shows this code, or not any more."));
    }
    if is_allowed && !gateway.knows(&user, &password) {
        let message = "This name and password do not belong together.";
        return pages::device(StatusCode::FORBIDDEN, &user_code, &user, Some(message));
    }
    gateway.device_codes().decide(&user_code, is_allowed.then_some(user));
    let message = if is_allowed { "The device is connected." } else { "The device gets no access." };
    pages::device(StatusCode::OK, "", "", Some(message))
}
