//! What a response says about the proof that came with the token (RFC 9449 §7.1 and §9).

use http::HeaderMap;

use super::{classify::Head, parse::parse};

/// The errors of RFC 9449 §7.1 and §9.
const NONCE: &str = "use_dpop_nonce";
const PROOF: &str = "invalid_dpop_proof";
/// In the head of an answer of gRPC that is an error: its HTTP status is 200.
const GRPC_STATUS: &str = "grpc-status";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// It wants another nonce.
    Nonce,
    /// It is not good.
    Proof,
    /// Whatever it says, it is about something else.
    Nothing,
}

/// Whatever the layer's classifier says of such a response: it is no word about the token.
pub(crate) fn about(head: &Head<'_>) -> About {
    if !head.status().is_client_error() && head.headers().get(GRPC_STATUS).is_none_or(|status| status == "0") {
        return About::Nothing;
    }
    read(head.headers())
}

/// Whether a rejection says that the token is its reason (RFC 6750 §3.1).
pub(crate) fn names_the_token(headers: &HeaderMap) -> bool {
    parse(headers).iter().any(|challenge| challenge.has_error("invalid_token"))
}

#[cold]
fn read(headers: &HeaderMap) -> About {
    let challenges = parse(headers);
    let has = |error| challenges.iter().any(|challenge| challenge.is("DPoP") && challenge.has_error(error));
    match (has(NONCE), has(PROOF)) {
        (true, _) => About::Nonce,
        (false, true) => About::Proof,
        (false, false) => About::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use http::{Response, header::WWW_AUTHENTICATE};

    use super::*;

    fn said(status: u16, lines: &[&str], grpc: Option<&str>) -> About {
        let mut response = Response::builder().status(status);
        for line in lines {
            response = response.header(WWW_AUTHENTICATE, *line);
        }
        if let Some(status) = grpc {
            response = response.header(GRPC_STATUS, status);
        }
        about(&Head::of(&response.body(()).unwrap()))
    }

    #[test]
    fn only_a_challenge_for_the_scheme_dpop_speaks_of_the_proof() {
        for (line, what) in [
            (
                r#"DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof""#,
                About::Nonce,
            ),
            ("dpop error=USE_DPOP_NONCE", About::Nonce),
            (r#"Bearer realm="a", DPoP error="use_dpop_nonce""#, About::Nonce),
            (r#"DPoP realm="a", error="invalid_dpop_proof", algs="ES256""#, About::Proof),
            (r#"DPoP error="invalid_token""#, About::Nothing),
            (r#"DPoP algs="ES256""#, About::Nothing),
            (r#"Bearer error="use_dpop_nonce""#, About::Nothing),
            (r#"Bearer error="invalid_dpop_proof", DPoP"#, About::Nothing),
            ("", About::Nothing),
        ] {
            assert_eq!(said(401, &[line], None), what, "{line}");
        }
        let both = [r#"DPoP error="invalid_dpop_proof""#, r#"DPoP error="use_dpop_nonce""#];
        assert_eq!(said(401, &both, None), About::Nonce);
        assert_eq!(said(401, &[], None), About::Nothing);
    }

    #[test]
    fn an_answer_that_is_no_refusal_says_nothing_of_it() {
        let line = &[r#"DPoP error="use_dpop_nonce""#];
        for (status, grpc, what) in [
            (400, None, About::Nonce),
            (403, None, About::Nonce),
            (200, Some("16"), About::Nonce),
            (200, Some("0"), About::Nothing),
            (200, None, About::Nothing),
            (302, None, About::Nothing),
            (500, None, About::Nothing),
        ] {
            assert_eq!(said(status, line, grpc), what, "{status}");
        }
    }
}
