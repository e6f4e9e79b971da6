//! What a challenge asks for.

use std::{fmt, sync::Arc, time::Duration};

/// The longest text that is taken (invariant 12).
const LONGEST: usize = 1024;

/// What a response asks for (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1). Clones are cheap.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::Challenge;
///
/// let challenge = Challenge::new().with_acr_values("urn:example:mfa").with_max_age(Duration::from_secs(300));
/// assert_eq!(challenge.acr_values(), Some("urn:example:mfa"));
/// ```
// One word where it asks for nothing, as most do: a call that waits has one.
#[derive(Clone, Default)]
pub struct Challenge(Option<Arc<Asked>>);

#[derive(Clone, Default)]
struct Asked {
    claims: Option<Box<str>>,
    scope: Option<Box<str>>,
    acr_values: Option<Box<str>>,
    max_age: Option<Duration>,
    resource_metadata: Option<Box<str>>,
}

impl Challenge {
    /// One that asks for nothing.
    pub(crate) const NONE: &Self = &Self(None);

    /// A challenge that says only that the token is not good.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the claims that the next token must carry, as JSON text.
    #[must_use]
    pub fn with_claims(self, claims: impl Into<Box<str>>) -> Self {
        self.set(|asked| asked.claims = Some(claims.into()))
    }

    /// Adds the scope that a token must have: names with spaces between them. What is empty, longer than 1,024 characters or not
    /// visible ASCII is left out.
    #[must_use]
    pub fn with_scope(self, scope: &str) -> Self {
        match visible(scope) {
            Some(scope) => self.set(|asked| asked.scope = Some(scope)),
            None => self,
        }
    }

    /// Adds the authentication context class references that the login must have (RFC 9470 §3), with the limits of
    /// [`with_scope`](Challenge::with_scope).
    #[must_use]
    pub fn with_acr_values(self, acr_values: &str) -> Self {
        match visible(acr_values) {
            Some(acr_values) => self.set(|asked| asked.acr_values = Some(acr_values)),
            None => self,
        }
    }

    /// Adds how long ago the user may have logged in at most (RFC 9470 §3).
    #[must_use]
    pub fn with_max_age(self, max_age: Duration) -> Self {
        self.set(|asked| asked.max_age = Some(max_age))
    }

    /// Adds the address of the API's metadata (RFC 9728 §5.1), with the limits of [`with_scope`](Challenge::with_scope).
    #[must_use]
    pub fn with_resource_metadata(self, address: &str) -> Self {
        match visible(address) {
            Some(address) => self.set(|asked| asked.resource_metadata = Some(address)),
            None => self,
        }
    }

    /// The claims that the next token must carry.
    pub fn claims(&self) -> Option<&str> {
        self.0.as_ref()?.claims.as_deref()
    }

    /// The scope that a token must have.
    pub fn scope(&self) -> Option<&str> {
        self.0.as_ref()?.scope.as_deref()
    }

    /// The authentication context class references that the login must have.
    pub fn acr_values(&self) -> Option<&str> {
        self.0.as_ref()?.acr_values.as_deref()
    }

    /// How long ago the user may have logged in at most.
    pub fn max_age(&self) -> Option<Duration> {
        self.0.as_ref()?.max_age
    }

    /// Where the API says that its metadata is ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
    ///
    /// This crate never fetches it. Whoever answers for the API can name any address there, one of your own network included:
    /// check it, as §7.3 and §7.7 of that RFC ask, before you fetch it, and before you send a secret to a server that it names.
    pub fn resource_metadata(&self) -> Option<&str> {
        self.0.as_ref()?.resource_metadata.as_deref()
    }

    fn set(mut self, change: impl FnOnce(&mut Asked)) -> Self {
        change(Arc::make_mut(self.0.get_or_insert_default()));
        self
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("claims", &self.claims().map(|_| "[asked]"))
            .field("scope", &self.scope())
            .field("acr_values", &self.acr_values())
            .field("max_age", &self.max_age())
            .field("resource_metadata", &self.resource_metadata().map(|_| "[said]"))
            .finish()
    }
}

/// A list with spaces between its parts, in visible ASCII as RFC 6749 §3.3 has it. Anything else is as good as not said.
fn visible(text: &str) -> Option<Box<str>> {
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let text = text.trim_ascii();
    ((1..=LONGEST).contains(&text.len()) && text.bytes().all(is_allowed)).then(|| text.into())
}
