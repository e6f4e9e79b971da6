//! What can be said by flags and in a TOML file: the same names for both. Flags win. Secrets can't be said, only the files that
//! they are in: a command line is seen in the list of processes, and a configuration file is often kept with the source.

use std::{collections::HashSet, fs, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum, parser::ValueSource};
use serde::Deserialize;

use crate::NAME;

/// Adds a token to the requests of programs in any language, and heals a 401.
///
/// Each flag can stand in the file as well, without its dashes: `client-id = "billing"`. A flag wins over the file.
#[derive(Default, Parser, Deserialize)]
#[command(name = NAME)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// The TOML file
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Play with a gateway and an upstream of its own, which kills every token again and again
    #[arg(long)]
    #[serde(skip)]
    pub(crate) demo: bool,

    /// Where programs connect: an address of this machine with a port (0 takes a free one), or unix:/path [default:
    /// 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,

    /// Where /healthz, /readyz and /metrics are [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,

    /// Where requests go: scheme, host and port
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) upstream: Option<String>,

    /// The authorization server, whose metadata says where its endpoints are
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,

    /// Where tokens come from, instead of --issuer
    #[arg(long, value_name = "URL")]
    pub(crate) token_endpoint: Option<String>,

    /// Where tokens are revoked
    #[arg(long, value_name = "URL")]
    pub(crate) revocation_endpoint: Option<String>,

    /// How tokens are obtained [default: client-credentials]
    #[arg(long, value_enum)]
    pub(crate) grant: Option<Grant>,

    /// The client's id
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    /// The file with the client's secret; it is read for each token request
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// How the client shows its secret [default: basic]
    #[arg(long, value_enum)]
    pub(crate) client_auth: Option<ClientAuthentication>,

    /// The user of --grant password
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// The file with the user's password; it is read at the start
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// The file with the first refresh token; it is read at the start
    #[arg(long, value_name = "FILE")]
    pub(crate) refresh_token_file: Option<PathBuf>,

    /// The file with the JWT of --grant jwt-bearer; it is read for each token request
    #[arg(long, value_name = "FILE")]
    pub(crate) assertion_file: Option<PathBuf>,

    /// The scope to ask for: names with spaces between them
    #[arg(long)]
    pub(crate) scope: Option<String>,

    /// The form parameter `audience` of token requests
    #[arg(long)]
    pub(crate) audience: Option<String>,

    /// The form parameter `resource` of token requests (RFC 8707)
    #[arg(long)]
    pub(crate) resource: Option<String>,

    /// A folder where tokens outlive the process
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,

    /// The header that carries the token [default: authorization]
    #[arg(long, value_name = "NAME")]
    pub(crate) header: Option<String>,

    /// The word before the token, or none for the token alone [default: Bearer]
    #[arg(long, value_name = "WORD")]
    pub(crate) scheme: Option<String>,

    /// Certificates of authorities to trust besides the public ones, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Connections at a time; further ones wait [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<usize>,

    /// Bytes of a request's head; a longer one gets a 431 [default: 65536]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_header_bytes: Option<u32>,

    /// Bytes of a request's body that are kept to send it again; a longer one is sent once [default: 65536]
    #[arg(long, value_name = "BYTES")]
    pub(crate) replay_bytes: Option<usize>,

    /// Seconds until there is a connection to the upstream [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) connect_timeout: Option<u64>,

    /// Seconds until an answer begins; sending the request and waiting for a token count [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) response_timeout: Option<u64>,

    /// Seconds for requests under way to finish after a signal, and again for token requests [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) shutdown_timeout: Option<u64>,

    /// Revoke the tokens at the end; not where others share them
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) revoke_at_end: Option<bool>,

    /// What is logged to the error output, such as info,tower_reauth=debug [default: info]
    #[arg(long, value_name = "LEVELS")]
    pub(crate) log: Option<String>,

    /// Let health and metrics be read from other machines
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) admin_anywhere: Option<bool>,

    /// Listen on an address that other machines reach: whoever connects there uses the token
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) danger_listen_anywhere: Option<bool>,

    /// Send the token over plain http to an upstream on another machine: whoever is on the way reads it
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) danger_plaintext_upstream: Option<bool>,

    /// Send secrets over plain http to an authorization server on another machine, where something else encrypts
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) danger_plaintext_token_endpoint: Option<bool>,

    /// Of the gateway that --demo brings along.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) demo_secret: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Grant {
    #[default]
    ClientCredentials,
    Password,
    RefreshToken,
    JwtBearer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientAuthentication {
    /// In the Authorization header
    #[default]
    Basic,
    /// In the form
    Post,
}

/// Where each option was said, for messages.
pub(crate) struct Places {
    flags: HashSet<String>,
    file: Option<PathBuf>,
}

impl Places {
    /// An option as whoever set it has to look for it.
    pub(crate) fn of(&self, key: &str) -> String {
        match &self.file {
            Some(file) if !self.flags.contains(&key.replace('-', "_")) => format!("{}: {key}", file.display()),
            _ => format!("--{key}"),
        }
    }
}

impl Options {
    /// These options, and for those that are not said, the others.
    fn or(self, other: Self) -> Self {
        macro_rules! or {
            ($($option:ident)*) => {
                Self { config: self.config, demo: self.demo, demo_secret: None, $($option: self.$option.or(other.$option)),* }
            };
        }
        or! {
            listen admin upstream issuer token_endpoint revocation_endpoint grant client_id client_secret_file client_auth
            username password_file refresh_token_file assertion_file scope audience resource store header scheme ca_file
            max_connections max_header_bytes replay_bytes connect_timeout response_timeout shutdown_timeout revoke_at_end log
            admin_anywhere danger_listen_anywhere danger_plaintext_upstream danger_plaintext_token_endpoint
        }
    }
}

/// Whoever asks for help gets it. A mistake is told in one line.
pub(crate) fn parse() -> Result<(Options, Places), ExitCode> {
    let matches = Options::command().try_get_matches();
    let parsed = matches.and_then(|matches| {
        let said = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let flags = matches.ids().map(clap::Id::as_str).filter(said).map(str::to_owned).collect();
        Ok((Options::from_arg_matches(&matches)?, flags))
    });
    let (options, flags) = parsed.map_err(|error| {
        if !error.use_stderr() {
            // Who closes the pipe does not want to read on.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        let what = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
        mistake(what.trim_start_matches("error: "))
    })?;
    let file = options.config.clone();
    let options = match &file {
        Some(file) => options.or(read(file).map_err(|why| mistake(&format!("{}{why}", file.display())))?),
        None => options,
    };
    Ok((options, Places { flags, file }))
}

/// The parser's own rendering of a mistake shows the line, which may hold what should not be there.
fn read(file: &PathBuf) -> Result<Options, String> {
    let text = fs::read_to_string(file).map_err(|error| format!(" cannot be read: {error}"))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let what = error.message();
        let secret = ["client-secret", "password", "refresh-token", "assertion"]
            .into_iter()
            .find(|name| what.starts_with(&format!("unknown field `{name}`")));
        match secret {
            Some(name) => {
                format!(", line {line}: a secret does not stand here; {name}-file names the file that it is in")
            }
            None => format!(", line {line}: {}", what.lines().collect::<Vec<_>>().join(" ")),
        }
    })
}

fn mistake(what: &str) -> ExitCode {
    eprintln!("{NAME}: {}; --help tells more", plain(what));
    ExitCode::from(2)
}

/// Without what a terminal would take for a command.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
