//! The API behind the gateway: `GET /orders` counts, `POST /orders` creates one and echoes its body.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, LOCATION},
};
use serde_json::json;

use super::{fault::Fault, journal::What, server::Gateway, tokens::Standing};

/// Lets a request through, or answers it with a fault.
pub(super) async fn guard(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let mut answer = match judge(&gateway, &request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.answer(request.headers()),
    };
    gateway.proofs.tell(answer.headers_mut());
    answer
}

pub(super) async fn list(State(gateway): State<Arc<Gateway>>) -> Response {
    Json(json!({ "orders": gateway.orders.load(Ordering::Relaxed) })).into_response()
}

pub(super) async fn create(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 16 << 20).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let order = gateway.orders.fetch_add(1, Ordering::Relaxed) + 1;
    let kind = head.headers.get(CONTENT_TYPE).cloned();
    let mut response = (StatusCode::CREATED, [(LOCATION, format!("/orders/{order}"))], body).into_response();
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

fn judge(gateway: &Gateway, request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let token = token_of(headers);
    // Held until it is written down: the journal tells of tokens in the order in which they lived.
    let tokens = gateway.tokens();
    let (number, fault) = match token.map(|token| tokens.standing(token)) {
        Some(Standing::Good { number, key }) => match prove(gateway, &method, request.uri(), headers, key.as_deref()) {
            Err(fault) => (Some(number), fault),
            Ok(()) => {
                let again = gateway.journal.is_replay(headers);
                gateway.journal.write(headers, What::Accepted { method, path, number, again });
                return Ok(());
            }
        },
        Some(Standing::Expired(number)) => (Some(number), Fault::Expired),
        Some(Standing::Inactive(number)) => (Some(number), Fault::Inactive),
        Some(Standing::Unknown) => (None, Fault::InvalidCredentials),
        None => (None, Fault::MissingCredentials),
    };
    gateway.journal.write(headers, What::Rejected { method, path, number, fault });
    drop(tokens);
    Err(fault)
}

/// The token of a request (RFC 6750 §2.1, RFC 9449 §7.1).
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    presented(headers).map(|(_, token)| token)
}

/// A token that is bound to a key comes with a proof of that key, and no other one does.
pub(super) fn prove(
    gateway: &Gateway,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    key: Option<&str>,
) -> Result<(), Fault> {
    let (is_dpop, token) = presented(headers).ok_or(Fault::MissingCredentials)?;
    if is_dpop != key.is_some() {
        return Err(Fault::Unproved("invalid_token"));
    }
    let Some(key) = key else { return Ok(()) };
    match gateway.proofs.key(method, uri, headers, Some(token)).map_err(Fault::Unproved)? {
        Some(proved) if proved == key => Ok(()),
        _ => Err(Fault::Unproved("invalid_token")),
    }
}

/// Whether the scheme is that of DPoP, and the token.
fn presented(headers: &HeaderMap) -> Option<(bool, &str)> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_dpop = scheme.eq_ignore_ascii_case("dpop");
    (is_dpop || scheme.eq_ignore_ascii_case("bearer")).then_some((is_dpop, token.trim()))
}
