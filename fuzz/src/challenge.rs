//! `WWW-Authenticate`: each line of the input is one header line.

use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower_reauth::{BearerClassifier, Classify, Head, Seen, Verdict, Wso2Classifier};

/// What the docs of `BearerClassifier` promise for claims.
const MAX_CLAIMS: usize = 4 * 1024;
/// What the docs of `Challenge` promise for a scope.
const MAX_LIST: usize = 1024;
/// And for all lines together.
const MAX_BYTES: usize = 8 * 1024;
const MAX_CHALLENGES: usize = 16;

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

    if let Some(plain) = as_another_parser_reads(&lines) {
        assert_eq!(verdict(StatusCode::UNAUTHORIZED, &plain), verdict(StatusCode::UNAUTHORIZED, &lines));
    }

    let response = response(StatusCode::UNAUTHORIZED, &lines);
    match Wso2Classifier::new().body(&Head::of(&response), &Seen::new(b"", None, true)) {
        Verdict::Pass | Verdict::InsufficientScope(_) | Verdict::InsufficientUserAuthentication(_) => {}
        Verdict::Reject(_) => {
            assert!(rejects, "without a fault WSO2's classifier rejects what the default one rejects")
        }
        other => panic!("{other:?} at the last look"),
    }
}

/// What `http-auth` reads, each challenge on a line of its own and each value in quotes; nothing where the lines do not keep to
/// the grammar, since that parser gives up then, or where a limit could cut them.
fn as_another_parser_reads(lines: &[HeaderValue]) -> Option<Vec<HeaderValue>> {
    let mut plain = Vec::new();
    for line in lines {
        for challenge in http_auth::parse_challenges(line.to_str().ok()?).ok()? {
            let parameters: Vec<_> = challenge
                .params
                .iter()
                .map(|(name, value)| {
                    // Each of its characters escaped: the parser must take that back.
                    let value: String = value.to_unescaped().chars().flat_map(|char| ['\\', char]).collect();
                    format!(r#"{name}="{value}""#)
                })
                .collect();
            plain.push(HeaderValue::try_from(format!("{} {}", challenge.scheme, parameters.join(", "))).ok()?);
        }
    }
    let bytes: usize = plain.iter().map(HeaderValue::len).sum();
    (plain.len() <= MAX_CHALLENGES && bytes < MAX_BYTES).then_some(plain)
}

fn is_rejected(status: StatusCode, lines: &[HeaderValue]) -> bool {
    verdict(status, lines).is_some()
}

/// The claims of a rejection, if it has any.
fn verdict(status: StatusCode, lines: &[HeaderValue]) -> Option<Option<String>> {
    let response = response(status, lines);
    match BearerClassifier::new().head(&Head::of(&response)) {
        Verdict::Pass => None,
        Verdict::InsufficientScope(challenge) | Verdict::InsufficientUserAuthentication(challenge) => {
            for list in [challenge.scope(), challenge.acr_values()].into_iter().flatten() {
                let is_visible = list.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                assert!((1..=MAX_LIST).contains(&list.len()) && is_visible, "{list:?}");
            }
            None
        }
        Verdict::Reject(challenge) => {
            if let Some(claims) = challenge.claims() {
                assert!(claims.len() <= MAX_CLAIMS && claims.starts_with('{') && claims.ends_with('}'), "{claims}");
            }
            Some(challenge.claims().map(Into::into))
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
