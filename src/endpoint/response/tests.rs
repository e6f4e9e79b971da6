//! Tests of reading answers.

use http::{
    Response, StatusCode,
    header::{CONTENT_TYPE, DATE, RETRY_AFTER},
};

use super::{
    super::{address::Address, step::Purpose},
    *,
};

fn read(body: impl AsRef<[u8]>) -> Result<TokenSet, Error> {
    read_with(&[], &[], body)
}

fn read_with(
    headers: &[(http::HeaderName, &str)],
    accepted: &[Box<str>],
    body: impl AsRef<[u8]>,
) -> Result<TokenSet, Error> {
    let address = Address::new("https://gw.example/token?key=hunter2").unwrap();
    let mut response = Response::new(());
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    tokens(
        &Step::new(Purpose::Refresh, &address),
        &response.into_parts().0,
        Accepted { types: accepted, dpop: None },
        body.as_ref(),
    )
}

fn read_form(body: &str) -> Result<TokenSet, Error> {
    read_with(&[(CONTENT_TYPE, "Application/X-WWW-Form-urlencoded; charset=utf-8")], &[], body)
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
fn lifetime_below_a_second_is_none_at_all() {
    for value in ["0", "0.9", "-1", "-1e999", "\"0\"", "\"-5\""] {
        assert_eq!(lifetime_of(value), Some(Duration::ZERO), "{value}");
    }
}

#[test]
fn lifetime_that_makes_no_sense_counts_as_unknown() {
    for value in [
        "null",
        "\"\"",
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
    // No telling what a token was whose bytes are no text.
    assert_eq!(kind(b"{\"access_token\":\"hunter2\xe9\"}"), MalformedAnswer);
    assert_eq!(kind(b"{\"access_token\":\"at\",\"refresh_token\":\"hunter2\xe9\"}"), MalformedAnswer);
    assert_eq!(kind(b"\xef\xbb\xbf<html>hunter2"), NotJson);
    assert_eq!(kind(b"\xef\xbb\xbf"), EmptyAnswer);
    assert_eq!(kind("[".repeat(100_000)), MalformedAnswer);
    assert_eq!(kind("0".repeat(10)), NotJson);
}

#[test]
fn error_with_status_200_keeps_code_and_wait() {
    let error = read_with(&[(RETRY_AFTER, "9")], &[], br#"{"error":"slow_down"}"#).unwrap_err();
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

#[test]
fn byte_order_mark_and_names_in_latin_1_do_no_harm() {
    let tokens = read(b"\xef\xbb\xbf{\"access_token\":\"at\"}").unwrap();
    assert_eq!(tokens.access_token().expose_secret(), "at");
    let tokens =
        read(b"{\"access_token\":\"at\",\"refresh_token\":\"rt\",\"user\":\"Jos\xe9\",\"b\xfcro\":1}").unwrap();
    assert_eq!(tokens.refresh_token().unwrap().expose_secret(), "rt");
    assert_eq!(tokens.extra("user").unwrap().expose_secret(), "Jos\u{fffd}");
    // One that is text may hold the very character.
    assert!(read("{\"access_token\":\"at\",\"refresh_token\":\"\u{fffd}\"}").is_ok());
    let error =
        kind(b"{\"error\":\"invalid_grant\",\"error_description\":\"hunter2: Zugriff verweigert f\xfcr Jos\xe9\"}");
    assert_eq!(error, ErrorKind::Refused);
}

#[test]
fn error_that_is_empty_or_null_beside_a_token_is_none() {
    for error in ["\"\"", "null"] {
        assert!(read(format!(r#"{{"access_token":"at","error":{error}}}"#)).is_ok(), "{error}");
    }
    assert!(read_form("access_token=at&error=").is_ok());
}

#[test]
fn form_is_read_by_its_content_type() {
    let tokens =
        read_form("access_token=a%2Ft&token_type=bearer&expires_in=60&refresh_token=r+t&scope=a,b&id=%C3%BC\n")
            .unwrap();
    assert_eq!(tokens.access_token().expose_secret(), "a/t");
    assert_eq!(tokens.refresh_token().unwrap().expose_secret(), "r t");
    assert_eq!((tokens.lifetime(), tokens.scope()), (Some(Duration::from_secs(60)), Some("a,b")));
    assert_eq!(tokens.extra("id").unwrap().expose_secret(), "ü");
    assert!(read_form("access_token=at&refresh_token=").unwrap().refresh_token().is_none());
    assert!(read_form(r#" {"access_token":"at"}"#).is_ok(), "the content type is wrong");

    for (body, kind) in [
        ("error=bad_refresh_token&error_description=hunter2", ErrorKind::Refused),
        ("access_token=hunter2&access_token=hunter2", ErrorKind::MalformedAnswer),
        ("access_token=hunter2%ff", ErrorKind::MalformedAnswer),
        ("access_token=at&token_type=mac", ErrorKind::UnsupportedTokenType),
        ("access_token=", ErrorKind::InvalidAccessToken),
        ("hunter2", ErrorKind::MissingAccessToken),
        ("", ErrorKind::EmptyAnswer),
        ("<html>hunter2", ErrorKind::NotJson),
    ] {
        let error = read_form(body).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(read_form("error=bad_refresh_token").unwrap_err().oauth_code(), Some("bad_refresh_token"));
}

#[test]
fn date_of_the_end_counts_where_there_is_no_lifetime() {
    let lifetime = |members: &str| {
        let date = [(DATE, "Sun, 13 Sep 2020 12:26:40 GMT")];
        read_with(&date, &[], format!(r#"{{"access_token":"at",{members}}}"#)).unwrap().lifetime()
    };
    for end in [
        "1600003600",
        "\"1600003600\"",
        "1600003600000",
        "\"2020-09-13T13:26:40Z\"",
        "\"2020-09-13T15:26:40.5+02:00\"",
        "\"Sun, 13 Sep 2020 13:26:40 GMT\"",
    ] {
        for name in ["expires_on", "expires_at"] {
            assert_eq!(lifetime(&format!(r#""{name}":{end}"#)), Some(Duration::from_secs(3600)), "{name} {end}");
            assert_eq!(lifetime(&format!(r#""{name}":{end},"expires_in":60"#)), Some(Duration::from_secs(60)));
        }
    }
    for end in ["1600000000", "1500000000", "3600"] {
        assert_eq!(lifetime(&format!(r#""expires_at":{end}"#)), Some(Duration::ZERO), "{end}");
    }
    for end in ["\"soon\"", "null", "[]"] {
        assert_eq!(lifetime(&format!(r#""expires_at":{end}"#)), None, "{end}");
    }
    let far = lifetime(r#""expires_at":"9999-12-31T23:59:59Z""#).unwrap();
    assert_eq!(far, Duration::from_secs(3_155_760_000));
    let tokens = read_with(&[], &[], r#"{"access_token":"at","expires_on":"1600003600"}"#).unwrap();
    assert_eq!(tokens.extra("expires_on").unwrap().expose_secret(), "1600003600");
}

#[test]
fn token_of_another_type_is_taken_where_that_was_said_and_else_told_how() {
    for name in ["bot", "BearerToken", "User Access Token"] {
        let body = format!(r#"{{"access_token":"hunter2","token_type":"{name}"}}"#);
        let error = read(&body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType);
        assert!(error.to_string().contains(&format!("`TokenEndpoint::accept_token_type({name:?})`")), "{error}");
        assert!(read_with(&[], &["mac".into(), name.to_uppercase().into()], &body).is_ok(), "{name}");
        assert!(read_with(&[], &["mac".into()], &body).is_err(), "{name}");
    }
    // What does not look like a type is not repeated.
    for name in ["hunter2<", &"hunter2".repeat(5)] {
        let error = read(format!(r#"{{"access_token":"at","token_type":"{name}"}}"#)).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains("accept_token_type"), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(body: Vec<u8>, value in ".{0,40}") {
        let _ = read_with(&[(CONTENT_TYPE, "application/x-www-form-urlencoded")], &[], &body);
        let _ = read(body);
        let _ = read(format!(r#"{{"access_token":"at","expires_in":{value},"x":"{value}"}}"#));
    }
}
