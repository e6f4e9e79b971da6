//! What the gateway is started with.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;

use super::{assertions::Trust, journal::Seen};

const HOUR: Duration = Duration::from_secs(3600);

/// What happens to the token that a client, user and scope already have, when they ask for one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// The same token comes again while it is valid, with the lifetime that is left of it.
    Opaque,
    /// A new token comes and the old one is revoked: WSO2's default from version 4 on, until tokens were no longer kept.
    Jwt,
    /// A new token comes and the old one lives on (`renew_token_without_revoking_existing`).
    Beside,
    /// A new token comes and nothing ends, by a refresh neither: WSO2's default for JWT tokens that are not persisted (4.7).
    /// A revocation names one token by its id, and ends that one only.
    Unpersisted,
}

/// Who is known to the gateway and what it does.
#[derive(Clone)]
pub(crate) struct Options {
    pub(super) regime: Regime,
    pub(super) token_lifetimes: RangeInclusive<Duration>,
    pub(super) users: HashMap<String, String>,
    pub(super) clients: HashMap<String, String>,
    pub(super) redirect_uris: HashMap<String, String>,
    pub(super) scopes: Vec<String>,
    pub(super) reuse_detection: bool,
    pub(super) dpop_nonces: bool,
    pub(super) trust: Option<Trust>,
    pub(super) observer: Observer,
}

/// Told what the gateway does, from inside the exchange: it must not block.
pub(super) type Observer = Arc<dyn Fn(&Seen) + Send + Sync>;

impl Options {
    /// A gateway that knows nobody, grants the scope `orders`, and whose tokens live for an hour.
    pub(crate) fn new(regime: Regime) -> Self {
        Self {
            regime,
            token_lifetimes: HOUR..=HOUR,
            users: HashMap::new(),
            clients: HashMap::new(),
            redirect_uris: HashMap::new(),
            scopes: vec!["orders".to_owned()],
            reuse_detection: false,
            dpop_nonces: false,
            trust: None,
            observer: Arc::new(|_| ()),
        }
    }

    /// Adds a user and their password.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.users.insert(name.to_owned(), password.to_owned());
        self
    }

    /// Adds a client and its secret.
    pub(crate) fn client(mut self, id: &str, secret: &str) -> Self {
        self.clients.insert(id.to_owned(), secret.to_owned());
        self
    }

    /// Adds a client that has no secret, such as a program on the user's own machine (RFC 8252 §8.5).
    pub(crate) fn public_client(self, id: &str) -> Self {
        self.client(id, "")
    }

    /// Takes JWTs that are meant for `audience`: of these clients, which have no secret, and of these issuers, which speak for users.
    /// The closure checks the signature by the key of the JWT's `iss`, and returns the claims.
    pub(crate) fn trust(
        mut self,
        audience: &str,
        clients: &[&str],
        issuers: &[&str],
        verifier: impl Fn(&str) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<HashSet<_>>();
        let (clients, issuers) = (names(clients), names(issuers));
        self.trust = Some(Trust { audience: audience.to_owned(), verifier: Arc::new(verifier), clients, issuers });
        self
    }

    /// Lets a client ask for authorization codes, which are sent to this very address. Only the port of a loopback address may be
    /// another one (RFC 8252 §7.3).
    pub(crate) fn redirect_uri(mut self, client: &str, uri: &str) -> Self {
        self.redirect_uris.insert(client.to_owned(), uri.to_owned());
        self
    }

    /// Adds a scope that is granted.
    pub(crate) fn scope(mut self, name: &str) -> Self {
        self.scopes.push(name.to_owned());
        self
    }

    /// Ends a whole login when a refresh token of it comes for the second time (RFC 9700 §4.14.2).
    pub(crate) fn reuse_detection(mut self) -> Self {
        self.reuse_detection = true;
        self
    }

    /// Asks for the nonce that every answer carries, in each DPoP proof (RFC 9449 §8, §9).
    pub(crate) fn dpop_nonces(mut self) -> Self {
        self.dpop_nonces = true;
        self
    }

    /// Sets how long an access token lives.
    pub(crate) fn token_lifetime(self, lifetime: Duration) -> Self {
        self.token_lifetimes(lifetime..=lifetime)
    }

    /// Lets each access token live for some time of these, as if its owner had come at a time of their own.
    pub(crate) fn token_lifetimes(mut self, lifetimes: RangeInclusive<Duration>) -> Self {
        self.token_lifetimes = lifetimes;
        self
    }

    /// Sets who is told what the gateway does, in the order in which it happens.
    pub(crate) fn observer(mut self, observer: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opaque => "Who asks again gets the same token",
            Self::Jwt => "Who asks again gets a new token, and the old one dies",
            Self::Beside => "Who asks again gets a new token beside the old one",
            Self::Unpersisted => "Who asks again gets a new token, who refreshes too, and no old one dies",
        })
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("regime", &self.regime)
            .field("token_lifetimes", &self.token_lifetimes)
            .field("users", &self.users.keys())
            .field("clients", &self.clients.keys())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
