//! What can be said on the command line. Secrets can't: they would be seen in the list of processes.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use http::Uri;

use crate::{proxy::Allowed, support};

/// A backend-for-frontend: browsers hold a cookie, this server holds their tokens.
///
/// Without --api-url it brings an embedded gateway. Against a real one, the client's secret comes from the environment variable
/// REAUTH_CLIENT_SECRET; without it the client is a public one. The session cookie is Secure: Chromium and Firefox take it from
/// http://localhost as well, Safari only over https.
#[derive(Parser)]
#[command(name = "axum_bff")]
pub(crate) struct Arguments {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// What browsers call it, if not http://localhost and the port: the address of the proxy that speaks TLS
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// Keeps logins in Redis, for all instances that use it. The key that they share comes from the environment variable
    /// REAUTH_BFF_KEY; an address with a password comes from REAUTH_BFF_REDIS instead
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,

    /// How users log in
    #[arg(long, value_enum, default_value = "code")]
    pub(crate) login: LoginKind,

    /// What the embedded gateway does when a token is there already and one is asked for
    #[arg(long, value_enum, default_value = "jwt", conflicts_with = "api_url")]
    pub(crate) regime: Regime,

    /// A real API: what the allowed paths are appended to
    #[arg(long, value_name = "URL", requires_all = ["token_url", "client_id"])]
    pub(crate) api_url: Option<String>,

    /// Where its tokens come from
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) token_url: Option<String>,

    /// Where its users log in, for --login code
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) authorization_url: Option<String>,

    /// Where tokens are revoked; without it a logout forgets them
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) revoke_url: Option<String>,

    /// Who a token stands for (OpenID Connect Core §5.3); without it a user's devices don't see each other
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) user_info_url: Option<String>,

    /// The client's id; /callback at the public URL is its redirection address
    #[arg(long, value_name = "ID", requires = "api_url")]
    pub(crate) client_id: Option<String>,

    /// The scope to ask for
    #[arg(long, requires = "api_url")]
    pub(crate) scope: Option<String>,

    /// Ask for a scope of each login's own besides (WSO2: a token for each device)
    #[arg(long, requires = "api_url")]
    pub(crate) device_scope: bool,

    /// How the API says that a token is not good
    #[arg(long, value_enum, default_value = "bearer", requires = "api_url")]
    pub(crate) gateway_kind: GatewayKind,

    /// What browsers may call, such as `GET,POST /orders`: this path and those below it. Can be repeated
    #[arg(long, value_name = "METHODS PATH", default_value = "GET,POST /orders")]
    pub(crate) allow: Vec<Allowed>,
}

/// How users log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoginKind {
    /// At the authorization server, with an authorization code and PKCE
    Code,
    /// Here, by name and password: forbidden for new systems by RFC 9700 section 2.4
    Password,
}

/// WSO2's four ways.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Regime {
    /// The same token comes again
    Opaque,
    /// A new token comes and the old one dies
    Jwt,
    /// A new token comes beside the old one
    Beside,
    /// A new token comes, by a refresh too, and no old one dies
    Unpersisted,
}

/// Which answers count as rejections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GatewayKind {
    /// A 401 with WSO2's fault codes
    Wso2,
    /// A 401 as in RFC 6750
    Bearer,
}

impl Arguments {
    /// Scheme, host and port that browsers see.
    pub(crate) fn public_url(&self, listening: SocketAddr) -> anyhow::Result<String> {
        let Some(url) = &self.public_url else { return Ok(format!("http://localhost:{}", listening.port())) };
        let uri: Uri = url.parse().context("--public-url")?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            anyhow::bail!("--public-url: that is no address; it starts with https:// and a host");
        };
        // A `__Host-` cookie has the whole host to itself.
        ensure!(uri.path() == "/" && uri.query().is_none(), "--public-url: only scheme, host and port");
        Ok(format!("{scheme}://{authority}"))
    }
}

impl From<Regime> for support::Regime {
    fn from(regime: Regime) -> Self {
        match regime {
            Regime::Opaque => Self::Opaque,
            Regime::Jwt => Self::Jwt,
            Regime::Beside => Self::Beside,
            Regime::Unpersisted => Self::Unpersisted,
        }
    }
}
