//! What the server stands before: the embedded gateway, or a real one.

use std::env;

use anyhow::Context;
use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    arguments::{Arguments, GatewayKind, LoginKind, Regime},
    proxy::Allowed,
    support::{self, Options, Running},
};

/// Addresses, names and the client's secret.
pub(crate) struct Target {
    /// What to tell whoever started it.
    pub(crate) hint: String,
    pub(crate) public_url: String,
    pub(crate) login: Login,
    pub(crate) kind: GatewayKind,
    /// What allowed paths are appended to.
    pub(crate) api_url: String,
    pub(crate) token_url: String,
    pub(crate) revoke_url: Option<String>,
    pub(crate) user_info_url: Option<String>,
    pub(crate) client_id: String,
    /// A public client has none.
    pub(crate) client_secret: Option<SecretString>,
    pub(crate) scope: Option<String>,
    /// Each login asks for a scope of its own.
    pub(crate) device_scope: bool,
    pub(crate) allowed: Vec<Allowed>,
    /// The options to start with for a story worth seeing, where no login ends the token of another one.
    pub(crate) story_needs: Option<&'static str>,
}

/// How users log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Code { authorization_url: String },
    Password,
}

impl Target {
    /// The target that the arguments tell, and the gateway if it is embedded.
    pub(crate) async fn of(arguments: &Arguments, public_url: String) -> anyhow::Result<(Self, Option<Running>)> {
        let Arguments { api_url: Some(api_url), token_url: Some(token_url), client_id: Some(client_id), .. } =
            arguments
        else {
            return Self::embedded(arguments, public_url).await;
        };
        let login = match arguments.login {
            LoginKind::Password => Login::Password,
            LoginKind::Code => {
                let url = arguments.authorization_url.clone().context("--login code needs --authorization-url")?;
                origin_of(&url).context("--authorization-url")?;
                Login::Code { authorization_url: url }
            }
        };
        origin_of(api_url).context("--api-url")?;
        let secret = env::var("REAUTH_CLIENT_SECRET").map(SecretString::from).ok();
        let target = Self {
            hint: format!("The gateway is {api_url}."),
            public_url,
            login,
            kind: arguments.gateway_kind,
            api_url: api_url.trim_end_matches('/').to_owned(),
            token_url: token_url.clone(),
            revoke_url: arguments.revoke_url.clone(),
            user_info_url: arguments.user_info_url.clone(),
            client_id: client_id.clone(),
            client_secret: secret.filter(|secret| !secret.expose_secret().is_empty()),
            scope: arguments.scope.clone(),
            device_scope: arguments.device_scope,
            allowed: arguments.allow.clone(),
            // It may be worth seeing: who knows that gateway?
            story_needs: None,
        };
        Ok((target, None))
    }

    async fn embedded(arguments: &Arguments, public_url: String) -> anyhow::Result<(Self, Option<Running>)> {
        let options = Options::new(arguments.regime.into())
            .user("alice", "wonderland")
            .user("bob", "builder")
            .client("orchard", "the client's secret")
            .redirect_uri("orchard", &format!("{public_url}/callback"));
        let gateway = support::start(options).await.context("the embedded gateway does not start")?;
        let mut target = Self::before(&gateway, arguments.login, public_url);
        if let Regime::Beside | Regime::Unpersisted = arguments.regime {
            target.story_needs = Some("--login password --regime jwt");
        }
        Ok((target, Some(gateway)))
    }

    /// The embedded gateway, as the arguments could tell of it.
    pub(crate) fn before(gateway: &Running, login: LoginKind, public_url: String) -> Self {
        Self {
            hint: format!(
                "Log in as alice with the password wonderland. It can be changed at {}.",
                gateway.url("/account/password")
            ),
            public_url,
            login: match login {
                LoginKind::Code => Login::Code { authorization_url: gateway.url("/oauth2/authorize") },
                LoginKind::Password => Login::Password,
            },
            kind: GatewayKind::Wso2,
            api_url: gateway.url(""),
            token_url: gateway.url("/oauth2/token"),
            revoke_url: Some(gateway.url("/oauth2/revoke")),
            user_info_url: Some(gateway.url("/oauth2/userinfo")),
            client_id: "orchard".to_owned(),
            client_secret: Some("the client's secret".into()),
            scope: Some("orders".to_owned()),
            // A code can't be redeemed again: without a token of its own, a device would end the other's login for good. A password
            // can, and that is the story.
            device_scope: login == LoginKind::Code,
            allowed: "GET,POST /orders".parse().into_iter().collect(),
            story_needs: (login == LoginKind::Code).then_some("--login password"),
        }
    }
}

/// Scheme, host and port of an address.
pub(crate) fn origin_of(url: &str) -> anyhow::Result<String> {
    // The text may hold a password, so it is not repeated.
    let uri = url.parse::<Uri>().unwrap_or_default();
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => anyhow::bail!("that is no address; it starts with https:// and a host"),
    }
}
