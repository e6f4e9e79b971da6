//! Authorization codes (RFC 6749 §4.1.2), bound to a client, a redirection and a PKCE challenge (RFC 7636).

use std::{collections::HashMap, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use tokio::time::Instant;

use super::tokens::Slot;

/// RFC 6749 §4.1.2 recommends ten minutes at most; a browser needs a second.
const LIFETIME: Duration = Duration::from_secs(60);

/// What a code stands for.
pub(super) struct Grant {
    pub(super) slot: Slot,
    pub(super) redirect_uri: String,
    /// The SHA-256 of the verifier, in base64url (RFC 7636 §4.2).
    pub(super) challenge: String,
}

/// What came of redeeming a code.
pub(super) enum Redemption {
    Good(Slot),
    /// It was used before, and this pair of tokens came of it.
    Used(u64),
    Bad,
}

/// All codes that have not expired, used ones included.
#[derive(Default)]
pub(super) struct Codes {
    codes: HashMap<String, Code>,
}

struct Code {
    grant: Grant,
    expires: Instant,
    used: Option<u64>,
}

impl Codes {
    pub(super) fn add(&mut self, grant: Grant) -> String {
        self.codes.retain(|_, code| Instant::now() < code.expires);
        let code = format!("{:032x}", fastrand::u128(..));
        self.codes.insert(code.clone(), Code { grant, expires: Instant::now() + LIFETIME, used: None });
        code
    }

    pub(super) fn redeem(&self, code: &str, client: &str, redirect_uri: &str, verifier: &str) -> Redemption {
        let Some(code) = self.codes.get(code).filter(|code| Instant::now() < code.expires) else {
            return Redemption::Bad;
        };
        let Grant { slot, redirect_uri: promised, challenge } = &code.grant;
        if slot.client != client || promised != redirect_uri || *challenge != challenge_of(verifier) {
            return Redemption::Bad;
        }
        code.used.map_or_else(|| Redemption::Good(slot.clone()), Redemption::Used)
    }

    /// Remembers what a code brought, so that its second use can end that.
    pub(super) fn used(&mut self, code: &str, pair: u64) {
        if let Some(code) = self.codes.get_mut(code) {
            code.used = Some(pair);
        }
    }
}

fn challenge_of(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}
