//! Which client is asking: HTTP Basic, the form's own fields (RFC 6749 §2.3.1), or a signed JWT (RFC 7523 §2.2).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;

use super::server::Gateway;

const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client says of itself in the form.
#[derive(Default, Deserialize)]
pub(super) struct Credentials {
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

/// An OAuth error (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal(pub(super) &'static str);

/// The name of the client that proved who it is.
pub(super) fn authenticate(gateway: &Gateway, headers: &HeaderMap, form: Credentials) -> Result<String, Refusal> {
    let Credentials { client_id: id, client_secret: secret, client_assertion, client_assertion_type } = form;
    if let Some(jwt) = client_assertion {
        if headers.contains_key(AUTHORIZATION) || secret.is_some() || client_assertion_type.as_deref() != Some(JWT) {
            return Err(Refusal("invalid_request"));
        }
        let client = gateway.assertions.client(&jwt).ok_or(Refusal("invalid_client"))?;
        // Where the form names the client as well, it is this one (RFC 7521 §4.2).
        return if id.is_none_or(|id| id == client) { Ok(client) } else { Err(Refusal("invalid_client")) };
    }
    let (id, secret) = match (headers.get(AUTHORIZATION), id, secret) {
        // RFC 6749 §2.3: one way of authentication per request.
        (Some(_), _, Some(_)) => return Err(Refusal("invalid_request")),
        (Some(header), ..) => header.to_str().ok().and_then(basic).ok_or(Refusal("invalid_client"))?,
        // A public client has the empty secret, and sends none.
        (None, Some(id), secret) => (id, secret.unwrap_or_default()),
        (None, ..) => return Err(Refusal("invalid_client")),
    };
    match gateway.options.clients.get(&id) {
        Some(known) if *known == secret => Ok(id),
        _ => Err(Refusal("invalid_client")),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0 {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = Json(json!({ "error": self.0, "error_description": "refused by the embedded gateway" }));
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = http::HeaderValue::from_static("Basic realm=\"WSO2 API Manager 4\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
}
