//! Tests of reading answers.

use http::header::RETRY_AFTER;
use secrecy::ExposeSecret;

use super::{
    super::{address::Address, step::Purpose},
    *,
};

fn read(body: impl AsRef<[u8]>) -> Result<TokenSet, Error> {
    let address = Address::new("https://gw.example/token?key=hunter2").unwrap();
    tokens(&Step::new(Purpose::Refresh, &address), &HeaderMap::new(), body.as_ref())
}

fn kind(body: impl AsRef<[u8]>) -> ErrorKind {
    let shown = String::from_utf8_lossy(body.as_ref()).into_owned();
    let error = read(body).expect_err(&shown);
    assert_eq!(error.status(), Some(StatusCode::OK), "{shown}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    error.kind()
}

fn lifetime_of(value: &str) -> Option<Duration> {
    read(format!(r#"{{"access_token":"at","expires_in":{value}}}"#)).expect(value).lifetime()
}

#[test]
fn expires_in_is_taken_in_whole_seconds_however_it_is_written() {
    for (value, seconds) in [
        ("3600", 3600),
        ("1", 1),
        ("\"3600\"", 3600),
        ("\" 3600 \"", 3600),
        ("3600.0", 3600),
        ("3599.99", 3599),
        ("\"1.5\"", 1),
        ("1e3", 1000),
    ] {
        assert_eq!(lifetime_of(value), Some(Duration::from_secs(seconds)), "{value}");
    }
}

#[test]
fn absurd_lifetime_is_cut_to_a_hundred_years() {
    for value in ["18446744073709551615", "18446744073709551616", "1e300", "1e999", "\"1e999\"", &"9".repeat(5000)] {
        let lifetime = lifetime_of(value).expect(value);
        assert_eq!(lifetime, Duration::from_secs(3_155_760_000), "{value}");
        assert!(tokio::time::Instant::now().checked_add(lifetime).is_some());
    }
}

#[test]
fn lifetime_that_makes_no_sense_counts_as_unknown() {
    for value in [
        "null",
        "0",
        "0.9",
        "-1",
        "-1e999",
        "\"\"",
        "\"0\"",
        "\"-5\"",
        "\"soon\"",
        "\"inf\"",
        "\"NaN\"",
        "\"1 h\"",
        "\"0x10\"",
        "\"e\"",
        "\"\\u0031\"",
        "true",
        "[]",
        "[1]",
        "{}",
        "{\"seconds\":1}",
    ] {
        assert_eq!(lifetime_of(value), None, "{value}");
    }
    assert_eq!(read(r#"{"access_token":"at"}"#).unwrap().lifetime(), None);
}

#[test]
fn only_bearer_tokens_are_taken_in_any_letter_case() {
    for token_type in [r#""Bearer""#, r#""bearer""#, r#""BEARER""#, r#""beareR""#, "null"] {
        assert!(read(format!(r#"{{"access_token":"at","token_type":{token_type}}}"#)).is_ok(), "{token_type}");
    }
    for token_type in ["N_A", "mac", "DPoP", "", "Bearer "] {
        let body = format!(r#"{{"access_token":"hunter2","token_type":"{token_type}"}}"#);
        assert_eq!(kind(body), ErrorKind::UnsupportedTokenType, "{token_type}");
    }
}

#[test]
fn each_bad_answer_has_its_own_kind() {
    use ErrorKind::*;
    for (body, expected) in [
        ("", EmptyAnswer),
        (" \r\n", EmptyAnswer),
        ("<html>hunter2", NotJson),
        ("  <!DOCTYPE html>", NotJson),
        ("access_token=hunter2", NotJson),
        ("not found", NotJson),
        ("{", MalformedAnswer),
        (r#"{"access_token":"hunter2"#, MalformedAnswer),
        (r#"{"access_token":"hunter2""#, MalformedAnswer),
        (r#"{"access_token":"hunter2"} trailing"#, MalformedAnswer),
        (r#"["hunter2"]"#, MalformedAnswer),
        (r#"["hunter2"#, MalformedAnswer),
        (r#""hunter2""#, MalformedAnswer),
        ("null", MalformedAnswer),
        ("12", MalformedAnswer),
        (r#"{"access_token":["hunter2"]}"#, MalformedAnswer),
        (r#"{"access_token":12}"#, MalformedAnswer),
        (r#"{"access_token":"hunter2\ud800"}"#, MalformedAnswer),
        (r#"{"access_token":"at","refresh_token":{}}"#, MalformedAnswer),
        (r#"{"access_token":"at","token_type":1}"#, MalformedAnswer),
        (r#"{"access_token":"at","error":{"hunter2":1}}"#, Refused),
        (r#"{"access_token":"hunter2","access_token":"hunter2"}"#, MalformedAnswer),
        (r#"{"access_token":null,"access_token":"hunter2"}"#, MalformedAnswer),
        (r#"{"access_token":"at","x":1,"\u0078":"hunter2"}"#, MalformedAnswer),
        ("{}", MissingAccessToken),
        (r#"{"access_token":null}"#, MissingAccessToken),
        (r#"{"refresh_token":"hunter2"}"#, MissingAccessToken),
        (r#"{"access_token":""}"#, InvalidAccessToken),
        (r#"{"access_token":"hunter2\nX-Evil: 1"}"#, InvalidAccessToken),
        (r#"{"access_token":"hunter2\u0000"}"#, InvalidAccessToken),
        (r#"{"access_token":"hunter2 two"}"#, InvalidAccessToken),
        (r#"{"access_token":"hunter2ü"}"#, InvalidAccessToken),
        (r#"{"access_token":"hunter2\u00fc"}"#, InvalidAccessToken),
        (r#"{"error":"invalid_grant","error_description":"hunter2"}"#, Refused),
        (r#"{"access_token":"at","error":"hunter2 is wrong"}"#, Refused),
    ] {
        assert_eq!(kind(body), expected, "{body}");
    }
    // A byte that is not UTF-8 makes the whole text no JSON (RFC 8259 §8.1).
    assert_eq!(kind(b"{\"access_token\":\"hunter2\xe9\"}"), MalformedAnswer);
    assert_eq!(kind("[".repeat(100_000)), MalformedAnswer);
    assert_eq!(kind("0".repeat(10)), NotJson);
}

#[test]
fn error_with_status_200_keeps_code_and_wait() {
    let address = Address::new("https://gw.example/token").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, "9".parse().unwrap());
    let body = br#"{"error":"slow_down"}"#;
    let error = tokens(&Step::new(Purpose::Refresh, &address), &headers, body).unwrap_err();
    assert_eq!((error.kind(), error.oauth_code()), (ErrorKind::Unavailable, Some("slow_down")));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
}

#[test]
fn members_are_kept_as_they_came() {
    let tokens = read(
        r#" {"access_token":"a\/t","refresh_token":"rt","scope":"a b","id_token":"e\u00e9","error":null,
            "nothing":null,"count":12,"more":{"b": [1,2]},"expires_in":60} "#,
    )
    .unwrap();
    let extra = |name: &str| tokens.extra(name).map(|value| value.expose_secret().to_owned());
    assert_eq!(tokens.access_token().expose_secret(), "a/t");
    assert_eq!(tokens.refresh_token().unwrap().expose_secret(), "rt");
    assert_eq!(tokens.scope(), Some("a b"));
    assert_eq!(extra("id_token").as_deref(), Some("eé"));
    assert_eq!(extra("nothing").as_deref(), Some("null"));
    assert_eq!(extra("count").as_deref(), Some("12"));
    assert_eq!(extra("more").as_deref(), Some(r#"{"b": [1,2]}"#));
    assert_eq!(extra("access_token"), None);
}

#[test]
fn scope_of_another_shape_and_refresh_token_without_content_do_no_harm() {
    let tokens = read(r#"{"access_token":"at","scope":["a","b"],"refresh_token":""}"#).unwrap();
    assert_eq!(tokens.scope(), None);
    assert_eq!(tokens.extra("scope").unwrap().expose_secret(), r#"["a","b"]"#);
    assert!(tokens.refresh_token().is_none());
    assert!(read(r#"{"access_token":"at","scope":null,"refresh_token":null}"#).unwrap().refresh_token().is_none());
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(body: Vec<u8>, value in ".{0,40}") {
        let _ = read(body);
        let _ = read(format!(r#"{{"access_token":"at","expires_in":{value},"x":"{value}"}}"#));
    }
}
