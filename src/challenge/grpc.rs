//! gRPC: the status UNAUTHENTICATED, which travels in an answer of HTTP status 200.

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use super::{
    bearer::BearerClassifier,
    classify::{Classify, Head, Seen, Verdict},
};
use crate::asked::Challenge;

/// The header and trailer that carries the status of a call.
const GRPC_STATUS: &str = "grpc-status";

/// The status UNAUTHENTICATED.
const UNAUTHENTICATED: &[u8] = b"16";

/// Rejects gRPC's UNAUTHENTICATED (status 16), and an HTTP 401 as [`BearerClassifier`] does.
///
/// A server that refuses a call at once sends the status in the head, as a
/// [trailers-only answer](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses). tonic's interceptors and
/// most proxies do so. That is what this classifier reads by default. Other statuses pass, PERMISSION_DENIED included.
///
/// Some servers open the answer first, and send the status in trailers.
/// [`with_trailers`](GrpcClassifier::with_trailers) reads those as well.
///
/// gRPC-Web, which sends trailers inside the body, is not read.
///
/// ```
/// use http::Response;
/// use tower_reauth::{Classify, GrpcClassifier, Head, Verdict};
///
/// let response = Response::builder().header("grpc-status", "16").body(())?;
/// assert!(matches!(GrpcClassifier::new().head(&Head::of(&response)), Verdict::Reject(_)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcClassifier {
    trailers: bool,
}

impl GrpcClassifier {
    /// A classifier that reads heads only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads trailers as well, if they come before any message.
    ///
    /// Use it for unary calls only. It holds back the head of every answer until the first message or the end of the call,
    /// for 1 s at most, so a server stream seems to start late. A bidirectional call stalls that long if its client waits for
    /// the head before it sends the next message.
    ///
    /// What a server says of a DPoP proof is read from heads only.
    #[must_use]
    pub fn with_trailers(self) -> Self {
        Self { trailers: true }
    }
}

impl Classify for GrpcClassifier {
    fn head(&self, head: &Head<'_>) -> Verdict {
        if head.status() != StatusCode::OK {
            return BearerClassifier::new().head(head);
        }
        match decide(head.headers()) {
            Some(verdict) => verdict,
            // One byte of a message is enough to know that it is not a refusal.
            None if self.trailers && is_grpc(head.headers()) => Verdict::Look { at_most: 1 },
            None => Verdict::Pass,
        }
    }

    fn body(&self, _: &Head<'_>, seen: &Seen<'_>) -> Verdict {
        if !seen.data().is_empty() {
            return Verdict::Pass;
        }
        match seen.trailers().and_then(decide) {
            Some(verdict) => verdict,
            None if seen.is_last() => Verdict::Pass,
            None => Verdict::Look { at_most: 1 },
        }
    }
}

/// What the status says, if there is one.
fn decide(headers: &HeaderMap) -> Option<Verdict> {
    headers.get(GRPC_STATUS).map(|status| match status.as_bytes() {
        UNAUTHENTICATED => Verdict::Reject(Challenge::new()),
        _ => Verdict::Pass,
    })
}

/// Whether the body holds gRPC messages, and so ends in trailers.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let Some((start, rest)) = value.as_bytes().split_at_checked(b"application/grpc".len()) else { return false };
    start.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn head(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap()
    }

    fn trailers(status: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(GRPC_STATUS), status.parse().unwrap())])
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc");

    #[test]
    fn unauthenticated_in_the_head_renews_and_other_statuses_pass() {
        for classifier in [GrpcClassifier::new(), GrpcClassifier::new().with_trailers()] {
            for status in 0..=17 {
                let response = head(200, &[GRPC, (GRPC_STATUS, &status.to_string())]);
                let verdict = classifier.head(&Head::of(&response));
                assert_eq!(matches!(verdict, Verdict::Reject(_)), status == 16, "{status}");
                assert_eq!(matches!(verdict, Verdict::Pass), status != 16, "{status}");
            }
            for garbage in ["", "016", "16 ", "1 6", "unauthenticated"] {
                let response = head(200, &[GRPC, (GRPC_STATUS, garbage)]);
                // `http` keeps outer spaces of a value that was built by hand; from the wire they never come.
                assert!(matches!(classifier.head(&Head::of(&response)), Verdict::Pass), "{garbage}");
            }
        }
    }

    #[test]
    fn an_http_401_is_decided_as_by_the_bearer_classifier() {
        let verdict = |response| GrpcClassifier::new().head(&Head::of(&response));
        assert!(matches!(verdict(head(401, &[])), Verdict::Reject(_)));
        assert!(matches!(verdict(head(401, &[("www-authenticate", "Negotiate")])), Verdict::Pass));
        assert!(matches!(verdict(head(401, &[GRPC, (GRPC_STATUS, "7")])), Verdict::Reject(_)));
        for status in [403, 500, 503] {
            assert!(matches!(verdict(head(status, &[GRPC, (GRPC_STATUS, "16")])), Verdict::Pass), "{status}");
        }
    }

    #[test]
    fn by_default_no_body_is_looked_at() {
        assert!(matches!(GrpcClassifier::new().head(&Head::of(&head(200, &[GRPC]))), Verdict::Pass));
    }

    #[test]
    fn with_trailers_only_grpc_bodies_without_a_status_are_looked_at() {
        let classifier = GrpcClassifier::new().with_trailers();
        let looks = |headers: &[_]| matches!(classifier.head(&Head::of(&head(200, headers))), Verdict::Look { .. });
        for value in ["application/grpc", "application/grpc+proto", "Application/GRPC; charset=x"] {
            assert!(looks(&[("content-type", value)]), "{value}");
        }
        for value in ["application/json", "application/grpc-web", "application/grpc-web+proto", "application/grpcx", ""]
        {
            assert!(!looks(&[("content-type", value)]), "{value}");
        }
        assert!(!looks(&[]));
        assert!(!looks(&[GRPC, (GRPC_STATUS, "0")]));
    }

    #[test]
    fn unauthenticated_in_trailers_before_any_message_renews() {
        let response = head(200, &[GRPC]);
        let (classifier, head) = (GrpcClassifier::new().with_trailers(), Head::of(&response));
        let body = |data, trailers, last| classifier.body(&head, &Seen::new(data, trailers, last));
        let (refused, fine) = (trailers("16"), trailers("0"));
        assert!(matches!(body(b"", None, false), Verdict::Look { .. }));
        for last in [false, true] {
            assert!(matches!(body(b"", Some(&refused), last), Verdict::Reject(_)));
            assert!(matches!(body(b"", Some(&fine), last), Verdict::Pass));
            assert!(matches!(body(b"\0", Some(&refused), last), Verdict::Pass), "a message was received");
            assert!(matches!(body(b"\0", None, last), Verdict::Pass));
        }
        assert!(matches!(body(b"", None, true), Verdict::Pass));
        assert!(matches!(body(b"", Some(&HeaderMap::new()), true), Verdict::Pass));
    }
}
