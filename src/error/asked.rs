//! What a server asks for that a renewal cannot bring: another scope, or another login.

use std::time::Duration;

use super::{Error, kind::ErrorKind};

/// The longest text that is taken (invariant 12).
const LONGEST: usize = 1024;

/// What a challenge asks for (RFC 6750 §3, RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) scope: Option<Box<str>>,
    pub(crate) acr_values: Option<Box<str>>,
    pub(crate) max_age: Option<Duration>,
}

impl Asked {
    /// A list with spaces between its parts, in visible ASCII as RFC 6749 §3.3 has it. Anything else is as good as not said.
    pub(crate) fn list(text: &str) -> Option<Box<str>> {
        let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let text = text.trim_ascii();
        ((1..=LONGEST).contains(&text.len()) && text.bytes().all(is_allowed)).then(|| text.into())
    }
}

impl Error {
    /// Of a response whose token is good, and not enough.
    pub(crate) fn insufficient(kind: ErrorKind, asked: Asked) -> Self {
        let said = |name: &str, value: &Option<Box<str>>| value.as_ref().map(|value| format!("{name} `{value}`"));
        let max_age = asked.max_age.map(|age| format!("`max_age` {}", age.as_secs()));
        let wishes = [said("scope", &asked.scope), said("`acr_values`", &asked.acr_values), max_age];
        let wishes = wishes.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let why = match kind {
            ErrorKind::InsufficientScope => "the token is good, but its scope does not suffice",
            _ => "the token is good, but the user's login does not suffice",
        };
        let asks = if wishes.is_empty() { String::new() } else { format!(": the server asks for {wishes}") };
        Self::new(kind, format!("{why}{asks}")).map(|inner| inner.asked = Some(Box::new(asked)))
    }

    /// The scope that the server asks for (RFC 6750 §3): names with spaces between them, at most 1,024 characters of visible
    /// ASCII. Only with [`ErrorKind::InsufficientScope`] and [`ErrorKind::InsufficientUserAuthentication`], and only if the
    /// server said so.
    pub fn scope(&self) -> Option<&str> {
        self.inner.asked.as_ref()?.scope.as_deref()
    }

    /// The authentication context class references that the server asks for, in its order of preference, with spaces between
    /// them ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)). As [`scope`](Error::scope) otherwise. Send it as
    /// `acr_values` with the authorization request.
    pub fn acr_values(&self) -> Option<&str> {
        self.inner.asked.as_ref()?.acr_values.as_deref()
    }

    /// How long ago the user may have logged in at most ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)). Send
    /// it as `max_age`, in seconds, with the authorization request.
    pub fn max_age(&self) -> Option<Duration> {
        self.inner.asked.as_ref()?.max_age
    }
}
