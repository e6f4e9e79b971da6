//! Signed JWTs (RFC 7523): by one a client says who it is, by another an issuer whom the gateway trusts says who a user is.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::Value;

/// Checks the signature of a JWT by the key of whoever it says it is from, and returns its claims.
pub(super) type Verifier = Arc<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// Whose JWTs the gateway takes.
#[derive(Clone)]
pub(super) struct Trust {
    /// The gateway's own name, which every JWT must be meant for.
    pub(super) audience: String,
    pub(super) verifier: Verifier,
    /// Clients that sign, and have no secret.
    pub(super) clients: HashSet<String>,
    /// Issuers that may speak for a user.
    pub(super) issuers: HashSet<String>,
}

/// Reads JWTs, each once.
pub(super) struct Assertions {
    trust: Option<Trust>,
    used: Mutex<HashSet<(String, String)>>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    jti: String,
}

impl Assertions {
    pub(super) fn new(trust: Option<Trust>) -> Self {
        Self { trust, used: Mutex::default() }
    }

    /// The client that signed this (§2.2).
    pub(super) fn client(&self, jwt: &str) -> Option<String> {
        let Claims { iss, sub, .. } = self.claims(jwt)?;
        (iss == sub && self.trust.as_ref()?.clients.contains(&sub)).then_some(sub)
    }

    /// The user whom a trusted issuer speaks of (§2.1).
    pub(super) fn user(&self, jwt: &str) -> Option<String> {
        let claims = self.claims(jwt)?;
        self.trust.as_ref()?.issuers.contains(&claims.iss).then_some(claims.sub)
    }

    /// §3: it is meant for the gateway, in force, and here for the first time.
    fn claims(&self, jwt: &str) -> Option<Claims> {
        let trust = self.trust.as_ref()?;
        let claims: Claims = serde_json::from_value((trust.verifier)(jwt)?).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        if claims.aud != trust.audience || claims.exp <= now {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert((claims.iss.clone(), claims.jti.clone())).then_some(claims)
    }
}
