//! Reading an answer of the token endpoint (RFC 6749 §5.1), tolerant of what servers are known to send.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    failure::{Told, failure},
    step::Step,
};
use crate::{Error, ErrorKind, TokenSet, error::TokenVerdict};

/// The longest lifetime that is believed: a hundred years. Longer ones are cut, so that a clock can add them.
const LONGEST_LIFETIME: f64 = 100.0 * 365.25 * 24.0 * 3600.0;

/// The members of an answer that have a meaning here; the others in the order of the answer.
#[derive(Default)]
pub(super) struct Answer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    lifetime: Option<Duration>,
    refresh_token: Option<SecretString>,
    scope: Option<Box<str>>,
    error: Option<ErrorMember>,
    extra: Vec<(Box<str>, SecretString)>,
}

/// The `error` member (RFC 6749 §5.2); its code, where it holds one that can be told from a sentence.
struct ErrorMember {
    code: Option<Box<str>>,
}

impl Answer {
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// What the answer says, where it is no token response.
    pub(super) fn told(&self, body: &[u8]) -> Told<'_> {
        let code = self.error.as_ref().and_then(|error| error.code.as_deref());
        Told { is_error: self.error.is_some(), code, page: is_page(body) }
    }
}

/// The token set that a 200 carries.
pub(super) fn tokens(step: &Step<'_>, headers: &HeaderMap, body: &[u8]) -> Result<TokenSet, Error> {
    let status = StatusCode::OK;
    let refuse = |kind, why: &str| step.error(kind, why).with_status(status);
    let answer = Answer::parse(body).map_err(|_| match shape(body) {
        Shape::Empty => refuse(ErrorKind::EmptyAnswer, "the answer has no body"),
        Shape::Json => refuse(ErrorKind::MalformedAnswer, "the answer is cut off or is no token response"),
        Shape::Foreign => {
            let page = is_page(body);
            refuse(ErrorKind::NotJson, "the answer is not JSON").with_verdict(TokenVerdict::Broken { page })
        }
    })?;
    if answer.error.is_some() {
        return Err(failure(step, status, headers, answer.told(body)));
    }
    let Some(access_token) = answer.access_token else {
        return Err(refuse(ErrorKind::MissingAccessToken, "the answer holds no access token"));
    };
    if answer.token_type.is_some_and(|name| !name.eq_ignore_ascii_case("bearer")) {
        return Err(refuse(ErrorKind::UnsupportedTokenType, "the answer holds a token that is no bearer token"));
    }
    let mut tokens = TokenSet::new(access_token).map_err(|_| {
        refuse(ErrorKind::InvalidAccessToken, "the access token is empty or holds what no header can carry")
    })?;
    if let Some(lifetime) = answer.lifetime {
        tokens = tokens.with_lifetime(lifetime);
    }
    if let Some(refresh_token) = answer.refresh_token {
        tokens = tokens.with_refresh_token(refresh_token);
    }
    if let Some(scope) = answer.scope {
        tokens = tokens.with_scope(scope);
    }
    Ok(answer.extra.into_iter().fold(tokens, |tokens, (name, value)| tokens.with_extra(name, value)))
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
                "expires_in" => answer.lifetime = lifetime(value),
                // An empty one can't be redeemed.
                "refresh_token" => answer.refresh_token = if value.get() == r#""""# { None } else { secret(value)? },
                "error" => answer.error = error(value),
                // A scope of another shape, such as a list, is kept as it came.
                "scope" if is_text(value) => answer.scope = text(value)?.map(String::into_boxed_str),
                _ if is_text(value) => answer.extra.extend(secret(value)?.map(|value| (name.as_str().into(), value))),
                _ => answer.extra.push((name.as_str().into(), value.get().into())),
            }
            // Two values for one name: no telling which of them others on the way have read (RFC 8259 §4).
            if !seen.insert(name) {
                return Err(de::Error::custom("a member stands twice"));
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
fn lifetime(value: &RawValue) -> Option<Duration> {
    let number = value.get().trim_matches('"').trim();
    // `parse` would also take `inf` and `nan`.
    if !number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    let seconds = number.parse::<f64>().ok()?.min(LONGEST_LIFETIME).floor();
    (seconds >= 1.0).then(|| Duration::from_secs_f64(seconds))
}

/// `null` and the empty string are no error. Some servers give an object: its code is in `code` or `status`, or is what the
/// `message` consists of.
fn error(value: &RawValue) -> Option<ErrorMember> {
    let text = |value: &RawValue| serde_json::from_str::<Option<Box<str>>>(value.get()).ok().flatten();
    let code = if let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()) {
        ["code", "status", "message"].into_iter().filter_map(|name| object.get(name)).find_map(|value| text(value))
    } else {
        match serde_json::from_str::<Option<Box<str>>>(value.get()) {
            Ok(None) => return None,
            Ok(Some(code)) if code.is_empty() => return None,
            code => code.ok().flatten(),
        }
    };
    Some(ErrorMember { code })
}

/// Whether a body is a page for people.
fn is_page(body: &[u8]) -> bool {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"<")
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
