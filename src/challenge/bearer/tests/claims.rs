//! The claims that a challenge asks for.

use super::*;

#[track_caller]
fn claims(line: &str) -> Option<String> {
    rejection(&[line.as_bytes()]).expect("a rejection").claims().map(str::to_owned)
}

#[test]
fn claims_are_decoded_from_base64_with_and_without_padding_and_from_json() {
    let escaped = CLAIMS.replace('"', r#"\""#);
    for value in [ENCODED, ENCODED.trim_end_matches('='), &escaped] {
        for error in ["insufficient_claims", "invalid_token"] {
            let line = format!(r#"Bearer realm="", error="{error}", claims="{value}""#);
            assert_eq!(claims(&line).as_deref(), Some(CLAIMS), "{line}");
        }
    }
    assert_eq!(claims(&format!("Bearer claims={ENCODED}")).as_deref(), Some(CLAIMS));
}

#[test]
fn both_base64_alphabets_are_read() {
    // The JSON holds `>` and `?` where their bits show as the two letters that differ.
    for value in ["eyJhIjoifn4-Pj8_In0", "eyJhIjoifn4+Pj8/In0="] {
        assert_eq!(claims(&format!(r#"Bearer claims="{value}""#)).as_deref(), Some(r#"{"a":"~~>>??"}"#));
    }
}

#[test]
fn claims_that_are_no_small_json_object_are_ignored() {
    let large = format!(r#"{{\"a\":\"{}\"}}"#, "x".repeat(4 * 1024));
    // In base64: an array, an object that is cut off, bytes that are not UTF-8.
    for value in ["", "!!!", "{", "WzFd", "eyJhIjo", "/////w==", r#"[\"a\"]"#, r#"{\"a\":1}x"#, &large] {
        assert_eq!(claims(&format!(r#"Bearer error="insufficient_claims", claims="{value}""#)), None, "{value}");
    }
    let deep = "{\\\"a\\\":".repeat(500);
    assert_eq!(claims(&format!(r#"Bearer claims="{deep}""#)), None);
}

#[test]
fn claims_renew_beside_an_error_that_passes_and_not_under_one() {
    let line = format!(r#"DPoP error="insufficient_scope", Bearer error="insufficient_claims", claims="{ENCODED}""#);
    assert_eq!(claims(&line).as_deref(), Some(CLAIMS));
    passes(&format!(r#"Bearer error="insufficient_scope", claims="{ENCODED}""#));
}

#[test]
fn claims_are_not_printed() {
    let challenge = rejection(&[format!("Bearer claims={ENCODED}").as_bytes()]).unwrap();
    assert!(!format!("{challenge:?}").contains("essential"));
}
