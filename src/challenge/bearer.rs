//! The default: which 401 says that the token is not good (RFC 6750 §3).

use http::StatusCode;

use super::{Challenge, Classify, Head, Verdict, claims, parse::Challenges};

/// The error of RFC 9470 §3.
const STRONGER_LOGIN: &str = "insufficient_user_authentication";

/// Errors that another token of the same kind would meet again.
const HEALED_OTHERWISE: [&str; 3] = ["insufficient_scope", "invalid_request", STRONGER_LOGIN];

/// Rejects a 401 whose challenges say, or don't deny, that the token is not good; the default.
///
/// 1. Only the status 401 counts. Everything else passes, 403 included: see [`Classify`] for how to add it.
/// 2. `Bearer`, `OAuth2` (older WSO2 gateways) and `DPoP` are challenges for a token, in any letter case. Where there
///    are only others (`Basic`, `Negotiate`), the 401 passes: no token would help.
/// 3. `error="invalid_token"` rejects. `insufficient_scope`, `invalid_request` (RFC 6750 §3.1) and
///    `insufficient_user_authentication` (RFC 9470 §3) pass: another token of the same kind would meet the same
///    answer. The last one is told in an event, since only a stronger login heals it.
/// 4. A challenge without an error, or with an unknown one, rejects unless another challenge passes by rule 3.
/// 5. No header, or one that can't be understood, rejects: many servers send a 401 and nothing else.
/// 6. `claims` in a challenge that rejects (base64, base64url or JSON text, an object of at most 4 KiB) reach the grant
///    through [`Challenge::claims`]. The OpenID Connect "claims challenge" of Entra ID is such a one.
///
/// All `WWW-Authenticate` lines are read, 8 KiB and 16 challenges in all; the rest is ignored.
///
/// ```
/// use http::{Response, StatusCode, header::WWW_AUTHENTICATE};
/// use tower_reauth::{BearerClassifier, Classify, Head, Verdict};
///
/// let response = Response::builder()
///     .status(StatusCode::UNAUTHORIZED)
///     .header(WWW_AUTHENTICATE, r#"Bearer realm="api", error="invalid_token""#)
///     .body(())?;
/// assert!(matches!(BearerClassifier::new().head(&Head::of(&response)), Verdict::Reject(_)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct BearerClassifier;

impl BearerClassifier {
    /// The classifier.
    pub fn new() -> Self {
        Self
    }
}

impl Classify for BearerClassifier {
    fn head(&self, head: &Head<'_>) -> Verdict {
        if head.status() != StatusCode::UNAUTHORIZED {
            return Verdict::Pass;
        }
        decide(&Challenges::of(head.headers()))
    }
}

/// What the challenges of a 401 say.
pub(super) fn decide(challenges: &Challenges) -> Verdict {
    if challenges.only_foreign() {
        return Verdict::Pass;
    }
    let (healed_otherwise, ours): (Vec<_>, Vec<_>) =
        challenges.ours.iter().partition(|challenge| HEALED_OTHERWISE.iter().any(|error| challenge.has_error(error)));
    let claims = ours.iter().find_map(|challenge| claims::decode(challenge.claims.as_deref()?));
    let is_certain = claims.is_some() || ours.iter().any(|challenge| challenge.has_error("invalid_token"));
    if !is_certain && !healed_otherwise.is_empty() {
        if healed_otherwise.iter().any(|challenge| challenge.has_error(STRONGER_LOGIN)) {
            crate::events::stronger_login_asked();
        }
        return Verdict::Pass;
    }
    Verdict::Reject(match claims {
        Some(claims) => Challenge::new().with_claims(claims),
        None => Challenge::new(),
    })
}

#[cfg(test)]
mod tests;
