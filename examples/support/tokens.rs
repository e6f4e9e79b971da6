//! Which tokens there are, and which of them are good: WSO2's rules, without HTTP.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::options::Regime;

/// Who holds a token: there is one active pair for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) client: String,
    /// The client itself when there is no user.
    pub(super) user: Option<String>,
    pub(super) scopes: BTreeSet<String>,
}

/// An access token with its refresh token.
#[derive(Clone)]
pub(super) struct Pair {
    /// Counts from 1, and is what people get to see instead of the token.
    pub(super) number: u64,
    pub(super) slot: Slot,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires: Instant,
    active: bool,
}

/// What came of asking for a token.
pub(super) struct Issued {
    pub(super) pair: Pair,
    /// The pair was there already.
    pub(super) again: bool,
    /// The numbers of the pairs that ended by this.
    pub(super) ended: Vec<u64>,
}

/// What an access token is worth.
pub(super) enum Standing {
    Good(u64),
    Expired(u64),
    Inactive(u64),
    Unknown,
}

/// All tokens that were ever issued.
pub(super) struct Tokens {
    regime: Regime,
    lifetime: Duration,
    pairs: Vec<Pair>,
}

impl Tokens {
    pub(super) fn new(regime: Regime, lifetime: Duration) -> Self {
        Self { regime, lifetime, pairs: Vec::new() }
    }

    /// Serves the password and the client credentials grant.
    pub(super) fn issue(&mut self, slot: Slot) -> Issued {
        match self.regime {
            Regime::Opaque => {
                if let Some(pair) = self.pairs.iter().find(|pair| pair.slot == slot && pair.is_good()) {
                    return Issued { pair: pair.clone(), again: true, ended: Vec::new() };
                }
            }
            Regime::Jwt => {}
            Regime::Beside => return self.add(slot, Vec::new()),
        }
        let ended = self.end(|pair| pair.slot == slot);
        self.add(slot, ended)
    }

    /// Serves the refresh token grant; `None` says that the refresh token is not, or no longer, good for that client.
    pub(super) fn refresh(&mut self, client: &str, refresh_token: &str) -> Option<Issued> {
        let slot = self.pairs.iter().find(|pair| {
            pair.active && pair.slot.client == client && pair.refresh_token.as_deref() == Some(refresh_token)
        });
        let slot = slot?.slot.clone();
        let ended = self.end(|pair| pair.refresh_token.as_deref() == Some(refresh_token));
        Some(self.add(slot, ended))
    }

    /// Ends the pair that a token of that client belongs to; `None` when it has ended before or never was.
    pub(super) fn revoke(&mut self, client: &str, token: &str) -> Option<Pair> {
        let is_it = |pair: &Pair| {
            pair.slot.client == client && (pair.access_token == token || pair.refresh_token.as_deref() == Some(token))
        };
        let number = *self.end(is_it).first()?;
        self.pairs.iter().find(|pair| pair.number == number).cloned()
    }

    /// Ends the pair with this number, if it is alive.
    pub(super) fn end_pair(&mut self, number: u64) {
        self.end(|pair| pair.number == number);
    }

    /// Ends every pair of a user.
    pub(super) fn end_user(&mut self, user: &str) {
        self.end(|pair| pair.slot.user.as_deref() == Some(user));
    }

    /// Whom a good access token stands for, unless it is a client's own.
    pub(super) fn user(&self, access_token: &str) -> Option<String> {
        let pair = self.pairs.iter().find(|pair| pair.access_token == access_token && pair.is_good())?;
        pair.slot.user.clone()
    }

    /// Ends every pair.
    pub(super) fn revoke_all(&mut self) {
        self.end(|_| true);
    }

    pub(super) fn standing(&self, access_token: &str) -> Standing {
        match self.pairs.iter().find(|pair| pair.access_token == access_token) {
            None => Standing::Unknown,
            Some(pair) if !pair.active => Standing::Inactive(pair.number),
            Some(pair) if pair.is_good() => Standing::Good(pair.number),
            Some(pair) => Standing::Expired(pair.number),
        }
    }

    fn add(&mut self, slot: Slot, ended: Vec<u64>) -> Issued {
        let pair = Pair {
            number: self.pairs.len() as u64 + 1,
            access_token: random(),
            // RFC 6749 §4.4.3: none for the client credentials grant.
            refresh_token: slot.user.is_some().then(random),
            slot,
            expires: Instant::now() + self.lifetime,
            active: true,
        };
        self.pairs.push(pair.clone());
        Issued { pair, again: false, ended }
    }

    fn end(&mut self, is_it: impl Fn(&Pair) -> bool) -> Vec<u64> {
        let ending = self.pairs.iter_mut().filter(|pair| pair.active && is_it(pair));
        ending
            .map(|pair| {
                pair.active = false;
                pair.number
            })
            .collect()
    }
}

impl Pair {
    /// How long the access token still lives.
    pub(super) fn lifetime(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }

    fn is_good(&self) -> bool {
        self.active && !self.lifetime().is_zero()
    }
}

fn random() -> String {
    format!("{:032x}", fastrand::u128(..))
}
