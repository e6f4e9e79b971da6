//! The setters: strict, bodies, the layer's scheme; and what a rejection asks for.

use super::*;

/// What a classifier says to a 401 with this challenge.
fn verdict(classifier: &BearerClassifier, line: &str) -> Verdict {
    let lines = [line.as_bytes()];
    classifier.head(&Head::of(&response(401, if line.is_empty() { &[] } else { &lines })))
}

#[test]
fn strict_renews_only_what_leaves_no_doubt() {
    let strict = BearerClassifier::new().strict();
    for line in [
        "",
        "Basic",
        "Token",
        "Bearer",
        "Basic, Bearer",
        r#"Bearer realm="api""#,
        r#"Bearer error="token_gone""#,
        r#"Basic error="invalid_token""#,
        r#"Bearer claims="no object""#,
        r#"OAuth2 realm="WSO2 API Manager""#,
        r#"Bearer error="insufficient_claims""#,
    ] {
        assert!(matches!(verdict(&strict, line), Verdict::Pass), "{line}");
    }
    for line in [
        r#"Bearer error="invalid_token""#,
        r#"OAuth2 error="Invalid_Token""#,
        r#"Bearer realm="a", Bearer error="invalid_token""#,
        &format!("Bearer claims={ENCODED}"),
    ] {
        assert!(matches!(verdict(&strict, line), Verdict::Reject(_)), "{line}");
    }
    assert!(matches!(verdict(&strict, r#"Bearer error="insufficient_scope""#), Verdict::InsufficientScope(_)));
}

#[test]
fn challenges_of_the_layers_own_scheme_are_read_as_those_of_bearer() {
    let own = |word| BearerClassifier::new().scheme(Scheme::word(word).unwrap());
    for line in [r#"Splunk realm="/splunk""#, "splunk", r#"SPLUNK error="invalid_token""#, "Negotiate, Splunk"] {
        assert!(matches!(verdict(&BearerClassifier::new(), line), Verdict::Pass), "{line}");
        assert!(matches!(verdict(&own("Splunk"), line), Verdict::Reject(_)), "{line}");
    }
    for line in [r#"Splunk error="insufficient_scope""#, r#"Splunk realm="a", Splunk error=insufficient_scope"#] {
        assert!(matches!(verdict(&own("Splunk"), line), Verdict::InsufficientScope(_)), "{line}");
    }
    for line in ["Negotiate", r#"Digest realm="a""#, "Splunkish"] {
        assert!(matches!(verdict(&own("Splunk"), line), Verdict::Pass), "{line}");
    }
    // `Token` is one of those beside ours; where it is the layer's, what it says of errors counts.
    let line = r#"Token error="insufficient_scope""#;
    assert!(matches!(verdict(&BearerClassifier::new(), line), Verdict::Reject(_)));
    assert!(matches!(verdict(&own("Token"), line), Verdict::InsufficientScope(_)));
}

#[test]
fn no_challenge_is_foreign_to_a_token_without_a_word() {
    let bare = BearerClassifier::new().scheme(Scheme::bare());
    for line in ["", r#"Keystone uri="https://keystone.example""#, r#"Basic realm="redfish""#, "Negotiate", "Bearer"] {
        assert!(matches!(verdict(&bare, line), Verdict::Reject(_)), "{line}");
    }
    assert!(matches!(verdict(&bare, r#"Key error="insufficient_scope""#), Verdict::InsufficientScope(_)));
}

#[test]
fn what_a_rejection_asks_for_is_told() {
    let all = r#"Bearer error="invalid_token", scope="a b", acr_values="urn:a", max_age=60, resource_metadata="https://a.example/m""#;
    let asked = rejection(&[all.as_bytes()]).expect("a rejection");
    assert_eq!(asked.scope(), Some("a b"));
    assert_eq!(asked.acr_values(), Some("urn:a"));
    assert_eq!(asked.max_age(), Some(Duration::from_secs(60)));
    assert_eq!(asked.resource_metadata(), Some("https://a.example/m"));
    let two = rejection(&[br#"DPoP scope="a""#, br#"Bearer scope="b", resource_metadata="https://b.example""#]);
    let two = two.expect("a rejection");
    assert_eq!((two.scope(), two.resource_metadata()), (Some("a"), Some("https://b.example")));
    // That of a challenge for another scheme is not.
    let foreign = rejection(&[br#"Basic scope="a""#, b"Bearer"]).expect("a rejection");
    assert_eq!(foreign.scope(), None);
    let report = classify(&[br#"Bearer error="insufficient_scope", resource_metadata="https://a.example/m""#]);
    let Verdict::InsufficientScope(asked) = report else { panic!("{report:?}") };
    assert_eq!(asked.resource_metadata(), Some("https://a.example/m"));
}

/// What a classifier that reads bodies says of a 401 with this body, which comes in one piece.
fn verdict_of(classifier: &BearerClassifier, lines: &[&[u8]], body: &[u8], is_last: bool) -> Verdict {
    let response = response(401, lines);
    let head = Head::of(&response);
    assert!(matches!(classifier.head(&head), Verdict::Look { at_most: 4096 }));
    classifier.body(&head, &Seen::new(body, None, is_last))
}

#[test]
fn an_error_in_the_body_counts_as_that_of_a_challenge_does() {
    let (plain, strict) = (BearerClassifier::new().with_bodies(), BearerClassifier::new().strict().with_bodies());
    let heads: [&[&[u8]]; 4] = [&[], &[b"Bearer"], &[br#"Bearer realm="a""#], &[b"Basic"]];
    for lines in heads {
        for body in
            [r#"{"error":"invalid_token"}"#, " {\n\"status\":401,\"error\":\"Invalid_Token\",\"x\":{\"y\":[]}}\r\n "]
        {
            assert!(matches!(verdict_of(&plain, lines, body.as_bytes(), false), Verdict::Reject(_)), "{body}");
            assert!(matches!(verdict_of(&strict, lines, body.as_bytes(), true), Verdict::Reject(_)), "{body}");
        }
        let scope = br#"{"error":"insufficient_scope"}"#;
        assert!(matches!(verdict_of(&plain, lines, scope, false), Verdict::InsufficientScope(_)));
        assert!(matches!(verdict_of(&plain, lines, br#"{"error":"invalid_request"}"#, false), Verdict::Pass));
        for unknown in
            [r#"{"error":"Your token is gone"}"#, r#"{"message":"no"}"#, r#"{"error":{"code":"invalid_token"}}"#]
        {
            assert!(matches!(verdict_of(&plain, lines, unknown.as_bytes(), false), Verdict::Reject(_)), "{unknown}");
            assert!(matches!(verdict_of(&strict, lines, unknown.as_bytes(), false), Verdict::Pass), "{unknown}");
        }
    }
}

#[test]
fn a_body_that_says_nothing_leaves_it_to_the_head() {
    let (plain, strict) = (BearerClassifier::new().with_bodies(), BearerClassifier::new().strict().with_bodies());
    let long = format!(r#"{{"a":"{}","error":"insufficient_scope"}}"#, "x".repeat(5000));
    let deep = "{\"error\":".repeat(300);
    for body in
        ["", "<html>", "[]", "\"invalid_token\"", "{\"error\":\"invalid_token\"", "{", &long, &deep, "\u{feff}{}"]
    {
        assert!(matches!(verdict_of(&plain, &[], body.as_bytes(), true), Verdict::Reject(_)), "{body}");
        assert!(matches!(verdict_of(&strict, &[], body.as_bytes(), true), Verdict::Pass), "{body}");
    }
    // What may still become an object is waited for; what will not is not.
    for body in ["", " ", "{", r#"{"error":"insuff"#, r#"{"error":{}"#] {
        assert!(matches!(verdict_of(&plain, &[], body.as_bytes(), false), Verdict::Look { .. }), "{body}");
    }
    assert!(matches!(verdict_of(&plain, &[], b"<", false), Verdict::Reject(_)));
    assert!(matches!(verdict_of(&plain, &[], long.as_bytes(), false), Verdict::Reject(_)), "the look has an end");
}

#[test]
fn bodies_are_looked_at_only_where_the_head_leaves_a_doubt() {
    let classifier = BearerClassifier::new().with_bodies();
    let head = |status, line: &str| classifier.head(&Head::of(&response(status, &[line.as_bytes()])));
    for line in
        [r#"Bearer error="invalid_token""#, r#"Bearer error="x""#, r#"Bearer error="insufficient_scope""#, "Digest"]
    {
        assert!(!matches!(head(401, line), Verdict::Look { .. }), "{line}");
    }
    for status in [200, 400, 404, 500] {
        assert!(matches!(head(status, "Bearer"), Verdict::Pass), "{status}");
    }
    // What is asked for beyond a renewal is read in a 403, too, which is no rejection by itself.
    let forbidden = response(403, &[]);
    let says = |body: &[u8]| classifier.body(&Head::of(&forbidden), &Seen::new(body, None, true));
    assert!(matches!(head(403, "Bearer"), Verdict::Look { .. }));
    assert!(matches!(says(br#"{"error":"insufficient_scope"}"#), Verdict::InsufficientScope(_)));
    assert!(matches!(says(br#"{"error":"invalid_token"}"#), Verdict::Pass));
    let added = classifier.clone().reject_status(StatusCode::FORBIDDEN).strict();
    let says = |body: &[u8]| added.body(&Head::of(&forbidden), &Seen::new(body, None, true));
    assert!(matches!(says(br#"{"error":"invalid_token"}"#), Verdict::Reject(_)));
    assert!(matches!(says(br#"{"error":"forbidden"}"#), Verdict::Pass));
}

#[test]
fn error_in_the_body_is_that_of_the_challenge_in_the_head_which_says_what_is_asked_for() {
    let classifier = BearerClassifier::new().with_bodies();
    let response = response(403, &[br#"Bearer scope="files:write""#]);
    let body = Seen::new(br#"{"error":"insufficient_scope"}"#, None, true);
    match classifier.body(&Head::of(&response), &body) {
        Verdict::InsufficientScope(challenge) => assert_eq!(challenge.scope(), Some("files:write")),
        other => panic!("{other:?}"),
    }
}
