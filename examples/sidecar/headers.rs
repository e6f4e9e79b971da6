//! What belongs to one connection stays on it (RFC 9110 §7.6.1).

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// From the program, which speaks this version, to the upstream. The program's own credentials go nowhere.
pub(crate) fn to_upstream(headers: &mut HeaderMap, from: Version, is_http2: bool, credentials: &[HeaderName]) {
    let trailers = headers.get_all(TE).iter().any(takes_trailers);
    // Of a request that has both, the length is not to be trusted (RFC 9112 §6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove_of_connection(headers);
    // The client makes `Host` of the address. What the program expects before it sends its body, it got from us.
    for name in [HOST, EXPECT].iter().chain(credentials) {
        headers.remove(name);
    }
    // HTTP/2 may split it, HTTP/1.1 may not (RFC 9113 §8.2.3).
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookie);
    }
    if trailers {
        headers.insert(TE, TRAILERS);
        // RFC 9110 §10.1.4.
        if !is_http2 {
            headers.insert(CONNECTION, HeaderValue::from_name(TE));
        }
    }
    // RFC 9110 §7.6.3.
    headers.append(
        VIA,
        HeaderValue::from_static(match from {
            Version::HTTP_2 => "2 tower-reauth-sidecar",
            Version::HTTP_10 => "1.0 tower-reauth-sidecar",
            _ => "1.1 tower-reauth-sidecar",
        }),
    );
}

/// From the upstream to the program.
pub(crate) fn to_program(headers: &mut HeaderMap) {
    remove_of_connection(headers);
}

fn remove_of_connection(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    let always = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.iter().chain(&always) {
        headers.remove(name);
    }
}

fn takes_trailers(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")))
}
