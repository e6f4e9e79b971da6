//! The default: which 401 says that the token is not good (RFC 6750 §3).

use std::time::Duration;

use http::StatusCode;

use super::{
    Challenge, Classify, Head, Verdict, claims,
    parse::{Challenges, Parameters},
};

/// The error of RFC 6750 §3.1.
const WIDER_SCOPE: &str = "insufficient_scope";

/// The error of RFC 9470 §3.
const STRONGER_LOGIN: &str = "insufficient_user_authentication";

/// Errors that another token of the same kind would meet again.
const HEALED_OTHERWISE: [&str; 3] = [WIDER_SCOPE, "invalid_request", STRONGER_LOGIN];

/// The default: a 401 is a rejection, unless its challenges say that a new token would not help.
///
/// 1. Only the status 401 counts, and each status that [`reject_status`](BearerClassifier::reject_status) adds. Everything
///    else passes: a 403, too, unless it was added. What rule 4 reports is read in a 403 as well.
/// 2. `Bearer`, `OAuth2` (older WSO2 gateways) and `OAuth` are challenges for our token, in any letter case. A 401 that names
///    only `Basic`, `Token` or `JWT` counts as one, too: Artifactory and Django REST framework name only what else they
///    accept. With [`strict`](BearerClassifier::strict) such a 401 passes.
/// 3. A 401 with only other schemes (`Negotiate`, `Digest`) passes: no token would help. So does `DPoP` alone: another bearer
///    token would not help.
/// 4. `error="invalid_token"` is a rejection. `insufficient_scope`, `invalid_request` (RFC 6750 §3.1) and
///    `insufficient_user_authentication` (RFC 9470 §3) are not: the next token would get the same answer. The first and the last
///    are reported in the response's extensions, with the `scope`, `acr_values` and `max_age` that were asked for:
///    [`Verdict::InsufficientScope`], [`Verdict::InsufficientUserAuthentication`].
/// 5. A challenge without an error, or with an unknown one, is a rejection, unless another challenge passes by rule 4.
/// 6. A 401 without a challenge, or with one that cannot be read, is a rejection: many servers send nothing else.
/// 7. `claims` in a rejection reach the grant through [`Challenge::claims`]: base64, base64url or JSON text, an object of at
///    most 4 KiB. An example is the "claims challenge" of Entra ID's continuous access evaluation, whose error is
///    `insufficient_claims`. Without claims that error is an unknown one, see rule 5.
///
/// If a new token does not help, that costs one renewal. Then the origin cools down.
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
#[derive(Clone, Debug, Default)]
pub struct BearerClassifier {
    strict: bool,
    statuses: Vec<StatusCode>,
}

impl BearerClassifier {
    /// The classifier.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a 401 pass if it names only other schemes, `Basic`, `Token` and `JWT` included.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Treats this status like a 401, for servers that answer a dead token with 403, 419 or 498. May be called more than
    /// once. A status below 400 is never a rejection.
    ///
    /// ```
    /// use http::{Response, StatusCode};
    /// use tower_reauth::{BearerClassifier, Classify, Head, Verdict};
    ///
    /// let classifier = BearerClassifier::new().reject_status(StatusCode::FORBIDDEN);
    /// let response = Response::builder().status(StatusCode::FORBIDDEN).body(())?;
    /// assert!(matches!(classifier.head(&Head::of(&response)), Verdict::Reject(_)));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// Some servers also send that status if the user has no permission. Unless the challenge tells the two apart, each such
    /// answer costs a renewal, until the origin cools down.
    #[must_use]
    pub fn reject_status(mut self, status: StatusCode) -> Self {
        self.statuses.push(status);
        self
    }

    #[cold]
    fn judge(&self, head: &Head<'_>) -> Verdict {
        let may_reject = head.status() == StatusCode::UNAUTHORIZED || self.statuses.contains(&head.status());
        if !may_reject && head.status() != StatusCode::FORBIDDEN {
            return Verdict::Pass;
        }
        let challenges = Challenges::of(head.headers());
        if challenges.only_foreign() && (self.strict || !challenges.only_beside()) {
            return Verdict::Pass;
        }
        match decide(&challenges) {
            Verdict::Reject(_) if !may_reject => Verdict::Pass,
            verdict => verdict,
        }
    }
}

impl Classify for BearerClassifier {
    fn head(&self, head: &Head<'_>) -> Verdict {
        // One comparison for a good call, whatever is configured.
        if head.status().as_u16() < 400 {
            return Verdict::Pass;
        }
        self.judge(head)
    }
}

/// What challenges say that our token can answer.
pub(super) fn decide(challenges: &Challenges) -> Verdict {
    let (healed_otherwise, ours): (Vec<_>, Vec<_>) =
        challenges.ours.iter().partition(|challenge| HEALED_OTHERWISE.iter().any(|error| challenge.has_error(error)));
    let claims = ours.iter().find_map(|challenge| claims::decode(challenge.claims.as_deref()?));
    let is_certain = claims.is_some() || ours.iter().any(|challenge| challenge.has_error("invalid_token"));
    if !is_certain && !healed_otherwise.is_empty() {
        let with = |error| healed_otherwise.iter().find(|challenge| challenge.has_error(error));
        return match (with(STRONGER_LOGIN), with(WIDER_SCOPE)) {
            (Some(challenge), _) => Verdict::InsufficientUserAuthentication(asked(challenge)),
            (None, Some(challenge)) => Verdict::InsufficientScope(asked(challenge)),
            (None, None) => Verdict::Pass,
        };
    }
    Verdict::Reject(match claims {
        Some(claims) => Challenge::new().with_claims(claims),
        None => Challenge::new(),
    })
}

fn asked(parameters: &Parameters) -> Challenge {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let challenge =
        Challenge::new().with_scope(&text(&parameters.scope)).with_acr_values(&text(&parameters.acr_values));
    match parameters.max_age.as_deref().and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => challenge.with_max_age(Duration::from_secs(seconds)),
        None => challenge,
    }
}

#[cfg(test)]
mod tests;
