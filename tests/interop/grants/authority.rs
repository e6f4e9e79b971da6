//! The table: what each authorization server can do, and how it refuses what it can't.

use tower_reauth::{ErrorKind, JwtAlgorithm};

use super::embedded;
use crate::proxy::Paths;

/// How a server refuses a grant or a client that it does not know.
pub(super) type Lacking = (ErrorKind, u16);

/// One server. `Err` is what it lacks, and how it says so.
pub(super) struct Authority {
    pub(super) kind: &'static str,
    pub(super) paths: Paths,
    pub(super) api: Api,
    /// Names whom a token stands for.
    pub(super) identity: &'static str,
    pub(super) scope: Option<&'static str>,
    /// RFC 7009: LemonLDAP::NG wants a person to log in first.
    pub(super) revokes: bool,
    pub(super) signing: Result<Signing, Lacking>,
    pub(super) jwt_bearer: Result<(), Lacking>,
    /// A resource that it issues tokens for by name (RFC 8707), with a refresh token.
    pub(super) resource: Option<&'static str>,
    pub(super) exchange: Result<(), Lacking>,
    pub(super) mutual_tls: Result<(), Lacking>,
    /// It binds tokens to a key that the client proves to have (RFC 9449). Those that don't give out a bearer token.
    pub(super) dpop: Result<(), Lacking>,
}

/// Where tokens of clients are taken.
pub(super) enum Api {
    At(&'static str),
    /// The server has no API for them. One of the test's own asks about each token, there (RFC 7662).
    Introspected(&'static str),
}

/// What a server makes of clients that sign.
pub(super) struct Signing {
    pub(super) audience: Audience,
    /// How it refuses a key that it does not know.
    pub(super) wrong_key: Lacking,
    /// How many requests it takes to get a token with a clock that is ahead.
    pub(super) five_minutes_ahead: usize,
}

pub(super) enum Audience {
    /// The issuer, which is the server's address.
    Address,
    /// The issuer, by another name.
    Name(&'static str),
    /// The endpoint that is called.
    Endpoint,
}

/// The algorithms, with the key of each; a client is called by the algorithm in small letters.
pub(super) const ALGORITHMS: [(JwtAlgorithm, &str, &str); 5] = [
    (JwtAlgorithm::ES256, "es256", "ec.pem"),
    (JwtAlgorithm::RS256, "rs256", "rsa.pem"),
    (JwtAlgorithm::PS256, "ps256", "rsa.pem"),
    (JwtAlgorithm::EdDSA, "eddsa", "ed.pem"),
    (JwtAlgorithm::HS256, "hs256", "secret"),
];
/// Who may speak for users, and for whom.
pub(super) const TRUSTED: &str = "https://idp.example";
pub(super) const USER: &str = "bob";
pub(super) const PASSWORD: &str = "bobpassword";

pub(super) static AUTHORITIES: [Authority; 6] = [
    Authority {
        kind: "embedded",
        paths: Paths { token: "/oauth2/token", revoke: "/oauth2/revoke" },
        api: Api::At("/orders"),
        identity: "/oauth2/userinfo",
        scope: None,
        revokes: true,
        signing: Ok(Signing {
            audience: Audience::Name(embedded::ISSUER),
            wrong_key: (ErrorKind::Misconfigured, 401),
            five_minutes_ahead: 1,
        }),
        jwt_bearer: Ok(()),
        resource: None,
        exchange: Ok(()),
        mutual_tls: Err((ErrorKind::Misconfigured, 401)),
        dpop: Ok(()),
    },
    Authority {
        kind: "oidc-provider",
        paths: Paths { token: "/token", revoke: "/token/revocation" },
        api: Api::At("/orders"),
        identity: "/orders",
        scope: None,
        revokes: true,
        signing: Ok(Signing {
            audience: Audience::Address,
            wrong_key: (ErrorKind::Misconfigured, 401),
            five_minutes_ahead: 2,
        }),
        jwt_bearer: Ok(()),
        resource: Some("https://api.example/orders"),
        exchange: Ok(()),
        mutual_tls: Ok(()),
        dpop: Ok(()),
    },
    Authority {
        kind: "glewlwyd",
        paths: Paths { token: "/api/oidc/token", revoke: "/api/oidc/revoke" },
        api: Api::Introspected("/api/oidc/introspect"),
        identity: "/api/oidc/userinfo",
        scope: Some("api"),
        revokes: true,
        signing: Ok(Signing {
            // It takes no other, and for a revocation only that endpoint's address.
            audience: Audience::Endpoint,
            wrong_key: (ErrorKind::Refused, 403),
            five_minutes_ahead: 1,
        }),
        jwt_bearer: Err((ErrorKind::Refused, 400)),
        resource: None,
        exchange: Err((ErrorKind::Refused, 400)),
        mutual_tls: Err((ErrorKind::Refused, 403)),
        dpop: Ok(()),
    },
    Authority {
        kind: "django-oauth-toolkit",
        paths: Paths { token: "/o/token/", revoke: "/o/revoke_token/" },
        api: Api::At("/api/stock"),
        identity: "/api/orders",
        scope: Some("orders"),
        revokes: true,
        signing: Err((ErrorKind::Misconfigured, 401)),
        jwt_bearer: Err((ErrorKind::Misconfigured, 400)),
        resource: None,
        exchange: Err((ErrorKind::Misconfigured, 400)),
        mutual_tls: Err((ErrorKind::Misconfigured, 401)),
        dpop: Err((ErrorKind::Dpop, 200)),
    },
    Authority {
        kind: "authlib",
        paths: Paths { token: "/token", revoke: "/revoke" },
        api: Api::At("/me"),
        identity: "/me",
        scope: None,
        revokes: true,
        signing: Err((ErrorKind::Misconfigured, 401)),
        jwt_bearer: Err((ErrorKind::Misconfigured, 400)),
        resource: None,
        exchange: Err((ErrorKind::Misconfigured, 400)),
        mutual_tls: Err((ErrorKind::Misconfigured, 401)),
        dpop: Err((ErrorKind::Dpop, 200)),
    },
    Authority {
        kind: "lemonldap",
        paths: Paths { token: "/oauth2/token", revoke: "/oauth2/revoke" },
        api: Api::At("/oauth2/userinfo"),
        identity: "/oauth2/userinfo",
        scope: Some("openid"),
        revokes: false,
        signing: Err((ErrorKind::Misconfigured, 400)),
        jwt_bearer: Err((ErrorKind::Misconfigured, 400)),
        resource: None,
        exchange: Err((ErrorKind::Refused, 400)),
        mutual_tls: Err((ErrorKind::Misconfigured, 400)),
        dpop: Err((ErrorKind::Dpop, 200)),
    },
];
