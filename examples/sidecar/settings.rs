//! The options, checked: a session that can get tokens, and where requests may go.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use http::{HeaderName, Uri, header::AUTHORIZATION};
use secrecy::SecretString;
use tower_reauth::{
    BoxGrant, ClientAuth, ClientCredentialsGrant, Error, FileStore, Grant as _, JwtBearerGrant, Origins,
    OwnAuthorization, PasswordGrant, ReauthLayer, RefreshTokenGrant, Scheme, SecretSource, Session, TokenEndpoint,
};
use tracing_subscriber::filter::Targets;

use crate::{
    client::{self, Tls},
    listener::Place,
    options::{ClientAuthentication, Grant, Options, Places},
};

pub(crate) struct Settings {
    pub(crate) listen: Place,
    pub(crate) admin: Option<SocketAddr>,
    /// Scheme and authority alone.
    pub(crate) upstream: Uri,
    /// Sends tokens there, in the header that was named.
    pub(crate) layer: ReauthLayer,
    /// Headers by which a program might show credentials of its own.
    pub(crate) credentials: Vec<HeaderName>,
    pub(crate) session: Session,
    pub(crate) tls: Tls,
    pub(crate) limits: Limits,
    pub(crate) revoke_at_end: bool,
    pub(crate) log: Targets,
}

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) header_bytes: u32,
    pub(crate) replay_bytes: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
}

/// hyper wants no less for a head.
const LEAST_HEADER_BYTES: u32 = 8192;

impl Settings {
    pub(crate) fn new(options: Options, places: &Places) -> anyhow::Result<Self> {
        let seconds = |given: Option<u64>, default| Duration::from_secs(given.unwrap_or(default));
        let limits = Limits {
            connections: options.max_connections.unwrap_or(1024),
            header_bytes: options.max_header_bytes.unwrap_or(64 * 1024),
            replay_bytes: options.replay_bytes.unwrap_or(64 * 1024),
            connect_timeout: seconds(options.connect_timeout, 10),
            response_timeout: seconds(options.response_timeout, 300),
            shutdown_timeout: seconds(options.shutdown_timeout, 10),
        };
        ensure!(limits.connections > 0, "{}: it takes one at least", places.of("max-connections"));
        let least = LEAST_HEADER_BYTES;
        ensure!(limits.header_bytes >= least, "{}: it takes {least} at least", places.of("max-header-bytes"));

        let listen = listen(&options, places)?;
        if let Some(admin) = options.admin {
            ensure!(
                is_loopback(admin.ip()) || options.admin_anywhere == Some(true),
                "{}: other machines reach {admin}; if they are to read health and metrics, say --admin-anywhere",
                places.of("admin")
            );
        }
        let (upstream, origins) = upstream(&options, places)?;
        let log = options.log.as_deref().unwrap_or("info");
        let log = log.parse().map_err(|_| anyhow!("{}: write it as info,tower_reauth=debug", places.of("log")))?;
        let tls = client::tls(options.ca_file.as_deref()).with_context(|| places.of("ca-file"))?;
        let session = session(&options, places, &tls, limits.connect_timeout)?;
        let mut layer = ReauthLayer::new(&session, origins).replay_limit(limits.replay_bytes);
        let mut credentials = vec![AUTHORIZATION];
        if let Some(name) = &options.header {
            layer = layer.header(name).with_context(|| places.of("header"))?;
            credentials.push(name.parse().with_context(|| places.of("header"))?);
        }
        let scheme = match options.scheme.as_deref() {
            Some("none") => Scheme::bare(),
            Some(word) => Scheme::word(word)
                .map_err(|_| anyhow!("{}: write one word, or none for the token alone", places.of("scheme")))?,
            None => Scheme::default(),
        };
        layer = layer.scheme(scheme).own_authorization(OwnAuthorization::Replace);
        let revoke_at_end = options.revoke_at_end.unwrap_or_default();
        Ok(Self {
            listen,
            admin: options.admin,
            upstream,
            layer,
            credentials,
            session,
            tls,
            limits,
            revoke_at_end,
            log,
        })
    }
}

fn listen(options: &Options, places: &Places) -> anyhow::Result<Place> {
    let text = options.listen.as_deref().unwrap_or("127.0.0.1:8080");
    if let Some(path) = text.strip_prefix("unix:") {
        ensure!(cfg!(unix) && !path.is_empty(), "{}: unix: takes a path, on Unix", places.of("listen"));
        return Ok(Place::Unix(path.into()));
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        bail!("{}: write an address and a port, such as 127.0.0.1:8080, or unix:/path", places.of("listen"));
    };
    let anywhere = options.danger_listen_anywhere == Some(true);
    ensure!(
        anywhere || is_loopback(address.ip()),
        "{}: other machines reach {address}, and whoever connects there uses the token; if that is meant, say \
         --danger-listen-anywhere",
        places.of("listen")
    );
    Ok(Place::Tcp { address, anywhere })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The text may hold a password, so it is not repeated.
fn upstream(options: &Options, places: &Places) -> anyhow::Result<(Uri, Origins)> {
    let text = options.upstream.as_deref().ok_or_else(|| missing("upstream", "where requests go"))?;
    let anyhow = Origins::danger_plaintext_only(text).with_context(|| places.of("upstream"))?;
    let origins = match Origins::only(text) {
        Ok(origins) => origins,
        Err(_) if options.danger_plaintext_upstream == Some(true) => anyhow,
        Err(_) => bail!(
            "{}: plain http to another machine shows the token to all on the way; if that is meant, say \
             --danger-plaintext-upstream",
            places.of("upstream")
        ),
    };
    Ok((text.parse().with_context(|| places.of("upstream"))?, origins))
}

fn session(options: &Options, places: &Places, tls: &Tls, connect_timeout: Duration) -> anyhow::Result<Session> {
    let grant = options.grant.unwrap_or_default();
    options.refuse_strangers(grant, places)?;
    let endpoint = endpoint(options, places, client::of_tokens(tls, connect_timeout))?;
    let scope = options.scope.as_deref();
    let grant: BoxGrant = match grant {
        Grant::ClientCredentials => {
            ensure!(options.client_id.is_some(), missing("client-id", "who this client is"));
            let secret = options.client_secret_file.is_some() || options.demo_secret.is_some();
            ensure!(secret, missing("client-secret-file", "the file with the client's secret"));
            let grant = ClientCredentialsGrant::new(endpoint);
            if let Some(scope) = scope { grant.scope(scope) } else { grant }.boxed()
        }
        Grant::Password => {
            let user = options.username.as_deref().ok_or_else(|| missing("username", "the user of the password"))?;
            let password = secret(options.password_file.as_deref(), "password-file", "the user's password", places)?;
            let grant = PasswordGrant::new(endpoint, user, password);
            if let Some(scope) = scope { grant.scope(scope) } else { grant }.boxed()
        }
        Grant::RefreshToken => {
            ensure!(scope.is_none(), "{}: a refresh token has its scope already", places.of("scope"));
            let what = "the first refresh token";
            let token = secret(options.refresh_token_file.as_deref(), "refresh-token-file", what, places)?;
            RefreshTokenGrant::new(endpoint, token).boxed()
        }
        Grant::JwtBearer => {
            let file =
                options.assertion_file.as_ref().ok_or_else(|| missing("assertion-file", "the file with the JWT"))?;
            let grant = JwtBearerGrant::new(endpoint, SecretSource::file(file));
            if let Some(scope) = scope { grant.scope(scope) } else { grant }.boxed()
        }
    };
    let builder = Session::builder(grant);
    Ok(match &options.store {
        Some(folder) => builder.store(FileStore::open(folder).with_context(|| places.of("store"))?, "sidecar").build(),
        None => builder.build(),
    })
}

fn endpoint(options: &Options, places: &Places, http: client::Tokens) -> anyhow::Result<TokenEndpoint> {
    let mut endpoint = match (&options.issuer, &options.token_endpoint) {
        (Some(_), Some(_)) => bail!(
            "{} and {} are two answers to one question: where tokens come from",
            places.of("issuer"),
            places.of("token-endpoint")
        ),
        (Some(issuer), None) => {
            let plain = TokenEndpoint::danger_discover_plaintext(http.clone(), issuer);
            encrypted(options, places, "issuer", TokenEndpoint::discover(http, issuer), plain)?
        }
        (None, Some(uri)) => {
            let plain = TokenEndpoint::danger_plaintext(http.clone(), uri);
            encrypted(options, places, "token-endpoint", TokenEndpoint::new(http, uri), plain)?
        }
        (None, None) => return Err(missing("token-endpoint", "where tokens come from, or --issuer")),
    };
    if let Some(uri) = &options.revocation_endpoint {
        endpoint = endpoint.revocation(uri).with_context(|| places.of("revocation-endpoint"))?;
    }
    for (name, value) in [("audience", &options.audience), ("resource", &options.resource)] {
        if let Some(value) = value {
            endpoint = endpoint.parameter(name, value.as_str());
        }
    }
    let secret = match (&options.client_secret_file, options.demo_secret) {
        (Some(file), _) => Some(SecretSource::file(file)),
        (None, secret) => secret.map(SecretSource::from),
    };
    Ok(match (options.client_id.as_deref(), secret) {
        (Some(id), Some(secret)) => endpoint.client_auth(match options.client_auth.unwrap_or_default() {
            ClientAuthentication::Basic => ClientAuth::basic(id, secret),
            ClientAuthentication::Post => ClientAuth::post(id, secret),
        }),
        (Some(id), None) => {
            ensure!(options.client_auth.is_none(), "{}: there is no client-secret-file", places.of("client-auth"));
            endpoint.client_auth(ClientAuth::none(id))
        }
        (None, Some(_)) => return Err(missing("client-id", "whose secret that is")),
        (None, None) => endpoint,
    })
}

/// The endpoint if nobody on the way can read what goes there, or if that is allowed.
fn encrypted(
    options: &Options,
    places: &Places,
    key: &str,
    encrypted: Result<TokenEndpoint, Error>,
    plain: Result<TokenEndpoint, Error>,
) -> anyhow::Result<TokenEndpoint> {
    let plain = plain.with_context(|| places.of(key))?;
    match encrypted {
        Ok(endpoint) => Ok(endpoint),
        Err(_) if options.danger_plaintext_token_endpoint == Some(true) => Ok(plain),
        Err(_) => bail!(
            "{}: plain http to another machine shows secrets to all on the way; if something else encrypts, say \
             --danger-plaintext-token-endpoint",
            places.of(key)
        ),
    }
}

impl Options {
    /// What another grant needs is a mistake: whoever wrote it expects that it is used.
    fn refuse_strangers(&self, grant: Grant, places: &Places) -> anyhow::Result<()> {
        for (key, said, belongs, of) in [
            ("username", self.username.is_some(), Grant::Password, "password"),
            ("password-file", self.password_file.is_some(), Grant::Password, "password"),
            ("refresh-token-file", self.refresh_token_file.is_some(), Grant::RefreshToken, "refresh-token"),
            ("assertion-file", self.assertion_file.is_some(), Grant::JwtBearer, "jwt-bearer"),
        ] {
            ensure!(!said || grant == belongs, "{}: it goes with grant {of}", places.of(key));
        }
        Ok(())
    }
}

/// A secret that the session keeps: of its file, without the line break at the end.
fn secret(file: Option<&Path>, key: &str, what: &str, places: &Places) -> anyhow::Result<SecretString> {
    let file: PathBuf = file.ok_or_else(|| missing(key, &format!("the file with {what}")))?.into();
    let place = || format!("{}: {}", places.of(key), file.display());
    let text = fs::read_to_string(&file).with_context(place)?;
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    ensure!(!text.is_empty(), "{} is empty", place());
    Ok(text.into())
}

fn missing(key: &str, what: &str) -> anyhow::Error {
    anyhow!("{key} is missing: {what}; as a flag (--{key}) or in the file")
}
