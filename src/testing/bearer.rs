//! How a token comes in, and how one is rejected.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};

use crate::scheme::Scheme;

const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#);
/// gRPC's UNAUTHENTICATED.
const UNAUTHENTICATED: HeaderValue = HeaderValue::from_static("16");

/// The token of the only value of this header, if that is of this scheme.
pub(super) fn token_in<'a>(headers: &'a HeaderMap, name: &HeaderName, scheme: &Scheme) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok().filter(|_| values.next().is_none())?;
    match scheme.as_word() {
        Some(word) => value.strip_prefix(word)?.strip_prefix(' '),
        None => Some(value),
    }
}

/// Rejects a token with a challenge ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
pub(super) fn rejection<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    response
}

/// Rejects a token in gRPC's way, without a message.
pub(super) fn grpc_rejection<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-status", UNAUTHENTICATED);
    response.headers_mut().insert("grpc-message", HeaderValue::from_static("the token is not good"));
    response
}

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
