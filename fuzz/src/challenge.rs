//! `WWW-Authenticate`: each line of the input is one header line.

use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower_reauth::{BearerClassifier, Classify, Head, Seen, Verdict, Wso2Classifier};

/// What the docs of `BearerClassifier` promise for claims.
const MAX_CLAIMS: usize = 4 * 1024;

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let lines: Vec<_> =
        input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let rejects = is_rejected(StatusCode::UNAUTHORIZED, &lines);

    for status in [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED] {
        assert!(!is_rejected(status, &lines), "{status} passes, whatever the challenges are");
    }

    let certain = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
    let certain: Vec<_> = [certain].into_iter().chain(lines.iter().cloned()).collect();
    assert!(is_rejected(StatusCode::UNAUTHORIZED, &certain), "what comes later takes nothing back");

    let upper: Vec<_> =
        lines.iter().filter_map(|line| HeaderValue::from_bytes(&line.as_bytes().to_ascii_uppercase()).ok()).collect();
    // Claims are encoded in letters whose case matters.
    if !input.to_ascii_lowercase().windows(6).any(|word| word == b"claims") {
        assert_eq!(is_rejected(StatusCode::UNAUTHORIZED, &upper), rejects, "letter case does not matter");
    }

    let response = response(StatusCode::UNAUTHORIZED, &lines);
    match Wso2Classifier::new().body(&Head::of(&response), &Seen::new(b"", None, true)) {
        Verdict::Pass => {}
        Verdict::Reject(_) => {
            assert!(rejects, "without a fault WSO2's classifier rejects what the default one rejects")
        }
        other => panic!("{other:?} at the last look"),
    }
}

fn is_rejected(status: StatusCode, lines: &[HeaderValue]) -> bool {
    let response = response(status, lines);
    match BearerClassifier::new().head(&Head::of(&response)) {
        Verdict::Pass => false,
        Verdict::Reject(challenge) => {
            if let Some(claims) = challenge.claims() {
                assert!(claims.len() <= MAX_CLAIMS && claims.starts_with('{') && claims.ends_with('}'), "{claims}");
            }
            true
        }
        other => panic!("{other:?} of a head that tells all"),
    }
}

fn response(status: StatusCode, lines: &[HeaderValue]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    for line in lines {
        response.headers_mut().append(WWW_AUTHENTICATE, line.clone());
    }
    response
}
