//! Reading an answer of the token endpoint (RFC 6749 §5.1), tolerant of what servers are known to send.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, response::Parts};
use secrecy::{ExposeSecret, SecretString};
use serde_core::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    dates::{self, told_at},
    encoding::{UNREADABLE, is_form, read_form, repaired, without_mark},
    failure::{Told, failure, holds_everyone},
    step::Step,
    token_type::Accepted,
    transport::{AnswerBody, Deadline, read_start},
};
use crate::{
    error::{Error, ErrorKind, TokenVerdict},
    token::{self, TokenSet},
};

/// The longest lifetime that is believed: a hundred years. Longer ones are cut, so that a clock can add them.
const LONGEST_LIFETIME: f64 = 100.0 * 365.25 * 24.0 * 3600.0;

/// The members of an answer that have a meaning here; the others in the order of the answer.
#[derive(Default)]
pub(super) struct Answer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    lifetime: Option<Duration>,
    /// Counts where there is no lifetime.
    end: Option<SystemTime>,
    refresh_token: Option<SecretString>,
    scope: Option<Box<str>>,
    error: Option<ErrorMember>,
    extra: Vec<(Box<str>, SecretString)>,
}

/// The `error` member (RFC 6749 §5.2); its code, where it holds one that can be told from a sentence, and the `message` beside
/// it.
struct ErrorMember {
    code: Option<Box<str>>,
    message: Option<SecretString>,
}

impl Answer {
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, serde_json::Error> {
        let body = without_mark(body);
        if is_form(headers, body) {
            return Self::from_form(body);
        }
        match repaired(body) {
            None => serde_json::from_slice(body),
            Some(body) => serde_json::from_slice::<Self>(body.as_slice())?.if_whole(),
        }
    }

    fn from_form(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut answer = Self::default();
        let each_once = read_form(body, |name, value| match name {
            "access_token" => answer.access_token = Some(value.into()),
            "token_type" => answer.token_type = Some(value.to_owned()),
            "expires_in" => answer.lifetime = lifetime(value),
            "refresh_token" => answer.refresh_token = (!value.is_empty()).then(|| value.into()),
            "error" => {
                answer.error = (!value.is_empty()).then(|| ErrorMember { code: Some(value.into()), message: None })
            }
            "scope" => answer.scope = Some(value.into()),
            _ => answer.keep(name, value.into(), value),
        });
        if each_once { answer.if_whole() } else { Err(de::Error::custom("a member is there twice")) }
    }

    /// Keeps a member that has no meaning here, or one only where another is missing.
    fn keep(&mut self, name: &str, value: SecretString, text: &str) {
        if let "expires_on" | "expires_at" = name {
            self.end = dates::parse(text).or(self.end);
        }
        self.extra.push((name.into(), value));
    }

    /// What is unreadable in a token makes the answer worthless; elsewhere it does no harm.
    fn if_whole(self) -> Result<Self, serde_json::Error> {
        let is_whole = |token: &SecretString| !token.expose_secret().contains(UNREADABLE);
        if self.access_token.iter().chain(&self.refresh_token).all(is_whole) {
            return Ok(self);
        }
        Err(de::Error::custom("a token is not text"))
    }

    /// Adds what the answer says besides the access token, at this time of day.
    fn with(&mut self, mut tokens: TokenSet, told_at: SystemTime) -> TokenSet {
        let until = |end: SystemTime| whole_seconds(end.duration_since(told_at).unwrap_or_default());
        if let Some(lifetime) = self.lifetime.or_else(|| self.end.map(until)) {
            tokens = tokens.with_lifetime(lifetime);
        }
        if let Some(refresh_token) = self.refresh_token.take() {
            tokens = tokens.with_refresh_token(refresh_token);
        }
        if let Some(scope) = self.scope.take() {
            tokens = tokens.with_scope(scope);
        }
        std::mem::take(&mut self.extra).into_iter().fold(tokens, |tokens, (name, value)| tokens.with_extra(name, value))
    }

    /// What the answer says, where it is no token response.
    pub(super) fn told(&self, body: &[u8]) -> Told<'_> {
        let code = self.error.as_ref().and_then(|error| error.code.as_deref());
        let named = self.extra.iter().find(|(name, _)| &**name == "error_description").map(|(_, text)| text);
        let description = named.or(self.error.as_ref().and_then(|error| error.message.as_ref()));
        let description = description.map(|text| text.expose_secret());
        Told { is_error: self.error.is_some(), code, description, page: is_page(body) }
    }
}

/// The token set of a token response that somebody else has read, and put into JSON again.
#[cfg(feature = "oauth2")]
pub(crate) fn tokens_of(json: &[u8]) -> Result<TokenSet, Error> {
    let refuse = |kind, why| Error::new(kind, why);
    let answer = Answer::parse(&HeaderMap::new(), json);
    let mut answer = answer.map_err(|_| refuse(ErrorKind::MalformedAnswer, "this is no token response"))?;
    let access_token = answer.access_token.take();
    let access_token =
        access_token.ok_or_else(|| refuse(ErrorKind::MissingAccessToken, "the answer holds no access token"))?;
    let is_bound = answer.token_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("dpop"));
    Ok(answer.with(TokenSet::new(access_token)?, SystemTime::now()).bound(is_bound))
}

/// The token set that a 2xx carries.
pub(super) fn tokens(step: &Step<'_>, parts: &Parts, accepted: Accepted<'_>, body: &[u8]) -> Result<TokenSet, Error> {
    let Parts { status, headers, .. } = parts;
    let status = *status;
    let refuse = |kind, why: &str| step.error(kind, why).with_status(status);
    let mut answer = Answer::parse(headers, body).map_err(|_| match shape(without_mark(body)) {
        _ if is_form(headers, body) => refuse(ErrorKind::MalformedAnswer, "the answer is a form that cannot be read"),
        Shape::Empty => refuse(ErrorKind::EmptyAnswer, "the answer has no body"),
        Shape::Json => refuse(ErrorKind::MalformedAnswer, "the answer is cut off, or is not a token response"),
        Shape::Foreign => {
            let page = is_page(body);
            refuse(ErrorKind::NotJson, "the answer is not JSON").with_verdict(TokenVerdict::Broken { page })
        }
    })?;
    if answer.error.is_some() {
        return Err(failure(step, status, headers, answer.told(body)));
    }
    let Some(access_token) = answer.access_token.take() else {
        return Err(refuse(ErrorKind::MissingAccessToken, "the answer holds no access token"));
    };
    let is_bound = accepted.takes(answer.token_type.as_deref(), |name| !step.secrets().are_in(name));
    let is_bound = is_bound.map_err(|unfit| match unfit.kind {
        // No other attempt brings a better one.
        ErrorKind::Dpop => refuse(unfit.kind, &unfit.why).with_verdict(TokenVerdict::NotAllowed),
        kind => refuse(kind, &unfit.why),
    })?;
    let tokens =
        TokenSet::new(access_token).map_err(|_| refuse(ErrorKind::InvalidAccessToken, token::NOT_FOR_A_HEADER))?;
    Ok(answer.with(tokens, told_at(headers)).bound(is_bound))
}

/// The error that an answer without a 2xx stands for.
pub(super) async fn refusal(
    step: &Step<'_>,
    parts: &Parts,
    body: AnswerBody,
    limit: usize,
    deadline: Deadline,
) -> Error {
    let status = parts.status;
    if status.is_redirection() {
        return failure(step, status, &parts.headers, Told::default());
    }
    match read_start(step, body, limit, deadline).await {
        Ok(body) => {
            let answer = Answer::parse(&parts.headers, body.as_slice()).unwrap_or_default();
            failure(step, status, &parts.headers, answer.told(body.as_slice()))
        }
        // On an outage the status says enough.
        Err(_) if status.is_server_error() || holds_everyone(status) => {
            failure(step, status, &parts.headers, Told::default())
        }
        // The code that was cut off may be the one that decides.
        Err(error) => error.with_status(status),
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnswerVisitor)
    }
}

struct AnswerVisitor;

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token response")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Answer, A::Error> {
        let mut answer = Answer::default();
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            // Borrowed from the answer, whose buffer is wiped: nothing is copied but into its final place.
            let value = members.next_value::<&RawValue>()?;
            match name.as_str() {
                "access_token" => answer.access_token = secret(value)?,
                "token_type" => answer.token_type = text(value)?,
                "expires_in" => answer.lifetime = lifetime(value.get().trim_matches('"')),
                // An empty one can't be redeemed.
                "refresh_token" => answer.refresh_token = if value.get() == r#""""# { None } else { secret(value)? },
                "error" => answer.error = error(value),
                // A scope of another shape, such as a list, is kept as it came.
                "scope" if is_text(value) => answer.scope = text(value)?.map(String::into_boxed_str),
                _ => {
                    let kept = if is_text(value) { secret(value)? } else { Some(value.get().into()) };
                    if let Some(kept) = kept {
                        answer.keep(&name, kept, value.get().trim_matches('"'));
                    }
                }
            }
            // Two values for one name: no telling which of them others on the way have read (RFC 8259 §4).
            if !seen.insert(name) {
                return Err(de::Error::custom("a member is there twice"));
            }
        }
        Ok(answer)
    }
}

/// A string as secret; `null` counts as missing.
fn secret<E: de::Error>(value: &RawValue) -> Result<Option<SecretString>, E> {
    struct Secret(SecretString);

    impl<'de> Deserialize<'de> for Secret {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(SecretVisitor)
        }
    }

    struct SecretVisitor;

    impl Visitor<'_> for SecretVisitor {
        type Value = Secret;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        // Text with escapes passes through serde_json's own scratch space, which is not wiped.
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
            Ok(Secret(text.into()))
        }
    }

    let secret: Option<Secret> = decode(value)?;
    Ok(secret.map(|secret| secret.0))
}

/// A string that is no secret; `null` counts as missing.
fn text<E: de::Error>(value: &RawValue) -> Result<Option<String>, E> {
    decode(value)
}

fn decode<'de, T: Deserialize<'de>, E: de::Error>(value: &'de RawValue) -> Result<T, E> {
    // serde_json's message may quote the value, so it is not passed on.
    serde_json::from_str(value.get()).map_err(|_| de::Error::custom("a member has another type"))
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// `expires_in` (RFC 6749 §5.1); what each value means is told to users at [`TokenEndpoint`](super::TokenEndpoint).
fn lifetime(text: &str) -> Option<Duration> {
    let number = text.trim();
    // `parse` would also take `inf` and `nan`.
    if !number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    let seconds = number.parse::<f64>().ok().filter(|seconds| !seconds.is_nan())?;
    // `0` has a meaning beside a token that is held already: see `Login::keep`.
    Some(whole_seconds(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_LIFETIME))))
}

fn whole_seconds(lifetime: Duration) -> Duration {
    Duration::from_secs(lifetime.as_secs().min(LONGEST_LIFETIME as u64))
}

/// `null` and the empty string are no error. Some servers give an object: its code is in `code` or `status`, or is what the
/// `message` consists of.
fn error(value: &RawValue) -> Option<ErrorMember> {
    let text = |value: &RawValue| serde_json::from_str::<Option<Box<str>>>(value.get()).ok().flatten();
    let mut message = None;
    let code = if let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()) {
        message = object.get("message").and_then(|value| secret::<serde_json::Error>(value).ok().flatten());
        ["code", "status", "message"].into_iter().filter_map(|name| object.get(name)).find_map(|value| text(value))
    } else {
        match serde_json::from_str::<Option<Box<str>>>(value.get()) {
            Ok(None) => return None,
            Ok(Some(code)) if code.is_empty() => return None,
            code => code.ok().flatten(),
        }
    };
    Some(ErrorMember { code, message })
}

/// Whether a body is a page for people.
fn is_page(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().starts_with(b"<")
}

enum Shape {
    Empty,
    Json,
    Foreign,
}

/// What a body that is no token response is instead.
fn shape(body: &[u8]) -> Shape {
    match body.trim_ascii_start().first() {
        None => Shape::Empty,
        Some(b'{' | b'[' | b'"') => Shape::Json,
        Some(_) if serde_json::from_slice::<IgnoredAny>(body).is_ok() => Shape::Json,
        Some(_) => Shape::Foreign,
    }
}

#[cfg(test)]
mod tests;
