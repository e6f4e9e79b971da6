//! Claims about `WWW-Authenticate`: what renews, what passes, what reaches the grant.

mod claims;
mod options;

use http::{HeaderValue, Response, header::WWW_AUTHENTICATE};
use proptest::prelude::*;

use super::*;
use crate::challenge::classify::WithProof;

fn response(status: u16, lines: &[&[u8]]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for line in lines {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_bytes(line).unwrap());
    }
    response
}

fn classify(lines: &[&[u8]]) -> Verdict {
    BearerClassifier::new().head(&Head::of(&response(401, lines)))
}

/// The claims of a rejection: `None` where it passes.
fn rejection(lines: &[&[u8]]) -> Option<Challenge> {
    match classify(lines) {
        Verdict::Reject(challenge) => Some(challenge),
        Verdict::Pass
        | Verdict::DpopOnly(_)
        | Verdict::InsufficientScope(_)
        | Verdict::InsufficientUserAuthentication(_) => None,
        Verdict::Look { .. } => panic!("the head is enough"),
    }
}

#[track_caller]
fn renews(line: &str) {
    assert!(rejection(&[line.as_bytes()]).is_some(), "should renew: {line}");
}

#[track_caller]
fn passes(line: &str) {
    assert!(rejection(&[line.as_bytes()]).is_none(), "should pass: {line}");
}

#[test]
fn other_statuses_than_401_pass_whatever_they_say() {
    for status in [200, 400, 402, 403, 404, 407, 500, 503] {
        let response = response(status, &[br#"Bearer error="invalid_token""#]);
        assert!(matches!(BearerClassifier::new().head(&Head::of(&response)), Verdict::Pass), "{status}");
    }
}

#[test]
fn a_401_without_a_challenge_renews() {
    assert!(rejection(&[]).is_some());
    renews("");
}

#[test]
fn answers_of_real_servers_to_a_dead_token_renew() {
    for line in [
        r#"Bearer realm="http://127.0.0.1:3000", error="invalid_token", error_description="invalid token provided""#,
        r#"Bearer realm="api",error="invalid_token",error_description="The access token is invalid.""#,
        r#"Bearer error="invalid_token", error_description="Token could not be verified.""#,
        "error=invalid_request,error_description=Invalid request",
        r#"OAuth2 realm="WSO2 API Manager""#,
        r#"OAuth2 realm="WSO2 API Manager", error="invalid token", error_description="The access token expired""#,
        r#"Bearer realm="WSO2 API Manager" error="invalid_token", error_description="The provided token is invalid""#,
        r#"Internal API Key realm="WSO2 API Manager" Bearer realm="WSO2 API Manager", error="invalid_token""#,
        r#"Internal API Key realm="WSO2 API Manager", Bearer realm="WSO2 API Manager", error="invalid_token""#,
        r#"null Bearer realm="WSO2 API Manager", error="invalid_token""#,
    ] {
        renews(line);
    }
    let no_token: [&[u8]; 2] = [br#"Bearer realm="a""#, br#"DPoP realm="a", algs="ES256 Ed25519 EdDSA""#];
    assert!(rejection(&no_token).is_some());
}

#[test]
fn invalid_token_renews_in_any_letter_case_quoted_or_not() {
    for scheme in ["Bearer", "bearer", "BEARER", "OAuth2", "oauth2", "DPoP", "dpop"] {
        for error in ["error=invalid_token", r#"error="invalid_token""#, r#"ERROR = "Invalid_Token""#] {
            // Beside an error that passes alone, so that only a parameter that was understood can renew.
            renews(&format!(r#"Bearer error="insufficient_scope", {scheme} {error}"#));
        }
    }
}

#[test]
fn errors_that_another_token_would_meet_too_pass() {
    for error in ["insufficient_scope", "invalid_request", "insufficient_user_authentication", "Insufficient_Scope"] {
        passes(&format!(r#"Bearer realm="a", error="{error}", scope="x y""#));
        passes(&format!("Bearer error={error}"));
        passes(&format!(r#"OAuth2 realm="a" error="{error}""#));
        passes(&format!("DPoP\terror=\"{error}\""));
    }
}

/// The scope, the `acr_values` and the seconds of a report, and whether it is about the login.
type Report = (bool, Option<String>, Option<String>, Option<u64>);

fn report(status: u16, line: &str) -> Option<Report> {
    let (login, challenge) = match BearerClassifier::new().head(&Head::of(&response(status, &[line.as_bytes()]))) {
        Verdict::InsufficientScope(challenge) => (false, challenge),
        Verdict::InsufficientUserAuthentication(challenge) => (true, challenge),
        _ => return None,
    };
    let text = |value: Option<&str>| value.map(str::to_owned);
    let max_age = challenge.max_age().map(|age| age.as_secs());
    Some((login, text(challenge.scope()), text(challenge.acr_values()), max_age))
}

#[test]
fn what_is_asked_for_beyond_a_renewal_is_reported() {
    let some = |text: &str| Some(text.to_owned());
    for status in [401, 403] {
        let scope = report(status, r#"Bearer error="insufficient_scope", scope="read write", max_age=5"#);
        assert_eq!(scope, Some((false, some("read write"), None, Some(5))));
        let login = r#"Bearer error="insufficient_user_authentication", acr_values="urn:a urn:b", max_age="300""#;
        assert_eq!(report(status, login), Some((true, None, some("urn:a urn:b"), Some(300))));
        let both = format!(r#"DPoP error="insufficient_scope", {login}"#);
        assert_eq!(report(status, &both).map(|report| report.0), Some(true), "the login comes first");
        assert_eq!(report(status, r#"Bearer error="invalid_request", scope="a""#), None);
    }
    for status in [200, 400, 404, 407, 500] {
        assert_eq!(report(status, r#"Bearer error="insufficient_scope", scope="a""#), None);
    }
}

#[test]
fn only_short_visible_text_is_reported() {
    let long = "x".repeat(1025);
    for value in ["", "   ", "ümlaut", "a\\\"b", "a\tb", &long] {
        let line =
            format!(r#"Bearer error="insufficient_scope", scope="{value}", acr_values="{value}", max_age="{value}""#);
        assert_eq!(report(403, &line), Some((false, None, None, None)), "{value}");
    }
    assert_eq!(report(403, "Bearer error=insufficient_scope, max_age=-1"), Some((false, None, None, None)));
    let line = format!("Bearer error=insufficient_scope, scope={}", &long[1..]);
    assert_eq!(report(403, &line), Some((false, Some(long[1..].to_owned()), None, None)));
}

#[test]
fn an_unknown_error_or_none_renews() {
    for line in ["Bearer", r#"Bearer realm="x""#, r#"Bearer error="token_gone""#, "Bearer error=", "Bearer error='x'"] {
        renews(line);
    }
}

#[test]
fn only_foreign_schemes_pass() {
    for line in [
        "Negotiate",
        "Negotiate YII/abc+def==",
        "NTLM TlRMTVNTUAACAAAA",
        r#"Digest realm="a, Bearer b", qop="auth,auth-int", nonce="x", opaque="y""#,
        r#"Digest realm="quoted \" Bearer, error=\"invalid_token\" ""#,
        r#"Negotiate, Basic realm="a""#,
        r#"Basic realm="a", Digest realm="b", Token"#,
    ] {
        passes(line);
    }
    assert!(rejection(&[b"Negotiate", br#"Basic realm="a""#]).is_none());
}

#[test]
fn a_401_that_names_only_schemes_beside_ours_renews() {
    for line in [
        r#"Basic realm="Artifactory Realm""#,
        "Token",
        r#"Token realm="api""#,
        r#"token, BASIC realm="api""#,
        r#"JWT realm="api""#,
        r#"Basic realm="quoted \" Bearer, error=\"insufficient_scope\" ""#,
        r#"OAuth realm="api""#,
        r#"OAuth error="invalid_token""#,
        "Basic, Bearer",
    ] {
        renews(line);
    }
    passes(r#"OAuth error="insufficient_scope""#);
}

#[test]
fn a_challenge_for_dpop_alone_renews_no_bearer_token() {
    for line in ["DPoP", r#"DPoP error="invalid_token""#, r#"DPoP error="use_dpop_nonce""#, "DPoP, Basic realm=x"] {
        assert!(matches!(classify(&[line.as_bytes()]), Verdict::DpopOnly(_)), "{line}");
    }
    assert!(matches!(classify(&[b"Negotiate"]), Verdict::Pass));
    let forbidden = response(403, &[b"DPoP"]);
    assert!(matches!(BearerClassifier::new().head(&Head::of(&forbidden)), Verdict::Pass));
}

#[test]
fn with_a_proof_a_challenge_for_dpop_is_for_the_token() {
    let judged = |line: &[u8]| {
        let mut response = response(401, &[line]);
        response.extensions_mut().insert(WithProof);
        BearerClassifier::new().head(&Head::of(&response))
    };
    for line in ["DPoP", r#"DPoP error="invalid_token""#, r#"DPoP algs="ES256", Basic realm=x"#, "Bearer", ""] {
        assert!(matches!(judged(line.as_bytes()), Verdict::Reject(_)), "{line}");
    }
    assert!(matches!(judged(br#"DPoP error="insufficient_scope""#), Verdict::InsufficientScope(_)));
    assert!(matches!(judged(b"Negotiate"), Verdict::Pass));
}

#[test]
fn statuses_that_were_added_are_judged_as_a_401_is() {
    let added = [403, 419, 498].map(|status| StatusCode::from_u16(status).unwrap());
    let classifier = added.into_iter().fold(BearerClassifier::new(), BearerClassifier::reject_status);
    let rejects =
        |status, lines: &[&[u8]]| matches!(classifier.head(&Head::of(&response(status, lines))), Verdict::Reject(_));
    for status in [401, 403, 419, 498] {
        assert!(rejects(status, &[]), "{status}");
        assert!(!rejects(status, &[br#"Bearer error="insufficient_scope""#]), "{status}");
        assert!(!rejects(status, &[b"Negotiate"]), "{status}");
    }
    for status in [200, 302, 400, 404, 407, 418, 500] {
        assert!(!rejects(status, &[]), "{status}");
    }
}

#[test]
fn a_bearer_challenge_is_found_among_foreign_ones() {
    renews(r#"Negotiate abc==, Bearer error="invalid_token""#);
    renews(r#"Basic realm="a, b", , Bearer"#);
    passes(r#"Negotiate abc==, Bearer error="insufficient_scope""#);
    passes(r#", ,Basic realm="a" , Bearer error="insufficient_scope","#);
    assert!(rejection(&[br#"Basic realm="a""#, b"Negotiate abc=", br#"Bearer realm="b""#]).is_some());
    assert!(rejection(&[br#"Basic realm="a""#, br#"Bearer error="insufficient_scope""#]).is_none());
}

#[test]
fn invalid_token_wins_over_errors_that_pass_and_those_over_none() {
    assert!(rejection(&[br#"Bearer error="invalid_request""#, br#"DPoP error="invalid_token""#]).is_some());
    renews(r#"DPoP error="invalid_token", Bearer error="insufficient_scope""#);
    passes(r#"Bearer error="insufficient_scope", DPoP algs="ES256""#);
}

#[test]
fn a_parameter_of_a_foreign_challenge_says_nothing_about_ours() {
    renews(r#"Bearer realm="a", Basic realm="b", error="insufficient_scope""#);
    passes(r#"Digest realm="b", error="invalid_token""#);
}

#[test]
fn quoted_values_may_hold_commas_escapes_and_bytes_outside_ascii() {
    passes(r#"Bearer realm="a, \"b\", error=\"invalid_token\"", error="insufficient_scope""#);
    passes(r#"Bearer error="insufficient\_scope""#);
    passes("Bearer error_description=\"Zugriff verweigert: über\", error=\"insufficient_scope\"");
    assert!(rejection(&[b"Bearer realm=\"\xfc\xff\", error=\"insufficient_scope\""]).is_none());
}

#[test]
fn unquoted_values_with_spaces_open_no_challenge() {
    passes("Bearer error=insufficient_scope, error_description=Not enough for this");
    passes("Bearer error_description=Not enough for this, error=insufficient_scope");
    renews("realm=Basic area");
}

#[test]
fn what_cannot_be_understood_renews() {
    for line in [
        ",,,",
        "===",
        "\"",
        r#""Bearer error=insufficient_scope"#,
        r#"Bearer realm="open, error=insufficient_scope"#,
        "error=insufficient_scope",
        "<html>",
        "Bearer \\",
    ] {
        renews(line);
    }
    assert!(rejection(&[b"\xff\xfe\x80"]).is_some());
}

#[test]
fn the_first_of_repeated_parameters_counts() {
    passes("Bearer error=insufficient_scope, error=invalid_token");
}

#[test]
fn what_lies_beyond_8_kib_or_16_challenges_is_ignored() {
    let filler = format!(r#"Basic realm="{}""#, "x".repeat(8 * 1024));
    assert!(rejection(&[b"Negotiate", filler.as_bytes(), b"Bearer"]).is_none());
    let schemes = |count: usize| format!("{}Bearer", "Digest, ".repeat(count));
    passes(&schemes(16));
    renews(&schemes(15));
}

const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true, "value":"1604106651"}}}"#;
const ENCODED: &str = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwgInZhbHVlIjoiMTYwNDEwNjY1MSJ9fX0=";

proptest! {
    #[test]
    fn garbage_never_panics(lines in prop::collection::vec("[ -~\t\u{80}-\u{ff}]{0,200}", 0..20)) {
        let lines: Vec<_> = lines.iter().map(String::as_bytes).collect();
        classify(&lines);
    }

    #[test]
    fn pieces_of_challenges_in_any_order_never_panic(pieces in prop::collection::vec(
        prop::sample::select(vec!["Bearer ", "Basic ", "error", "=", "\"", "\\", ",", " ", "claims=", "{}", "é", "e30"]),
        0..60,
    )) {
        classify(&[pieces.concat().as_bytes()]);
    }

    #[test]
    fn foreign_challenges_around_ours_change_nothing(
        before in prop::collection::vec("[A-AC-Z][a-z]{1,8}( [a-z]{1,5}=\"[^\"\\\\\u{0}-\u{1f}\u{7f}]{0,20}\")?", 0..5),
        after in prop::collection::vec("[A-AC-Z][a-z]{1,8}( [a-z]{1,5}=[a-z]{1,9})?", 0..5),
        renew in any::<bool>(),
    ) {
        let error = if renew { "invalid_token" } else { "insufficient_scope" };
        let ours = format!(r#"Bearer realm="a, b", error="{error}""#);
        let all: Vec<_> = before.into_iter().chain([ours]).chain(after).collect();
        prop_assert_eq!(rejection(&[all.join(", ").as_bytes()]).is_some(), renew);
        let lines: Vec<_> = all.iter().map(String::as_bytes).collect();
        prop_assert_eq!(rejection(&lines).is_some(), renew);
    }
}
