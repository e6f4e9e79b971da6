//! The body of a WSO2 fault: its first line says how it is cut and what comes with it, the rest is the body.
//!
//! The first byte of that line picks the challenge, the second one how many spaces stand in the middle of the body, the
//! others are the lengths of its frames.

use http::{Response, StatusCode, header::WWW_AUTHENTICATE};
use tower_reauth::{BearerClassifier, Classify, Head, Seen, Verdict, Wso2Classifier};

const CHALLENGES: [&str; 4] = [
    "",
    r#"OAuth2 realm="WSO2 API Manager""#,
    r#"Bearer realm="WSO2 API Manager", error="insufficient_scope""#,
    r#"Bearer realm="orders", error="invalid_token""#,
];

/// Kibibytes of spaces: none mostly, for speed, and what brings the rest of the body to the bounds of the looks.
const SPACES: [usize; 4] = [0, 0, 4, 64];

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let (how, text) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&[][..], input),
    };
    let challenge = CHALLENGES[usize::from(*how.first().unwrap_or(&0)) % CHALLENGES.len()];
    let spaces = SPACES[usize::from(*how.get(1).unwrap_or(&0)) % SPACES.len()] * 1024;
    let (start, end) = text.split_at(text.len() / 2);
    let body = [start, &vec![b' '; spaces], end].concat();

    let response = response(StatusCode::UNAUTHORIZED, challenge);
    let head = Head::of(&response);
    let Verdict::Look { at_most, .. } = Wso2Classifier::new().head(&head) else {
        panic!("the head alone decides nothing")
    };
    let body = &body[..body.len().min(at_most)];
    let whole = is_rejected(Wso2Classifier::new().body(&head, &Seen::new(body, None, true))).expect("a decision");

    let lengths = how.get(2..).unwrap_or_default().iter().map(|length| usize::from(*length));
    let ends = lengths.scan(0, |at, length| {
        *at += length;
        Some(*at)
    });
    for end in ends.take_while(|end| *end < body.len()).take(16).chain([body.len()]) {
        if let Some(early) = is_rejected(Wso2Classifier::new().body(&head, &Seen::new(&body[..end], None, false))) {
            assert_eq!(early, whole, "the first {end} bytes tell something else than all {}", body.len());
        }
    }

    if whole {
        let codes = ["900901", "900903", "900904"].map(str::as_bytes);
        let single: Vec<_> = body.iter().copied().filter(|byte| *byte != 0).collect();
        let has_code = codes.iter().any(|code| single.windows(code.len()).any(|window| window == *code));
        let by_header = matches!(BearerClassifier::new().head(&head), Verdict::Reject(_));
        assert!(has_code || by_header, "a rejection for no reason");
    }
    let ok = self::response(StatusCode::OK, challenge);
    assert!(matches!(Wso2Classifier::new().head(&Head::of(&ok)), Verdict::Pass));
}

/// `None`: it wants to see more.
fn is_rejected(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Pass
        | Verdict::InsufficientScope(_)
        | Verdict::InsufficientUserAuthentication(_)
        | Verdict::DpopOnly(_) => Some(false),
        Verdict::Reject(_) => Some(true),
        _ => None,
    }
}

fn response(status: StatusCode, challenge: &str) -> Response<()> {
    let response = Response::builder().status(status).header(WWW_AUTHENTICATE, challenge);
    response.body(()).expect("a valid header")
}
