//! Claims about the public parser; what classifiers make of it is in `bearer/tests.rs`.

use http::HeaderValue;

use super::*;

/// Each challenge as one text: scheme, token68 in parentheses, parameters.
fn parsed(lines: &[&str]) -> Vec<String> {
    let headers = lines.iter().map(|line| (WWW_AUTHENTICATE, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
    let shown = |challenge: &ParsedChallenge| {
        let token68 = challenge.token68().map(|token| format!("({token})")).unwrap_or_default();
        let parameters = challenge.parameters().map(|(name, value)| format!(" {name}:{value}"));
        format!("{}{token68}{}", challenge.scheme(), parameters.collect::<String>())
    };
    parse(&headers.collect()).iter().map(shown).collect()
}

#[test]
fn scheme_parameters_and_several_challenges_are_read_in_their_order() {
    let one = r#"Bearer realm="a, b", error="invalid_token", scope="read write", X-Own=1"#;
    assert_eq!(parsed(&[one]), ["Bearer realm:a, b error:invalid_token scope:read write X-Own:1"]);
    let metadata = r#"Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource""#;
    assert_eq!(
        parsed(&[metadata, "Basic realm=x , DPoP algs=\"ES256\"", "Negotiate"]),
        [
            "Bearer resource_metadata:https://api.example/.well-known/oauth-protected-resource",
            "Basic realm:x",
            "DPoP algs:ES256",
            "Negotiate",
        ]
    );
    assert_eq!(parsed(&[]), [""; 0]);
}

#[test]
fn token68_stands_alone_after_its_scheme() {
    for (line, read) in [
        ("Negotiate YII/abc+def==", vec!["Negotiate(YII/abc+def==)"]),
        ("NTLM TlRMTVNTUAACAAAA", vec!["NTLM(TlRMTVNTUAACAAAA)"]),
        ("Negotiate a.b-c_d~e , Basic realm=\"x\"", vec!["Negotiate(a.b-c_d~e)", "Basic realm:x"]),
        ("Negotiate abc=, Bearer", vec!["Negotiate(abc=)", "Bearer"]),
        // No parameter belongs to it.
        ("Negotiate abc, realm=x", vec!["Negotiate(abc)"]),
        ("Negotiate abc==, realm=x", vec!["Negotiate(abc==)"]),
        // Not one of these is alone, or a token68.
        ("Bearer abc=d", vec!["Bearer abc:d"]),
        ("Bearer a b c", vec!["Bearer", "a", "b(c)"]),
        ("Bearer, abc", vec!["Bearer", "abc"]),
        ("Bearer", vec!["Bearer"]),
        // Joined with a space, as some gateways do.
        ("Negotiate Bearer", vec!["Negotiate", "Bearer"]),
        ("null Bearer realm=\"x\"", vec!["null", "Bearer realm:x"]),
    ] {
        assert_eq!(parsed(&[line]), read, "{line}");
    }
}

#[test]
fn slips_of_gateways_cost_no_more_than_what_they_garble() {
    for (line, read) in [
        ("Bearer realm=\"x\" error=\"e\"", vec!["Bearer realm:x error:e"]),
        (
            "Bearer error=e, error_description=Not enough for this, scope=s",
            vec!["Bearer error:e error_description:Not scope:s"],
        ),
        (", ,Basic realm = \"a\" ,", vec!["Basic realm:a"]),
        ("realm=x, Bearer", vec!["Bearer"]),
        ("Bearer <b>=x, a=b", vec!["Bearer a:b"]),
        ("Bearer realm=\"open, a=b", vec!["Bearer"]),
        ("Bearer realm=, error=e", vec!["Bearer realm: error:e"]),
        ("Bearer realm= ,, error = \"e\"", vec!["Bearer realm: error:e"]),
        ("Bearer realm=, Basic", vec!["Bearer(realm=)", "Basic"]),
        (r#"Bearer realm="a \"b\" \\ c""#, vec![r#"Bearer realm:a "b" \ c"#]),
        ("Bearer realm=\"über\"", vec!["Bearer realm:über"]),
    ] {
        assert_eq!(parsed(&[line]), read, "{line}");
    }
}

#[test]
fn names_are_found_in_any_letter_case_and_the_first_of_several_counts() {
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static("bearer ERROR=a, error=b"))]);
    let challenge = &parse(&headers)[0];
    assert!(challenge.is("Bearer") && !challenge.is("Basic"));
    assert_eq!(challenge.parameter("Error"), Some("a"));
    assert_eq!(challenge.parameter("scope"), None);
}

#[test]
fn no_more_than_8_kib_and_16_challenges_are_read() {
    let many = "Digest, ".repeat(40);
    assert_eq!(parsed(&[&many, "Bearer"]).len(), 16);
    let long = format!("Bearer a=\"{}\"", "x".repeat(9 * 1024));
    assert_eq!(parsed(&[&long, "Basic"]), ["Bearer"]);
}

#[test]
fn values_are_not_printed() {
    let headers = HeaderMap::from_iter([
        (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer claims=hunter2")),
        (WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate hunter2")),
    ]);
    let shown = format!("{:?}", parse(&headers));
    assert!(shown.contains("claims") && !shown.contains("hunter2"), "{shown}");
}
