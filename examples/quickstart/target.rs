//! What the devices talk to: the embedded gateway, or a real one.

use std::env;

use anyhow::{Context, bail};
use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use tower_reauth::Origins;

use crate::{
    arguments::{Arguments, GatewayKind, Regime},
    support::{self, Options, Running},
    timeline::Timeline,
};

/// Addresses, names and secrets.
pub(crate) struct Target {
    /// What it is, for the reader.
    pub(crate) title: String,
    pub(crate) kind: GatewayKind,
    pub(crate) api_url: String,
    /// Scheme, host and port of `api_url`: where the token may go.
    pub(crate) origin: String,
    pub(crate) token_url: String,
    pub(crate) revoke_url: Option<String>,
    pub(crate) client_id: String,
    /// A public client has none.
    pub(crate) client_secret: Option<SecretString>,
    pub(crate) username: String,
    pub(crate) password: SecretString,
    pub(crate) scope: Option<String>,
    pub(crate) requests: u32,
    /// The gateway tells the timeline itself what it does, and takes orders by POST.
    pub(crate) embedded: bool,
    /// Tokens are bound to a key of each device.
    #[cfg(feature = "dpop")]
    pub(crate) dpop: bool,
}

impl Target {
    /// The target that the arguments tell, and the gateway if it is embedded.
    pub(crate) async fn of(arguments: Arguments, timeline: &Timeline) -> anyhow::Result<(Self, Option<Running>)> {
        match arguments {
            Arguments {
                api_url: Some(api_url),
                token_url: Some(token_url),
                client_id: Some(client_id),
                username: Some(username),
                ..
            } => {
                let origin = origin_of("--api-url", &api_url)?;
                origin_of("--token-url", &token_url)?;
                arguments.revoke_url.as_deref().map(|url| origin_of("--revoke-url", url)).transpose()?;
                let client_secret = secret("REAUTH_CLIENT_SECRET", &format!("Secret of {client_id} (may be empty): "))?;
                let target = Self {
                    title: format!("The gateway is {origin}. The user is {username}."),
                    kind: arguments.gateway_kind,
                    api_url,
                    origin,
                    token_url,
                    revoke_url: arguments.revoke_url,
                    client_id,
                    client_secret: Some(client_secret).filter(|secret| !secret.expose_secret().is_empty()),
                    password: secret("REAUTH_PASSWORD", &format!("Password of {username}: "))?,
                    username,
                    scope: arguments.scope,
                    requests: arguments.requests.unwrap_or(5),
                    embedded: false,
                    #[cfg(feature = "dpop")]
                    dpop: false,
                };
                Ok((target, None))
            }
            arguments => Self::embedded(arguments, timeline).await,
        }
    }

    /// The path that the devices call.
    pub(crate) fn path(&self) -> &str {
        let path = self.api_url.strip_prefix(&self.origin).unwrap_or(&self.api_url);
        path.split(['?', '#']).next().unwrap_or(path)
    }

    async fn embedded(arguments: Arguments, timeline: &Timeline) -> anyhow::Result<(Self, Option<Running>)> {
        // The diagram's: both devices have one token, so that the logout of one ends the other's.
        let regime = support::Regime::from(arguments.regime.unwrap_or(Regime::Opaque));
        let teller = timeline.clone();
        let options = Options::new(regime)
            .user("alice", "alice's password")
            .client("orders-app", "the client's secret")
            // It is one more thing that a thief does not have.
            .dpop_nonces()
            .observer(move |seen| teller.gateway(&seen.device, &seen.to_string(), seen.is_refusal()));
        let gateway = support::start(options).await.context("the embedded gateway does not start")?;
        let origin = gateway.url("");
        let target = Self {
            title: format!("The gateway is embedded, at {origin}. {regime}."),
            kind: GatewayKind::Wso2,
            api_url: gateway.url("/orders"),
            origin,
            token_url: gateway.url("/oauth2/token"),
            revoke_url: Some(gateway.url("/oauth2/revoke")),
            client_id: "orders-app".to_owned(),
            client_secret: Some("the client's secret".into()),
            username: "alice".to_owned(),
            password: "alice's password".into(),
            scope: Some("orders".to_owned()),
            requests: arguments.requests.unwrap_or(2),
            embedded: true,
            #[cfg(feature = "dpop")]
            dpop: arguments.dpop,
        };
        Ok((target, Some(gateway)))
    }
}

/// Scheme, host and port of an address that secrets may be sent to.
fn origin_of(argument: &'static str, url: &str) -> anyhow::Result<String> {
    // The text may hold a password, so it is not repeated.
    let uri = url.parse::<Uri>().unwrap_or_default();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        bail!("{argument}: that is no address; it starts with https:// and a host");
    };
    let origin = format!("{scheme}://{authority}");
    Origins::only(&origin).context(argument)?;
    Ok(origin)
}

/// A secret from the environment, or from the person at the terminal.
fn secret(variable: &str, prompt: &str) -> anyhow::Result<SecretString> {
    match env::var(variable) {
        Ok(secret) => Ok(secret.into()),
        Err(env::VarError::NotUnicode(_)) => bail!("{variable} is not valid UTF-8"),
        Err(env::VarError::NotPresent) => match rpassword::prompt_password(prompt) {
            Ok(secret) => Ok(secret.into()),
            Err(_) => bail!("{variable} is not set, and there is no terminal to ask at"),
        },
    }
}
