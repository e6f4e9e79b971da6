//! WSO2 API Manager: the code in the fault decides.

use http::StatusCode;

use super::{
    about::Challenges,
    bearer,
    classify::{Classify, Head, Seen, Verdict},
    fault::{self, Fault},
};
use crate::{asked::Challenge, scheme::Scheme};

/// How many bytes of a body are looked at.
const MAX_BYTES: usize = 64 * 1024;

/// How many bytes are looked at while more may come. Each frame has the classifier read from the front again; without
/// this bound a body of many small frames would cost the square of its length.
const EARLY_BYTES: usize = 4 * 1024;

/// The realm that the gateway names in its own challenges.
const REALM: &str = "WSO2 API Manager";

/// For gateways of WSO2 API Manager: the code in the body of a 401 decides.
///
/// The header alone cannot tell. Newer gateways say `error="invalid_token"` on every 401, even for a blocked API or a missing
/// subscription; older ones give no reason at all. The fault in the body, in XML, SOAP or JSON, does tell:
///
/// 1. 900901 (invalid credentials), 900903 (token expired) and 900904 (token inactive) are rejections.
/// 2. Every other code from 900900 to 900999 passes: a new token would get the same answer.
/// 3. Without such a code (an empty body, a SOAP fault with text only, a fault of the operator's own) the header decides as
///    with [`BearerClassifier`](crate::BearerClassifier), if a `Bearer` or `OAuth2` challenge names the realm
///    `WSO2 API Manager`.
/// 4. Any other 401 comes from the backend behind the gateway, and passes. So does every other status.
///
/// At most 64 KiB of the body are read. The first 4 KiB are read as they come; a code beyond them counts when the look ends.
/// The `Content-Type` does not matter: XML, JSON and UTF-16 are told apart by their bytes. The body must not be compressed, so
/// put decompression between the layer and the client.
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_reauth::{Classify, Head, Seen, Verdict, Wso2Classifier};
///
/// let body = br#"{"code":"900901","message":"Invalid Credentials"}"#;
/// let response = Response::builder().status(StatusCode::UNAUTHORIZED).body(())?;
/// let (classifier, head) = (Wso2Classifier::new(), Head::of(&response));
/// assert!(matches!(classifier.head(&head), Verdict::Look { .. }));
/// assert!(matches!(classifier.body(&head, &Seen::new(&body[..15], None, false)), Verdict::Look { .. }));
/// assert!(matches!(classifier.body(&head, &Seen::new(body, None, false)), Verdict::Reject(_)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Wso2Classifier;

impl Wso2Classifier {
    /// The classifier.
    pub fn new() -> Self {
        Self
    }
}

impl Classify for Wso2Classifier {
    fn head(&self, head: &Head<'_>) -> Verdict {
        if head.status() != StatusCode::UNAUTHORIZED {
            return Verdict::Pass;
        }
        Verdict::Look { at_most: MAX_BYTES }
    }

    fn body(&self, head: &Head<'_>, seen: &Seen<'_>) -> Verdict {
        let data = seen.data();
        let is_last = seen.is_last() || data.len() >= MAX_BYTES;
        let limit = if is_last { MAX_BYTES } else { EARLY_BYTES };
        match fault::read(&data[..data.len().min(limit)]) {
            Fault::Code(900901 | 900903 | 900904) => Verdict::Reject(Challenge::new()),
            Fault::Code(_) => Verdict::Pass,
            Fault::Open if !is_last => Verdict::Look { at_most: MAX_BYTES },
            Fault::Open | Fault::Never => decide_by_header(head),
        }
    }
}

fn decide_by_header(head: &Head<'_>) -> Verdict {
    let scheme = Scheme::default();
    let challenges = Challenges::of(head, &scheme);
    let ours = challenges.ours();
    let is_gateway = |realm: &str| realm.eq_ignore_ascii_case(REALM);
    let is_gateways = ours.iter().any(|challenge| challenge.parameter("realm").is_some_and(is_gateway));
    if is_gateways && !challenges.are_foreign() { bearer::decide(&ours) } else { Verdict::Pass }
}

#[cfg(test)]
mod tests;
