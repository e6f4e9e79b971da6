//! The default: which 401 says that the token is not good (RFC 6750 §3).

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde_json::value::RawValue;

use super::{
    about::Challenges,
    claims,
    classify::{Classify, Head, Seen, Verdict},
    parse::ParsedChallenge,
};
use crate::{asked::Challenge, scheme::Scheme};

/// How many bytes of a body are looked at.
const MAX_BODY: usize = 4 * 1024;

/// The errors of RFC 6750 §3.1.
const DEAD: &str = "invalid_token";
const WIDER_SCOPE: &str = "insufficient_scope";

/// The error of RFC 9470 §3.
const STRONGER_LOGIN: &str = "insufficient_user_authentication";

/// Errors that another token of the same kind would meet again.
const HEALED_OTHERWISE: [&str; 3] = [WIDER_SCOPE, "invalid_request", STRONGER_LOGIN];

/// The default: a 401 is a rejection, unless its challenges say that a new token would not help.
///
/// 1. Only the status 401 counts, and each status that [`reject_status`](BearerClassifier::reject_status) adds. Everything
///    else passes: a 403, too, unless it was added. What rule 4 reports is read in a 403 as well.
/// 2. `Bearer`, `OAuth2` (older WSO2 gateways) and `OAuth` are challenges for our token, in any letter case, and so are those of
///    the [`scheme`](BearerClassifier::scheme) that it is sent with. A 401 that names only `Basic`, `Token` or `JWT` counts as one,
///    too: Artifactory and Django REST framework name only what else they accept.
/// 3. A 401 with only other schemes (`Negotiate`, `Digest`) passes: no token would help. `DPoP` is another scheme, too, unless the
///    token went with a proof. Where it is offered and `Bearer` is not, another bearer token would not help. That is reported:
///    [`Verdict::DpopOnly`].
/// 4. `error="invalid_token"` is a rejection. `insufficient_scope`, `invalid_request` (RFC 6750 §3.1) and
///    `insufficient_user_authentication` (RFC 9470 §3) are not: the next token would get the same answer. The first and the last
///    are reported in the response's extensions, with the `scope`, `acr_values` and `max_age` that were asked for:
///    [`Verdict::InsufficientScope`], [`Verdict::InsufficientUserAuthentication`].
/// 5. A challenge without an error, or with an unknown one, is a rejection, unless another challenge passes by rule 4.
/// 6. A 401 without a challenge, or with one that cannot be read, is a rejection: many servers send nothing else.
/// 7. With [`strict`](BearerClassifier::strict) only `invalid_token` or claims make a rejection, not the absence of an error. With
///    [`with_bodies`](BearerClassifier::with_bodies) an error in the body counts where no challenge has one.
/// 8. `scope`, `acr_values`, `max_age` and `resource_metadata` in a rejection reach the grant
///    ([`GrantContext::challenge`](crate::GrantContext::challenge)) and the caller whose call is not healed
///    ([`RenewalFailed::challenge`](crate::RenewalFailed::challenge)). So do `claims`, in base64, base64url or JSON text: an object of
///    at most 4 KiB. An example is the "claims challenge" of Entra ID's continuous access evaluation, whose error is
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
    bodies: bool,
    statuses: Vec<StatusCode>,
    scheme: Scheme,
}

impl BearerClassifier {
    /// The classifier.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rejects only what leaves no doubt: a challenge for our token with `error="invalid_token"`, or with claims. A 401 without a
    /// challenge passes, and so does one whose challenge names no error, or an unknown one.
    ///
    /// It is for APIs that keep to [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1) and answer 401 for other
    /// reasons as well, or that stand behind a proxy which does: none of these answers costs a renewal then. An API that says no
    /// more than 401 is never healed.
    ///
    /// ```
    /// use http::{Response, StatusCode, header::WWW_AUTHENTICATE};
    /// use tower_reauth::{BearerClassifier, Classify, Head, Verdict};
    ///
    /// let classifier = BearerClassifier::new().strict();
    /// let answer = |challenge| {
    ///     Response::builder().status(StatusCode::UNAUTHORIZED).header(WWW_AUTHENTICATE, challenge).body(())
    /// };
    /// let dead = answer(r#"Bearer realm="api", error="invalid_token""#)?;
    /// assert!(matches!(classifier.head(&Head::of(&dead)), Verdict::Reject(_)));
    /// let unsaid = answer(r#"Basic realm="proxy""#)?;
    /// assert!(matches!(classifier.head(&Head::of(&unsaid)), Verdict::Pass));
    /// # Ok::<(), http::Error>(())
    /// ```
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

    /// Reads the error in the body of a rejection where the challenges say none:
    /// `{"error": "invalid_token"}`, the JSON object that OAuth's own endpoints answer with
    /// ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)). It counts as one that a challenge says.
    ///
    /// It helps where an API answers without `WWW-Authenticate`: a body that says `insufficient_scope` then sets off no renewal,
    /// and `invalid_token` is certain for [`strict`](BearerClassifier::strict) and tells the two meanings of a 403 apart that
    /// [`reject_status`](BearerClassifier::reject_status) added. Any other text in `error` is an unknown error.
    ///
    /// The head of such a response, and of every 403, waits for its body: for 4 KiB or 1 s at most, whatever the `Content-Type` is,
    /// and with [`NoReplay`](crate::NoReplay) too. A body that is longer, compressed or no JSON says nothing. So put decompression
    /// between the layer and the client.
    ///
    /// ```
    /// use http::{Response, StatusCode};
    /// use tower_reauth::{BearerClassifier, Classify, Head, Seen, Verdict};
    ///
    /// let classifier = BearerClassifier::new().strict().with_bodies();
    /// let response = Response::builder().status(StatusCode::UNAUTHORIZED).body(())?;
    /// let head = Head::of(&response);
    /// assert!(matches!(classifier.head(&head), Verdict::Look { .. }));
    /// let body = Seen::new(br#"{"error":"invalid_token"}"#, None, true);
    /// assert!(matches!(classifier.body(&head, &body), Verdict::Reject(_)));
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn with_bodies(mut self) -> Self {
        self.bodies = true;
        self
    }

    /// The scheme that the token is sent with, so that its challenges are read as those of `Bearer` are: after
    /// `Splunk realm="splunk"` a 401 is a rejection. For [`Scheme::bare`] every challenge is, since such a token answers to no
    /// scheme in particular: OpenStack's services, for example, name `Keystone`.
    ///
    /// [`ReauthLayer::scheme`](crate::ReauthLayer::scheme) sets it for the default classifier. Set it yourself where you give a layer
    /// a classifier and a scheme.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// What the head says, and the body if it was looked at.
    #[cold]
    fn judge(&self, head: &Head<'_>, seen: Option<&Seen<'_>>) -> Verdict {
        let may_reject = head.status() == StatusCode::UNAUTHORIZED || self.statuses.contains(&head.status());
        if !may_reject && head.status() != StatusCode::FORBIDDEN {
            return Verdict::Pass;
        }
        let challenges = Challenges::of(head, &self.scheme);
        if challenges.are_foreign() {
            let offers = challenges.dpop_only();
            return if may_reject && !offers.is_empty() { Verdict::DpopOnly(asked(&offers)) } else { Verdict::Pass };
        }
        let mut ours = challenges.ours();
        let in_body;
        if self.bodies && ours.iter().all(|challenge| challenge.parameter("error").is_none()) {
            in_body = match seen.map_or(ErrorIn::MoreToCome, error_in) {
                ErrorIn::MoreToCome => return Verdict::look(MAX_BODY),
                ErrorIn::Nothing => None,
                // With what the first of the challenges asks for.
                ErrorIn::Body(error) => {
                    let first = ours.first().map_or_else(|| ParsedChallenge::new("Bearer"), |first| (*first).clone());
                    Some(first.with("error", &error))
                }
            };
            ours.extend(&in_body);
        }
        match decide(&ours) {
            Verdict::Reject(_) if !may_reject || (self.strict && !ours.iter().any(says_so)) => Verdict::Pass,
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
        self.judge(head, None)
    }

    fn body(&self, head: &Head<'_>, seen: &Seen<'_>) -> Verdict {
        self.judge(head, Some(seen))
    }
}

/// What these challenges, which are about our token, say.
pub(super) fn decide(ours: &[&ParsedChallenge]) -> Verdict {
    let (healed_otherwise, others): (Vec<_>, Vec<_>) =
        ours.iter().copied().partition(|challenge| HEALED_OTHERWISE.iter().any(|error| challenge.has_error(error)));
    if !healed_otherwise.is_empty() && !others.iter().any(says_so) {
        let with = |error| healed_otherwise.iter().find(|challenge| challenge.has_error(error));
        return match (with(STRONGER_LOGIN), with(WIDER_SCOPE)) {
            (Some(challenge), _) => Verdict::InsufficientUserAuthentication(asked(&[challenge])),
            (None, Some(challenge)) => Verdict::InsufficientScope(asked(&[challenge])),
            (None, None) => Verdict::Pass,
        };
    }
    let challenge = asked(&others);
    Verdict::Reject(match others.iter().find_map(claims_of) {
        Some(claims) => challenge.with_claims(claims),
        None => challenge,
    })
}

/// Whether a challenge leaves no doubt that the token is not good.
fn says_so(challenge: &&ParsedChallenge) -> bool {
    challenge.has_error(DEAD) || claims_of(challenge).is_some()
}

fn claims_of(challenge: &&ParsedChallenge) -> Option<Box<str>> {
    claims::decode(challenge.parameter("claims")?)
}

/// What the challenges ask for, each thing in the words of the first that names it.
fn asked(challenges: &[&ParsedChallenge]) -> Challenge {
    let text = |name| challenges.iter().find_map(|challenge| challenge.parameter(name)).unwrap_or_default();
    let challenge = Challenge::new()
        .with_scope(text("scope"))
        .with_acr_values(text("acr_values"))
        .with_resource_metadata(text("resource_metadata"));
    match text("max_age").parse() {
        Ok(seconds) => challenge.with_max_age(Duration::from_secs(seconds)),
        Err(_) => challenge,
    }
}

/// What is known of the error in a body.
enum ErrorIn {
    Body(String),
    Nothing,
    MoreToCome,
}

fn error_in(seen: &Seen<'_>) -> ErrorIn {
    let data = seen.data().trim_ascii();
    let is_last = seen.is_last() || seen.data().len() >= MAX_BODY;
    if seen.data().len() > MAX_BODY {
        return ErrorIn::Nothing;
    }
    match data {
        [b'{', .., b'}'] => {}
        // Only what may be whole is read: a body of many small frames would cost the square of its length.
        [] | [b'{', ..] if !is_last => return ErrorIn::MoreToCome,
        _ => return ErrorIn::Nothing,
    }
    let members = serde_json::from_slice::<BTreeMap<String, &RawValue>>(data);
    match members.map(|members| members.get("error").and_then(|error| serde_json::from_str(error.get()).ok())) {
        Ok(Some(error)) => ErrorIn::Body(error),
        Err(_) if !is_last => ErrorIn::MoreToCome,
        Ok(None) | Err(_) => ErrorIn::Nothing,
    }
}

#[cfg(test)]
mod tests;
