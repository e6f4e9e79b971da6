//! Which tokens there are, and which of them are good: WSO2's rules, without HTTP.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
    time::Duration,
};

use tokio::time::Instant;

use super::options::{Options, Regime};

/// Who holds a token: in most regimes there is one active pair for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) client: String,
    /// The client itself when there is no user.
    pub(super) user: Option<String>,
    pub(super) scopes: BTreeSet<String>,
    /// It came for somebody else's word. Whoever has that can ask again, and gets no refresh token (RFC 7521 §4.1).
    pub(super) asserted: bool,
    /// Who acts for the user, and where: what an exchange brings.
    pub(super) actor: Option<String>,
    pub(super) audience: Option<String>,
    /// The thumbprint of the key that its tokens are bound to.
    pub(super) key: Option<String>,
}

/// An access token with its refresh token.
#[derive(Clone)]
pub(super) struct Pair {
    /// Counts from 1, and is what people get to see instead of the token.
    pub(super) number: u64,
    /// The first pair of its login: what a refresh brings belongs to the same one.
    login: u64,
    pub(super) slot: Slot,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires: Instant,
    /// The access token has not been ended.
    active: bool,
    /// Nor has the refresh token.
    refreshes: bool,
}

/// What came of asking for a token.
pub(super) struct Issued {
    pub(super) pair: Pair,
    /// The pair was there already.
    pub(super) again: bool,
    /// The numbers of the pairs that ended by this.
    pub(super) ended: Vec<u64>,
}

/// What ended by a revocation.
pub(super) struct Revoked {
    pub(super) number: u64,
    pub(super) access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
}

/// What an access token is worth.
pub(super) enum Standing {
    Good { number: u64, key: Option<String> },
    Expired(u64),
    Inactive(u64),
    Unknown,
}

/// All tokens that were ever issued.
pub(super) struct Tokens {
    regime: Regime,
    reuse_detection: bool,
    lifetimes: RangeInclusive<Duration>,
    /// Each at one less than its number.
    pairs: Vec<Pair>,
    /// The number of the pair that an access or refresh token belongs to.
    numbers: HashMap<String, u64>,
    /// The numbers of a user's active pairs, in their order; those of no user are the clients' own.
    active: HashMap<Option<String>, Vec<u64>>,
}

impl Tokens {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            regime: options.regime,
            reuse_detection: options.reuse_detection,
            lifetimes: options.token_lifetimes.clone(),
            pairs: Vec::new(),
            numbers: HashMap::new(),
            active: HashMap::new(),
        }
    }

    /// Sets how long the access tokens live that are handed out from now on.
    pub(super) fn set_lifetimes(&mut self, lifetimes: RangeInclusive<Duration>) {
        self.lifetimes = lifetimes;
    }

    /// Serves the password and the client credentials grant.
    pub(super) fn issue(&mut self, slot: Slot) -> Issued {
        match self.regime {
            Regime::Opaque => {
                let mut active = self.active_of(&slot.user);
                if let Some(pair) = active.find(|pair| pair.slot == slot && pair.is_good()) {
                    return Issued { pair: pair.clone(), again: true, ended: Vec::new() };
                }
            }
            Regime::Jwt => {}
            Regime::Beside | Regime::Unpersisted => return self.add(slot, None, Vec::new()),
        }
        let ended: Vec<_> =
            self.active_of(&slot.user).filter(|pair| pair.slot == slot).map(|pair| pair.number).collect();
        for number in &ended {
            self.end_pair(*number);
        }
        self.add(slot, None, ended)
    }

    /// Serves the refresh token grant; `None` says that the refresh token is not, or no longer, good for that client, or not for the
    /// key. A client with a secret needs no key (RFC 9449 §5).
    pub(super) fn refresh(
        &mut self,
        client: &str,
        has_secret: bool,
        key: Option<String>,
        refresh_token: &str,
    ) -> Option<Issued> {
        let pair = self.with(refresh_token).filter(|pair| pair.slot.client == client)?;
        if pair.refresh_token.as_deref() != Some(refresh_token) {
            return None;
        }
        if !has_secret && pair.slot.key.is_some() && pair.slot.key != key {
            return None;
        }
        let (slot, number, login) = (Slot { key, ..pair.slot.clone() }, pair.number, pair.login);
        if !pair.refreshes {
            if self.reuse_detection {
                self.end_login(login);
            }
            return None;
        }
        if self.regime == Regime::Unpersisted {
            return Some(self.add(slot, Some(login), Vec::new()));
        }
        self.end_pair(number);
        Some(self.add(slot, Some(login), vec![number]))
    }

    /// Ends a token of that client, with the other one of its pair where the two are known to belong together; `None` when
    /// it has ended before or never was.
    pub(super) fn revoke(&mut self, client: &str, token: &str) -> Option<Revoked> {
        let Pair { number, access_token, refresh_token, .. } = self.alive_with(client, token)?.clone();
        if self.regime != Regime::Unpersisted {
            self.end_pair(number);
            return Some(Revoked { number, access_token: Some(access_token), refresh_token });
        }
        let pair = self.pairs.get_mut(number as usize - 1)?;
        if access_token == token {
            pair.active = false;
            return Some(Revoked { number, access_token: Some(access_token), refresh_token: None });
        }
        pair.refreshes = false;
        Some(Revoked { number, access_token: None, refresh_token })
    }

    /// Ends the pair with this number, if it is alive.
    pub(super) fn end_pair(&mut self, number: u64) {
        let Some(pair) = self.pairs.get_mut(number as usize - 1) else { return };
        (pair.active, pair.refreshes) = (false, false);
        if let Some(active) = self.active.get_mut(&pair.slot.user) {
            active.retain(|of_user| *of_user != number);
        }
    }

    fn end_login(&mut self, login: u64) {
        let of_login: Vec<_> = self.pairs.iter().filter(|pair| pair.login == login).map(|pair| pair.number).collect();
        for number in of_login {
            self.end_pair(number);
        }
    }

    /// Ends every pair of a user.
    pub(super) fn end_user(&mut self, user: &str) {
        for number in self.active.remove(&Some(user.to_owned())).unwrap_or_default() {
            self.end_pair(number);
        }
    }

    /// Whom a good access token stands for.
    pub(super) fn holder(&self, access_token: &str) -> Option<&Slot> {
        let pair = self.with(access_token).filter(|pair| pair.access_token == access_token && pair.is_good())?;
        Some(&pair.slot)
    }

    /// Ends every pair.
    pub(super) fn revoke_all(&mut self) {
        self.active.clear();
        for pair in &mut self.pairs {
            (pair.active, pair.refreshes) = (false, false);
        }
    }

    pub(super) fn standing(&self, access_token: &str) -> Standing {
        match self.with(access_token).filter(|pair| pair.access_token == access_token) {
            None => Standing::Unknown,
            Some(pair) if !pair.active => Standing::Inactive(pair.number),
            Some(pair) if pair.is_good() => Standing::Good { number: pair.number, key: pair.slot.key.clone() },
            Some(pair) => Standing::Expired(pair.number),
        }
    }

    fn add(&mut self, slot: Slot, login: Option<u64>, ended: Vec<u64>) -> Issued {
        let number = self.pairs.len() as u64 + 1;
        let pair = Pair {
            number,
            login: login.unwrap_or(number),
            access_token: random(),
            // RFC 6749 §4.4.3: none for the client credentials grant.
            refresh_token: (slot.user.is_some() && !slot.asserted).then(random),
            slot,
            expires: Instant::now() + self.lifetime(),
            active: true,
            refreshes: true,
        };
        for token in [Some(&pair.access_token), pair.refresh_token.as_ref()].into_iter().flatten() {
            self.numbers.insert(token.clone(), pair.number);
        }
        self.active.entry(pair.slot.user.clone()).or_default().push(pair.number);
        self.pairs.push(pair.clone());
        Issued { pair, again: false, ended }
    }

    fn lifetime(&self) -> Duration {
        let (shortest, longest) = (*self.lifetimes.start(), *self.lifetimes.end());
        shortest + (longest - shortest).mul_f64(fastrand::f64())
    }

    /// The pair that has this access or refresh token.
    fn with(&self, token: &str) -> Option<&Pair> {
        self.pair(*self.numbers.get(token)?)
    }

    fn alive_with(&self, client: &str, token: &str) -> Option<&Pair> {
        let is_alive = |pair: &&Pair| if pair.access_token == token { pair.active } else { pair.refreshes };
        self.with(token).filter(is_alive).filter(|pair| pair.slot.client == client)
    }

    fn active_of(&self, user: &Option<String>) -> impl Iterator<Item = &Pair> {
        self.active.get(user).into_iter().flatten().filter_map(|number| self.pair(*number))
    }

    fn pair(&self, number: u64) -> Option<&Pair> {
        self.pairs.get(number as usize - 1)
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
