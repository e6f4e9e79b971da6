//! What an unsuccessful answer means: statuses and OAuth error codes (RFC 6749 §5.2).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use super::step::Step;
use crate::{Error, ErrorKind};

/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The error that an answer stands for, given the `error` member of its body, if it has one.
pub(super) fn failure(step: &Step<'_>, status: StatusCode, headers: &HeaderMap, code: Option<&str>) -> Error {
    let (kind, why) = meaning(status, code);
    let mut error = step.error(kind, why).with_status(status);
    if let Some(code) = code.filter(|code| is_printable(code)) {
        error = error.with_oauth_code(code);
    }
    match retry_after(headers) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// Whether the status asks everyone to stay away for a while, and not only the sender of this request.
pub(super) fn holds_everyone(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// `Retry-After` in seconds or as a date ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)),
/// at most five minutes. Zero, the past and what can't be read count as nothing said: the backoff decides then.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are still a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()?
    };
    (!wait.is_zero()).then_some(wait.min(LONGEST_WAIT))
}

fn meaning(status: StatusCode, code: Option<&str>) -> (ErrorKind, &'static str) {
    // Servers put OAuth codes on outages: with these statuses the body decides nothing (invariant 5).
    if status.is_server_error() {
        return (ErrorKind::Unavailable, "the server is in trouble");
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return (ErrorKind::Unavailable, "the server gets too many requests");
    }
    if status.is_redirection() {
        return (ErrorKind::Redirected, "the server answered with a redirect");
    }
    match code {
        Some("temporarily_unavailable" | "server_error" | "slow_down") => {
            (ErrorKind::Unavailable, "the server is in trouble")
        }
        Some(
            "invalid_grant"
            | "interaction_required"
            | "consent_required"
            | "login_required"
            | "unauthorized_client"
            | "access_denied",
        ) => (ErrorKind::Refused, "the server refused the credentials"),
        Some("invalid_client") => (ErrorKind::Misconfigured, "the server refused the client"),
        Some("unsupported_grant_type" | "invalid_scope" | "invalid_target" | "invalid_request") => {
            (ErrorKind::Misconfigured, "the server objects to the request")
        }
        Some(_) => (ErrorKind::OAuth, "the server answered with an OAuth error"),
        None if status == StatusCode::UNAUTHORIZED => (ErrorKind::Misconfigured, "the server refused the client"),
        None => (ErrorKind::UnexpectedStatus, "the server answered with a status that is not expected here"),
    }
}

/// RFC 6749 lets a code hold almost any ASCII text; a message shows only what looks like a code.
fn is_printable(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn status_and_code_decide_the_kind() {
        use ErrorKind::*;
        for (status, code, kind) in [
            (500, Some("invalid_grant"), Unavailable),
            (502, None, Unavailable),
            (503, Some("invalid_client"), Unavailable),
            (599, None, Unavailable),
            (429, Some("invalid_grant"), Unavailable),
            (301, None, Redirected),
            (307, Some("invalid_grant"), Redirected),
            (400, Some("temporarily_unavailable"), Unavailable),
            (400, Some("server_error"), Unavailable),
            (400, Some("slow_down"), Unavailable),
            (400, Some("invalid_grant"), Refused),
            (200, Some("invalid_grant"), Refused),
            (400, Some("interaction_required"), Refused),
            (400, Some("consent_required"), Refused),
            (400, Some("login_required"), Refused),
            (400, Some("unauthorized_client"), Refused),
            (403, Some("access_denied"), Refused),
            (401, Some("invalid_grant"), Refused),
            (401, Some("invalid_client"), Misconfigured),
            (400, Some("invalid_client"), Misconfigured),
            (400, Some("unsupported_grant_type"), Misconfigured),
            (400, Some("invalid_scope"), Misconfigured),
            (400, Some("invalid_target"), Misconfigured),
            (400, Some("invalid_request"), Misconfigured),
            (400, Some("use_dpop_nonce"), OAuth),
            (400, Some("Invalid_Grant"), OAuth),
            (400, Some(""), OAuth),
            (401, None, Misconfigured),
            (400, None, UnexpectedStatus),
            (404, None, UnexpectedStatus),
            (201, None, UnexpectedStatus),
            (101, None, UnexpectedStatus),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning(status, code).0, kind, "{status} {code:?}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_date_and_capped() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        for text in ["301", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(wait(text), Some(LONGEST_WAIT), "{text}");
        }
        let soon = wait(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(200))).unwrap();
        assert!(soon > Duration::from_secs(150) && soon <= Duration::from_secs(200), "{soon:?}");
        for text in ["0", "", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_looks_like_a_code_is_shown() {
        assert!(is_printable("invalid_grant"));
        assert!(is_printable(&"a".repeat(64)));
        for code in ["", &"a".repeat(65), "has space", "line\nbreak", "ümlaut", "<b>"] {
            assert!(!is_printable(code), "{code}");
        }
    }
}
