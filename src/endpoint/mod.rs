//! The token endpoint: where grants are exchanged for tokens, and where tokens are given back.

mod address;
mod client_auth;
mod dates;
mod discovery;
mod encoding;
mod failure;
mod form;
mod hold;
mod issuer;
mod location;
mod metadata;
mod metadata_cache;
mod plaintext;
mod post;
mod prepare;
mod proving;
mod redact;
mod request;
mod response;
mod revocation;
#[cfg(test)]
pub(crate) mod script;
mod secret_buffer;
mod step;
mod token_type;
mod transport;
mod verdict;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

#[cfg(feature = "oauth2")]
pub(crate) use self::response::tokens_of;
use self::{address::Address, hold::Hold, location::Location, transport::Transport};
pub use self::{client_auth::ClientAuth, transport::EndpointService};
pub(crate) use self::{proving::Proving, step::TokenKind};
use crate::{clock::server::ServerClock, error::Error};

const RESPONSE_LIMIT: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);
const CONCURRENCY: usize = 64;
/// In seconds. A smaller difference of clocks is no cause of a refused assertion, or was made by the network.
const TOLERATED: i64 = 30;

/// The token endpoint of an authorization server, over any tower service
/// ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
///
/// [`new`](TokenEndpoint::new) takes its address; [`discover`](TokenEndpoint::discover) takes the issuer, and reads the address from
/// the issuer's metadata when it is needed.
///
/// Clones are cheap. They share the service. They also share the limit on concurrent requests, until
/// [`concurrency`](TokenEndpoint::concurrency) gives one of them a limit of its own.
///
/// All clones share the pause after a 429 or a 503. Until it is over, token requests fail at once with
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), and nothing is sent. The pause lasts as long as `Retry-After`
/// says, at most five minutes. Without `Retry-After` it lasts 1 s, doubling up to 60 s.
///
/// ```
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower_reauth::{ClientAuth, TokenEndpoint};
///
/// // Stands for a client of hyper-util.
/// let https = tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
/// let endpoint = TokenEndpoint::new(https, "https://gw.example/oauth2/token")?
///     .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"))
///     .revocation("https://gw.example/oauth2/revoke")?;
/// # Ok::<(), tower_reauth::Error>(())
/// ```
///
/// # Redirects
/// A redirect is an error ([`ErrorKind::Redirected`](crate::ErrorKind::Redirected)) and is never followed, because the body
/// holds secrets. The service itself must not follow redirects either: the endpoint cannot see it. hyper's client does not.
/// reqwest does, and sends the body again: build its client with `.redirect(reqwest::redirect::Policy::none())`. Put no
/// `tower_http::follow_redirect` between the endpoint and the client.
///
/// # Answers
/// Any 2xx with an access token is a success. The rest of the answer is read generously:
///
/// | the answer has | it is read as |
/// | --- | --- |
/// | JSON, also after a byte order mark | JSON |
/// | the content type `application/x-www-form-urlencoded` | a form with the same members |
/// | bytes that are not UTF-8 | U+FFFD each; in an access or refresh token they make the answer malformed |
/// | an unknown member | kept, see [`TokenSet::extra`](crate::TokenSet::extra) |
/// | a member twice | a malformed answer |
/// | `error` that is `null` or empty | no error |
/// | `token_type` missing, `null`, or `Bearer` in any letter case | a bearer token |
/// | `token_type` `DPoP` in any letter case, for a session with a DPoP key (feature `dpop`) | a token that is bound to it; a bearer token is an error there |
/// | any other `token_type` | an error, unless it is [accepted](TokenEndpoint::accept_token_type) |
///
/// The [lifetime](crate::TokenSet::lifetime) is `expires_in`, counted from when the request was sent:
///
/// | `expires_in` | lifetime |
/// | --- | --- |
/// | a number, or a string that holds one | that many seconds |
/// | a fraction or an exponent | rounded down |
/// | more than a hundred years, or more than a `u64` or a float holds | a hundred years |
/// | less than one, zero and negative numbers included | zero: unknown for a new token; for the token already held, its end |
/// | missing, `null`, any other string, any other type | the time until `expires_on` or `expires_at`, else unknown |
///
/// `expires_on` and `expires_at` hold seconds or milliseconds since 1970, or a date of RFC 3339 or HTTP. They are compared
/// with the answer's own `Date`, so the local clock does not matter. A token of unknown lifetime counts as long-lived: if it
/// has expired, a rejection leads to its renewal.
///
/// # What the service must not do
/// It must not be wrapped in the layer that the token is for. It must not log bodies or response headers: some servers
/// repeat revoked tokens there. Its errors become the [`source`](StdError::source) of ours, and their text is not changed.
#[derive(Clone)]
pub struct TokenEndpoint {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
}

struct Shared {
    transport: Transport,
    hold: Hold,
    clock: ServerClock,
}

#[derive(Clone)]
struct Settings {
    location: Location,
    revocation: Option<Address>,
    issuer: Option<Box<str>>,
    client: Option<ClientAuth>,
    parameters: Vec<(Box<str>, SecretString)>,
    /// Of a grant that repeats them with a refresh.
    refresh_parameters: Vec<(Box<str>, SecretString)>,
    response_limit: usize,
    timeout: Duration,
    not_sent_when: Option<Arc<NotSentWhen>>,
    token_types: Vec<Box<str>>,
    // Of all clones; those of an endpoint with another limit have their own.
    turns: Arc<Semaphore>,
}

/// Knows the errors of a user's service.
type NotSentWhen = dyn Fn(&(dyn StdError + 'static)) -> bool + Send + Sync;

impl TokenEndpoint {
    /// The endpoint at `uri`, reached through `service`, which is cloned for each request. A service that takes another
    /// request body than `Full<Bytes>` goes to [`with_body`](TokenEndpoint::with_body).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `uri` is not absolute, holds userinfo or a fragment, or is
    /// plain `http` to another host than `localhost`, 127.0.0.0/8 or `::1`. For those there is
    /// [`danger_plaintext`](TokenEndpoint::danger_plaintext).
    pub fn new(service: impl EndpointService<Full<Bytes>>, uri: impl AsRef<str>) -> Result<Self, Error> {
        Self::with_body::<Full<Bytes>>(service, uri)
    }

    /// As [`new`](TokenEndpoint::new), over a service that takes another request body.
    ///
    /// ```
    /// use axum::{Router, body::Body};
    /// use tower_reauth::TokenEndpoint;
    ///
    /// TokenEndpoint::with_body::<Body>(Router::new(), "https://gw.example/oauth2/token")?;
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](TokenEndpoint::new).
    pub fn with_body<B: From<Bytes> + 'static>(
        service: impl EndpointService<B>,
        uri: impl AsRef<str>,
    ) -> Result<Self, Error> {
        Ok(Self::at(service, Location::fixed(Address::new(uri.as_ref())?)))
    }

    fn at<B: From<Bytes> + 'static>(service: impl EndpointService<B>, location: Location) -> Self {
        let settings = Settings {
            location,
            revocation: None,
            issuer: None,
            client: None,
            parameters: Vec::new(),
            refresh_parameters: Vec::new(),
            response_limit: RESPONSE_LIMIT,
            timeout: TIMEOUT,
            not_sent_when: None,
            token_types: Vec::new(),
            turns: Arc::new(Semaphore::new(CONCURRENCY)),
        };
        let shared = Shared {
            transport: Transport::new(service),
            hold: Hold::default(),
            clock: ServerClock::tolerating(TOLERATED),
        };
        Self { shared: Arc::new(shared), settings: Arc::new(settings) }
    }

    /// How the client authenticates. Default: it does not, and no `client_id` is sent.
    #[must_use]
    pub fn client_auth(self, client: ClientAuth) -> Self {
        self.set(|settings| settings.client = Some(client))
    }

    /// The issuer identifier of the authorization server ([RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2)). It is the
    /// audience of [assertions](crate::Assertion), byte for byte, and nothing is fetched from it. Default: that of an endpoint which is
    /// [discovered](TokenEndpoint::discover), else none.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<Box<str>>) -> Self {
        self.set(|settings| settings.issuer = Some(issuer.into()))
    }

    /// Adds a form parameter to every token request, refreshes included. Examples: `resource` (RFC 8707), `audience`.
    /// The same name may be added more than once.
    #[must_use]
    pub fn parameter(self, name: impl Into<Box<str>>, value: impl Into<SecretString>) -> Self {
        self.set(|settings| settings.parameters.push((name.into(), value.into())))
    }

    /// The largest answer that is read, in decoded bytes. Default: 1 MiB.
    #[must_use]
    pub fn response_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.response_limit = bytes)
    }

    /// Accepts tokens of this `token_type` as bearer tokens. Some servers have a word of their own, such as `bot`,
    /// `BearerToken` or `User Access Token`. Letter case does not matter. May be called more than once.
    ///
    /// It does not change what is sent: the word before the token is the layer's [`scheme`](crate::ReauthLayer::scheme).
    ///
    /// Default: only `Bearer`. A token of another type may need more than a header (a DPoP proof, a MAC).
    #[must_use]
    pub fn accept_token_type(self, name: impl Into<Box<str>>) -> Self {
        self.set(|settings| settings.token_types.push(name.into()))
    }

    /// How long one exchange may take, from asking the service to the end of the answer. Default: 120 s. A fetch of
    /// [metadata](TokenEndpoint::discover) before it takes no longer, and 10 s at most.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// Says which errors of the service mean that nothing was sent. Such a failure does not count as an attempt, so a
    /// password is not held back because there was no network for a while.
    ///
    /// Some errors are known without this: the operating system's errors for refused and unreachable connections, and every
    /// failure to connect of hyper-util's client (feature `hyper-util`) and of reqwest (feature `reqwest`). These include names
    /// that do not resolve and TLS handshakes that fail.
    ///
    /// The function gets the service's error, then each of its sources. It must be certain.
    ///
    /// ```
    /// # fn with(endpoint: tower_reauth::TokenEndpoint) {
    /// use tower::load_shed::error::Overloaded;
    ///
    /// let endpoint = endpoint.not_sent_when(|error| error.is::<Overloaded>());
    /// # }
    /// ```
    #[must_use]
    pub fn not_sent_when(
        self,
        is_not_sent: impl Fn(&(dyn StdError + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.not_sent_when = Some(Arc::new(is_not_sent)))
    }

    /// How many requests may be under way at a time, so that many sessions that renew at once do not overrun the server.
    /// Default: 64; at least 1. This endpoint and all clones made of it from here on share the limit; clones made before keep
    /// theirs. Revocations count as well.
    ///
    /// Further requests wait for a place, for 30 s at most. Then they fail with
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), and nothing was sent. A pause that the server asks for
    /// meanwhile holds for them, too. A server that hangs keeps its places until the [`timeout`](TokenEndpoint::timeout).
    #[must_use]
    pub fn concurrency(self, requests: usize) -> Self {
        let requests = requests.clamp(1, Semaphore::MAX_PERMITS);
        self.set(|settings| settings.turns = Arc::new(Semaphore::new(requests)))
    }

    /// The address where tokens are revoked ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). It is reached through the
    /// same service, with the same client authentication. Default: what [discovered](TokenEndpoint::discover) metadata names, else
    /// none. Without one, a logout forgets the tokens and revokes nothing.
    ///
    /// # Errors
    /// As [`new`](TokenEndpoint::new); for an endpoint of [`danger_plaintext`](TokenEndpoint::danger_plaintext) as is said there.
    pub fn revocation(self, uri: impl AsRef<str>) -> Result<Self, Error> {
        let address = self.settings.location.name().beside(uri.as_ref())?;
        Ok(self.set(|settings| settings.revocation = Some(address)))
    }

    /// Adds a form parameter to every refresh: what a grant asked for besides the scope (RFC 8707 §2.2).
    pub(crate) fn refresh_parameter(self, name: impl Into<Box<str>>, value: impl Into<SecretString>) -> Self {
        self.set(|settings| settings.refresh_parameters.push((name.into(), value.into())))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl TokenEndpoint {
    /// What tells this server from others: the issuer where the endpoint is discovered, or the address, without its query.
    pub(crate) fn server(&self) -> String {
        self.settings.location.to_string()
    }

    /// Tells all that decides about the tokens that come from here: where it is, who asks, and what is always asked for.
    pub(crate) fn mark(&self, tell: &mut impl FnMut(&str)) {
        tell(&self.server());
        tell(&self.settings.location.name().uri().to_string());
        if let Some(client) = &self.settings.client {
            client.mark(tell);
        }
        for (name, value) in &self.settings.parameters {
            tell(name);
            tell(value.expose_secret());
        }
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.settings.client.as_ref().and_then(ClientAuth::id)
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { location, revocation, client, parameters, response_limit, timeout, .. } = &*self.settings;
        f.debug_struct("TokenEndpoint")
            .field("address", &format_args!("{location}"))
            .field("revocation", &revocation.as_ref().map(ToString::to_string))
            .field("client", client)
            .field("parameters", &parameters.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("response_limit", response_limit)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}
