//! What can be said on the command line. Secrets can't: they would be seen in the list of processes.

use clap::{Parser, ValueEnum};

use crate::support;

/// One user, two devices, one active token: one device logs out, and the other goes on as if nothing had happened.
///
/// Without options this plays the diagram of README.md against an embedded gateway. With --regime or --api-url it plays a
/// longer story, in which both devices work and one refreshes its token as well; with --dpop one about a thief. Against a real gateway (--api-url) the
/// secrets come from the environment variables REAUTH_PASSWORD and REAUTH_CLIENT_SECRET, or from a prompt.
#[derive(Parser)]
#[command(name = "quickstart")]
pub(crate) struct Arguments {
    /// The longer story: what the embedded gateway does if a token is asked for and there is one already
    #[arg(long, value_enum, group = "longer")]
    pub(crate) regime: Option<Regime>,

    /// The longer story at a real API: a resource of it, fetched with GET
    #[arg(long, value_name = "URL", group = "longer", requires_all = ["token_url", "client_id", "username"])]
    pub(crate) api_url: Option<String>,

    /// A story of its own: a thief copies a token that is bound to a key (RFC 9449). Needs `--features dpop`
    #[arg(long, conflicts_with = "longer")]
    pub(crate) dpop: bool,

    /// Where its tokens come from
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) token_url: Option<String>,

    /// Where tokens are revoked; without it a device forgets them when it logs out
    #[arg(long, value_name = "URL", requires = "api_url")]
    pub(crate) revoke_url: Option<String>,

    /// The client's id
    #[arg(long, value_name = "ID", requires = "api_url")]
    pub(crate) client_id: Option<String>,

    /// The user whose password is asked for
    #[arg(long, value_name = "NAME", requires = "api_url")]
    pub(crate) username: Option<String>,

    /// The scope to ask for
    #[arg(long, requires = "api_url")]
    pub(crate) scope: Option<String>,

    /// How the API says that a token is not good
    #[arg(long, value_enum, default_value = "bearer", requires = "api_url")]
    pub(crate) gateway_kind: GatewayKind,

    /// How many requests a device makes each time it works [default: 2, against a real API 5]
    #[arg(long, value_name = "N", requires = "longer", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: Option<u32>,

    /// No colours; NO_COLOR in the environment says the same
    #[arg(long)]
    pub(crate) no_color: bool,
}

impl Arguments {
    /// Whether the story is the README's, and no longer one.
    pub(crate) fn is_diagram(&self) -> bool {
        self.regime.is_none() && self.api_url.is_none()
    }
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
