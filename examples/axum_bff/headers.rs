//! Which headers pass between browser and gateway. A list of what may pass, since nobody knows all that must not: this is how
//! `Authorization`, `Cookie`, `Set-Cookie`, `WWW-Authenticate` and what belongs to one connection (RFC 9110 §7.6.1) stay out.

use http::{
    HeaderMap, HeaderName,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, ACCEPT_RANGES, CONNECTION, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
        CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
        LAST_MODIFIED, RANGE, RETRY_AFTER, USER_AGENT, VARY,
    },
};

/// From the browser to the gateway. `Content-Length` is the client's business.
const TO_GATEWAY: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
    RANGE,
    USER_AGENT,
];

/// From the gateway to the browser. No `Cache-Control`: what belongs to a user is not stored.
const TO_BROWSER: [HeaderName; 10] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    VARY,
];

pub(crate) fn to_gateway(headers: &HeaderMap) -> HeaderMap {
    passing(headers, &TO_GATEWAY)
}

pub(crate) fn to_browser(headers: &HeaderMap) -> HeaderMap {
    passing(headers, &TO_BROWSER)
}

fn passing(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    // What `Connection` names is for the other end of the connection, whatever it is.
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let held: Vec<_> = connection.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut passing = HeaderMap::new();
    for name in names.iter().filter(|name| !held.iter().any(|held| held.eq_ignore_ascii_case(name.as_str()))) {
        for value in headers.get_all(name) {
            passing.append(name, value.clone());
        }
    }
    passing
}
