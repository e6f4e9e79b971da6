//! What a server asks for that a renewal cannot bring: another scope, or another login.

use std::time::Duration;

use super::{Error, kind::ErrorKind};
use crate::asked::Challenge;

impl Error {
    /// Of a response whose token is good, and not enough.
    pub(crate) fn insufficient(kind: ErrorKind, asked: Challenge) -> Self {
        let said = |name: &str, value: Option<&str>| value.map(|value| format!("{name} `{value}`"));
        let max_age = asked.max_age().map(|age| format!("`max_age` {}", age.as_secs()));
        let wishes = [said("scope", asked.scope()), said("`acr_values`", asked.acr_values()), max_age];
        let wishes = wishes.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let why = match kind {
            ErrorKind::InsufficientScope => "the token is good, but its scope does not suffice",
            _ => "the token is good, but the user's login does not suffice",
        };
        let asks = if wishes.is_empty() { String::new() } else { format!(": the server asks for {wishes}") };
        Self::new(kind, format!("{why}{asks}")).map(|inner| inner.asked = asked)
    }

    /// The scope that the server asks for (RFC 6750 §3): names with spaces between them, at most 1,024 characters of visible
    /// ASCII. Only with [`ErrorKind::InsufficientScope`] and [`ErrorKind::InsufficientUserAuthentication`], and only if the
    /// server said so.
    pub fn scope(&self) -> Option<&str> {
        self.inner.asked.scope()
    }

    /// The authentication context class references that the server asks for, in its order of preference, with spaces between
    /// them ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)). As [`scope`](Error::scope) otherwise. Send it as
    /// `acr_values` with the authorization request.
    pub fn acr_values(&self) -> Option<&str> {
        self.inner.asked.acr_values()
    }

    /// How long ago the user may have logged in at most ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)). Send
    /// it as `max_age`, in seconds, with the authorization request.
    pub fn max_age(&self) -> Option<Duration> {
        self.inner.asked.max_age()
    }
}
