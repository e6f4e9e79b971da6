//! The password grant (RFC 6749 §4.3).

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;

use super::Grant;
use crate::{
    context::GrantContext,
    credential::Credential,
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    token::TokenSet,
};

/// A user's name and password, exchanged for tokens
/// ([RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).
///
/// [RFC 9700 §2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4) forbids this grant: the client sees the password, and
/// there can be no second factor. It is here for gateways that you cannot change. In a new system use the authorization
/// code flow, and give its refresh token to [`RefreshTokenGrant`](crate::RefreshTokenGrant).
///
/// The password is kept in memory, never on disk, for as long as [`retain`](PasswordGrant::retain) says.
///
/// A password that the server refuses is not sent again and again, so that the account is not locked:
/// [`manual::answers`](crate::manual::answers) says how often it is sent.
///
/// ```no_run
/// # fn with(endpoint: tower_reauth::TokenEndpoint, password: secrecy::SecretString) {
/// use tower_reauth::{PasswordGrant, Retain};
///
/// let grant = PasswordGrant::new(endpoint, "alice", password)
///     .scope("orders")
///     .retain(Retain::UntilFirstRefreshToken);
/// # }
/// ```
pub struct PasswordGrant {
    endpoint: TokenEndpoint,
    username: Box<str>,
    password: Mutex<Option<SecretString>>,
    scope: Option<Box<str>>,
    device_scope: Option<Box<str>>,
    retain: Retain,
    confirmations: Option<Box<[Duration]>>,
}

/// How long a [`PasswordGrant`] keeps the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retain {
    /// Until the session logs out: a revoked or expired refresh token is healed without asking the user.
    #[default]
    UntilLogout,
    /// Until the first refresh token comes. The password is wiped then. If the server refuses that refresh token later,
    /// the session is [`Refused`](crate::Status::Refused).
    UntilFirstRefreshToken,
}

impl PasswordGrant {
    /// Tokens for this user, at this endpoint.
    pub fn new(endpoint: TokenEndpoint, username: impl Into<Box<str>>, password: impl Into<SecretString>) -> Self {
        let password = Mutex::new(Some(password.into()));
        Self {
            endpoint,
            username: username.into(),
            password,
            scope: None,
            device_scope: None,
            retain: Retain::default(),
            confirmations: None,
        }
    }

    /// Asks for a scope: names with spaces between them. Default: none, and the server decides.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Asks for a scope that only this device has: `device_` and the id, besides what [`scope`](PasswordGrant::scope) names.
    ///
    /// WSO2 API Manager keeps one active token for each user, client and scope, and grants any scope that starts with
    /// `device_`. Devices with a scope of their own do not revoke each other's tokens.
    ///
    /// A byte that is not a letter, a digit, `_` or `-` is written as a dot and its hexadecimal code, so that different ids
    /// make different scopes.
    #[must_use]
    pub fn device_scope(mut self, id: &str) -> Self {
        let mut scope = String::from("device_");
        for byte in id.bytes() {
            match byte {
                b'_' | b'-' => scope.push(byte.into()),
                _ if byte.is_ascii_alphanumeric() => scope.push(byte.into()),
                _ => scope.push_str(&format!(".{byte:02x}")),
            }
        }
        self.device_scope = Some(scope.into());
        self
    }

    /// How long the password is kept. Default: [`Retain::UntilLogout`].
    #[must_use]
    pub fn retain(mut self, retain: Retain) -> Self {
        self.retain = retain;
        self
    }

    /// A password that worked and is refused later is sent again to make sure: once after each of these pauses. Default: once
    /// after 60 s, and once more after 5 min if the refusal has no OAuth error code.
    ///
    /// After the last refusal the session is [`Refused`](crate::Status::Refused). Until then calls fail with
    /// [`ErrorKind::Refused`], but the [status](crate::Session::status) is another one, and the user need not be asked. A
    /// password that never worked in this login is not confirmed.
    ///
    /// WSO2 answers `invalid_grant` also when its user store is down; `[60 s, 15 min]` waits that out. A server that counts
    /// failures may lock the account because of these attempts.
    #[must_use]
    pub fn confirmations(mut self, pauses: impl IntoIterator<Item = Duration>) -> Self {
        self.confirmations = Some(pauses.into_iter().collect());
        self
    }

    fn password(&self) -> Result<SecretString, Error> {
        let why = "the password was wiped when the first refresh token came, so the password grant cannot be repeated";
        self.with_password(|password| password.clone()).ok_or_else(|| Error::new(ErrorKind::Refused, why))
    }

    pub(super) fn with_password<T>(&self, look: impl FnOnce(&mut Option<SecretString>) -> T) -> T {
        look(&mut self.password.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Grant for PasswordGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        // Asked for now, so that nothing waits for its turn without it; taken when it is that turn.
        self.password()?;
        let parameters = || {
            let mut parameters = vec![
                ("grant_type", "password".into()),
                ("username", SecretString::from(&*self.username)),
                ("password", self.password()?),
            ];
            let scope = [&self.scope, &self.device_scope].into_iter().flatten().map(|scope| &**scope);
            let scope = scope.collect::<Vec<_>>().join(" ");
            if !scope.is_empty() {
                parameters.push(("scope", scope.into()));
            }
            Ok(parameters)
        };
        let tokens = self.endpoint.request_with(&context, "password", parameters).await?;
        if self.retain == Retain::UntilFirstRefreshToken && tokens.refresh_token().is_some() {
            self.with_password(|password| *password = None);
        }
        Ok(tokens)
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn credential(&self) -> Credential {
        // Once the password is wiped, the refresh token is all there is.
        self.with_password(|password| if password.is_some() { Credential::Password } else { Credential::RefreshToken })
    }

    fn user(&self) -> Option<&str> {
        Some(&self.username)
    }

    fn forget(&self) {
        self.with_password(|password| *password = None);
    }

    fn confirm_after(&self) -> Option<&[Duration]> {
        self.confirmations.as_deref()
    }
}

impl fmt::Debug for PasswordGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGrant")
            .field("endpoint", &self.endpoint)
            .field("username", &"[redacted]")
            .field("password", &"[redacted]")
            .field("scope", &self.scope)
            .field("device_scope", &self.device_scope)
            .field("retain", &self.retain)
            .field("confirmations", &self.confirmations)
            .finish()
    }
}
