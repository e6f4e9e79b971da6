//! The server: the embedded gateway, or the one that the arguments name.

use std::env;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use tower_reauth::{ClientAuth, Origins, TokenEndpoint};

use crate::{arguments::ServerArguments, failure::Failure, http_client::Http};

/// What the embedded gateway knows this program as.
pub(crate) const CLIENT: &str = "cli";

/// Its addresses, and who this client is there.
pub(crate) struct Server {
    authorize: Option<String>,
    pub(crate) token: String,
    revoke: Option<String>,
    device_authorization: Option<String>,
    api: Option<String>,
    /// What is called where nothing is said.
    pub(crate) default_path: &'static str,
    pub(crate) client_id: String,
    /// A public client has none, and a program on the user's machine can't keep one (RFC 8252 §8.5). Some servers ask for it.
    pub(crate) client_secret: Option<SecretString>,
    pub(crate) scopes: Vec<String>,
}

impl Server {
    pub(crate) fn of(arguments: ServerArguments) -> Result<Self, Failure> {
        if !arguments.names_real() {
            return Ok(Self::embedded(arguments.port()));
        }
        if arguments.names_embedded() {
            return Err(Failure::input("--port is the embedded gateway's, and the other flags are another server's"));
        }
        let needed = |flag: &str| Failure::input(format_args!("{flag} is missing: a server of your own needs it"));
        Ok(Self {
            authorize: checked("--authorize", arguments.authorize)?,
            token: checked("--token", arguments.token)?.ok_or_else(|| needed("--token"))?,
            revoke: checked("--revoke", arguments.revoke)?,
            device_authorization: checked("--device-authorization", arguments.device_authorization)?,
            api: checked("--api", arguments.api)?,
            default_path: "",
            client_id: arguments.client_id.ok_or_else(|| needed("--client-id"))?,
            client_secret: secret("REAUTH_CLIENT_SECRET")?,
            scopes: arguments.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        })
    }

    fn embedded(port: u16) -> Self {
        let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
        Self {
            authorize: Some(at("/oauth2/authorize")),
            token: at("/oauth2/token"),
            revoke: Some(at("/oauth2/revoke")),
            device_authorization: Some(at("/oauth2/device_authorization")),
            api: Some(at("")),
            default_path: "/orders",
            client_id: CLIENT.to_owned(),
            client_secret: None,
            scopes: vec!["orders".to_owned()],
        }
    }

    pub(crate) fn authorize(&self) -> Result<&str, Failure> {
        self.authorize.as_deref().ok_or_else(|| Failure::input("login needs --authorize, or --device"))
    }

    pub(crate) fn device_authorization(&self) -> Result<&str, Failure> {
        let address = self.device_authorization.as_deref();
        address.ok_or_else(|| Failure::input("login --device needs --device-authorization"))
    }

    pub(crate) fn api(&self) -> Result<&str, Failure> {
        self.api.as_deref().ok_or_else(|| Failure::input("call needs --api"))
    }

    /// Where the session renews and revokes its tokens.
    pub(crate) fn endpoint(&self, http: Http) -> Result<TokenEndpoint, Failure> {
        let endpoint = TokenEndpoint::new(http, &self.token)?.client_auth(match &self.client_secret {
            Some(secret) => ClientAuth::basic(self.client_id.as_str(), secret.clone()),
            None => ClientAuth::none(self.client_id.as_str()),
        });
        Ok(match &self.revoke {
            Some(address) => endpoint.revocation(address)?,
            None => endpoint,
        })
    }
}

/// Scheme, host and port of an address that secrets may be sent to.
pub(crate) fn origin_of(flag: &str, address: &str) -> Result<String, Failure> {
    // The text may hold a password, so it is not repeated.
    let uri = address.parse::<Uri>().unwrap_or_default();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Failure::input(format_args!("{flag} is no address: it starts with https:// and a host")));
    };
    let origin = format!("{scheme}://{authority}");
    let why = "it needs https (on this machine http will do), and no user name or password";
    Origins::only(&origin).map_err(|_| Failure::input(format_args!("{flag} is not used: {why}")))?;
    Ok(origin)
}

fn checked(flag: &str, address: Option<String>) -> Result<Option<String>, Failure> {
    address.as_deref().map(|address| origin_of(flag, address)).transpose()?;
    Ok(address)
}

/// A secret from the environment; an empty one is none.
pub(crate) fn secret(variable: &str) -> Result<Option<SecretString>, Failure> {
    match env::var(variable) {
        Ok(secret) => Ok(Some(SecretString::from(secret)).filter(|secret| !secret.expose_secret().is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::input(format_args!("{variable} is not valid UTF-8"))),
    }
}
