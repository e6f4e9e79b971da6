//! `WWW-Authenticate`: each line of the input is one header line.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower_reauth::{BearerClassifier, Classify, Head, Seen, Verdict, Wso2Classifier, challenge};

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

    let parsed = parsed(&lines);
    assert!(parsed.len() <= MAX_CHALLENGES);
    let bytes = |challenge: &Challenge| challenge.1.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    // A byte that is not UTF-8 becomes three.
    assert!(parsed.iter().map(bytes).sum::<usize>() <= 3 * MAX_BYTES);
    if let Some(others) = as_another_parser_reads(&lines) {
        assert_eq!(parsed, others);
        // Each on a line of its own, and all that is in its values escaped.
        let plain: Option<Vec<_>> =
            others.iter().map(|challenge| HeaderValue::try_from(written(challenge)).ok()).collect();
        if let Some(plain) = plain.filter(|plain| plain.iter().map(HeaderValue::len).sum::<usize>() < MAX_BYTES) {
            assert_eq!(verdict(StatusCode::UNAUTHORIZED, &plain), verdict(StatusCode::UNAUTHORIZED, &lines));
        }
    }
    check_token68(input);

    let response = response(StatusCode::UNAUTHORIZED, &lines);
    match Wso2Classifier::new().body(&Head::of(&response), &Seen::new(b"", None, true)) {
        Verdict::Pass
        | Verdict::InsufficientScope(_)
        | Verdict::InsufficientUserAuthentication(_)
        | Verdict::DpopOnly(_) => {}
        Verdict::Reject(_) => {
            assert!(rejects, "without a fault WSO2's classifier rejects what the default one rejects")
        }
        other => panic!("{other:?} at the last look"),
    }
}

/// A scheme and its parameters.
type Challenge = (String, Vec<(String, String)>);

fn headers(lines: &[HeaderValue]) -> HeaderMap {
    lines.iter().map(|line| (WWW_AUTHENTICATE, line.clone())).collect()
}

/// What the public parser reads.
fn parsed(lines: &[HeaderValue]) -> Vec<Challenge> {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    challenge::parse(&headers(lines))
        .iter()
        .map(|challenge| (challenge.scheme().to_owned(), challenge.parameters().map(pair).collect()))
        .collect()
}

/// What `http-auth` reads; nothing where the lines do not keep to the grammar, since that parser gives up then, or hold a token68,
/// which it does not know, or where a limit cuts them.
fn as_another_parser_reads(lines: &[HeaderValue]) -> Option<Vec<Challenge>> {
    let mut challenges = Vec::new();
    for line in lines {
        for challenge in http_auth::parse_challenges(line.to_str().ok()?).ok()? {
            let parameters = challenge.params.iter().map(|(name, value)| (name.to_string(), value.to_unescaped()));
            challenges.push((challenge.scheme.to_owned(), parameters.collect()));
        }
    }
    let bytes: usize = lines.iter().map(HeaderValue::len).sum();
    (challenges.len() <= MAX_CHALLENGES && bytes < MAX_BYTES).then_some(challenges)
}

/// A challenge with each character of its values escaped: the parser must take that back.
fn written((scheme, parameters): &Challenge) -> String {
    let escaped = |value: &str| value.chars().flat_map(|char| ['\\', char]).collect::<String>();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!(r#"{name}="{}""#, escaped(value))).collect();
    format!("{scheme} {}", parameters.join(", "))
}

/// Whatever a token68 is made of, it is read back, and what stands around it as well.
fn check_token68(input: &[u8]) {
    let is_of_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let token68: String =
        input.iter().filter(|byte| is_of_one(byte)).take(1024).map(|byte| char::from(*byte)).collect();
    // A short one could be the name of a scheme.
    if token68.len() < 10 {
        return;
    }
    for end in ["", "=", "=="] {
        let token68 = token68.clone() + end;
        let line = format!(r#"Bearer realm="a", Negotiate {token68} , Basic realm="b""#);
        let read = challenge::parse(&headers(&[HeaderValue::try_from(line).expect("visible ASCII")]));
        let schemes: Vec<_> = read.iter().map(|challenge| challenge.scheme()).collect();
        assert_eq!(schemes, ["Bearer", "Negotiate", "Basic"]);
        assert_eq!(read[1].token68(), Some(&*token68));
        assert_eq!(read[2].parameter("realm"), Some("b"));
    }
}

fn is_rejected(status: StatusCode, lines: &[HeaderValue]) -> bool {
    verdict(status, lines).is_some()
}

/// The claims of a rejection, if it has any.
fn verdict(status: StatusCode, lines: &[HeaderValue]) -> Option<Option<String>> {
    let response = response(status, lines);
    match BearerClassifier::new().head(&Head::of(&response)) {
        Verdict::Pass => None,
        Verdict::InsufficientScope(challenge)
        | Verdict::InsufficientUserAuthentication(challenge)
        | Verdict::DpopOnly(challenge) => {
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
    *response.headers_mut() = headers(lines);
    response
}
