//! Which request an error is about.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{
    address::Address,
    redact::{Carried, Secrets},
};
use crate::{
    context::GrantContext,
    error::{Error, ErrorKind},
};

/// What a token is, for revocation (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `access_token`
    Access,
    /// `refresh_token`
    Refresh,
}

/// One request to an endpoint, as it is named in messages.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    purpose: Purpose<'a>,
    address: &'a Address,
    /// What was sent, and for whom.
    sent: Option<(&'a Carried, Option<&'a GrantContext>)>,
}

#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// A token request with this grant type.
    Token(Option<&'a str>),
    /// One whose grant is an assertion that was signed here.
    Signed(&'a str),
    Refresh,
    Revocation(TokenKind),
    /// Of this issuer's metadata.
    Discovery(&'a str),
}

impl<'a> Step<'a> {
    pub(super) fn new(purpose: Purpose<'a>, address: &'a Address) -> Self {
        Self { purpose, address, sent: None }
    }

    /// The same once it was sent: from then on a server may repeat what it was given.
    pub(super) fn after(self, carried: &'a Carried, context: Option<&'a GrantContext>) -> Self {
        Self { sent: Some((carried, context)), ..self }
    }

    pub(super) fn address(&self) -> &'a Address {
        self.address
    }

    /// An error of this step. `why` must come from this crate, never from an answer (invariant 9).
    pub(super) fn error(&self, kind: ErrorKind, why: impl fmt::Display) -> Error {
        let error = Error::new(kind, format!("{} failed at {}: {why}", self.purpose, self.address));
        error.with_host(self.address.host())
    }

    /// What must not be told: all that the request carried, and what its session holds.
    pub(super) fn secrets(&self) -> Secrets {
        let Some((carried, context)) = self.sent else { return Secrets::default() };
        let mut secrets = carried.secrets();
        // May hold a key of the gateway.
        secrets.add_form(self.address.uri().query().unwrap_or_default().as_bytes());
        let held = context.map(GrantContext::held).unwrap_or_default();
        held.iter().for_each(|secret: &SecretString| secrets.add(secret.expose_secret().as_bytes()));
        secrets
    }
}

impl fmt::Display for Purpose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(Some(grant_type)) | Self::Signed(grant_type) => {
                write!(f, "the token request with grant type `{grant_type}`")
            }
            Self::Token(None) => f.write_str("the token request"),
            Self::Refresh => f.write_str("the refresh"),
            Self::Revocation(TokenKind::Access) => f.write_str("the revocation of the access token"),
            Self::Revocation(TokenKind::Refresh) => f.write_str("the revocation of the refresh token"),
            Self::Discovery(issuer) => write!(f, "the discovery of {issuer}"),
        }
    }
}
