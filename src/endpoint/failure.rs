//! What users are told of an unsuccessful answer, and for how long it asks them to wait.

use std::time::Duration;

use http::{
    HeaderMap, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{
    dates::told_at,
    step::Step,
    verdict::{Refusal, verdict},
};
use crate::error::Error;

/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// What the body of an answer without tokens holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told<'a> {
    /// The `error` member is there.
    pub(super) is_error: bool,
    /// The code in it.
    pub(super) code: Option<&'a str>,
    /// The server's own words; secrets may stand in them.
    pub(super) description: Option<&'a str>,
    /// The body starts as a page for people does.
    pub(super) page: bool,
}

/// The error that an answer without tokens stands for.
pub(super) fn failure(step: &Step<'_>, status: StatusCode, headers: &HeaderMap, told: Told<'_>) -> Error {
    let wait = retry_after(headers);
    // A code that repeats the status says nothing, and what does not look like a code is none.
    let code = told.code.filter(|code| is_readable(code) && !repeats(code, status));
    let (verdict, kind, why) = verdict(Refusal {
        status,
        code,
        is_error: told.is_error,
        page: told.page,
        retry_after: wait.is_some(),
        basic: asks_for_the_client(headers),
    });
    let mut error = step.error(kind, why).with_status(status).with_verdict(verdict);
    let secrets = step.secrets();
    // One of ours that came back in its place would be told in messages.
    if let Some(code) = code.filter(|code| !secrets.are_in(code)) {
        error = error.with_oauth_code(code);
    }
    if let Some(description) = told.description {
        error = error.with_description(secrets.cut(description));
    }
    match wait {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// Whether the status asks everyone to stay away for a while, and not only the sender of this request.
pub(super) fn holds_everyone(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// `Retry-After` in seconds or as a date ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)),
/// at most five minutes. A date is read against the answer's own. Zero, the past and what can't be read count as nothing said: the backoff decides then.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are still a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(told_at(headers)).ok()?
    };
    (!wait.is_zero()).then_some(wait.min(LONGEST_WAIT))
}

/// Whether the challenge is for the client's name and secret.
fn asks_for_the_client(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    lines.any(|line| {
        line.trim_start().split([' ', ',']).next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
    })
}

fn repeats(code: &str, status: StatusCode) -> bool {
    status.canonical_reason().is_some_and(|reason| reason.eq_ignore_ascii_case(code.trim()))
}

/// RFC 6749 lets a code hold almost any ASCII text; a message shows only what looks like a code.
fn is_readable(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::header::DATE;

    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
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
    fn date_to_wait_for_is_read_against_the_date_of_the_answer() {
        // Our clock is ten minutes ahead, or behind.
        for server in [SystemTime::now() - Duration::from_secs(600), SystemTime::now() + Duration::from_secs(600)] {
            let mut headers = HeaderMap::new();
            let date = |time| httpdate::fmt_http_date(time).parse().unwrap();
            headers.insert(DATE, date(server));
            headers.insert(RETRY_AFTER, date(server + Duration::from_secs(40)));
            assert_eq!(retry_after(&headers), Some(Duration::from_secs(40)));
            headers.insert(RETRY_AFTER, date(server - Duration::from_secs(40)));
            assert_eq!(retry_after(&headers), None);
        }
    }

    #[test]
    fn only_what_looks_like_a_code_is_shown() {
        assert!(is_readable("invalid_grant"));
        assert!(is_readable(&"a".repeat(64)));
        for code in ["", &"a".repeat(65), "has space", "line\nbreak", "ümlaut", "<b>"] {
            assert!(!is_readable(code), "{code}");
        }
    }
}
