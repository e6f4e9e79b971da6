//! The issuer's book: which tokens were issued, which are alive, and what new ones do to the older ones.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    time::Duration,
};

use bytes::Bytes;
#[cfg(feature = "dpop")]
use http::Method;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;

#[cfg(feature = "dpop")]
use super::proof::{Proofs, Proved};
use super::{
    answer::{Answer, Tokens, json},
    journal::Journal,
    token_request::TokenRequest,
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SUBJECT: &str = "subject-token-of-";

/// What becomes of the older tokens of the same owner and scope when new ones are asked for.
///
/// The first four are those of WSO2 API Manager. In the first three, a refresh ends the pair of tokens that it was made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Regime {
    /// They die: WSO2's rule for JWT tokens. Two devices with one login take the token from each other.
    #[default]
    NewKillsOld,
    /// There are no new ones while the old ones live: WSO2's rule for opaque tokens.
    SameAgain,
    /// They live on: WSO2's rule for JWT tokens with `renew_token_without_revoking_existing`.
    Beside,
    /// They live on, and after a refresh as well; a revocation ends one token: WSO2's rule for JWT tokens that it does not
    /// persist.
    Unpersisted,
    /// They live on, and each refresh token is good for one use: one that comes again ends the whole login
    /// ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    Rotating,
    /// There are never new ones: the same pair comes each time, and is alive from then on. A call that was rejected is not sent
    /// again with the same token: its caller gets the rejection, with [`SameToken`](crate::ErrorKind::SameToken).
    Fixed,
}

pub(super) struct Book {
    pub(super) journal: Journal,
    pub(super) requests: Vec<TokenRequest>,
    pub(super) revocations: Vec<TokenRequest>,
    pub(super) script: VecDeque<Answer>,
    pub(super) revocation_script: VecDeque<Answer>,
    pub(super) always: Answer,
    /// By grant type.
    pub(super) always_to: BTreeMap<String, Answer>,
    pub(super) regime: Regime,
    pub(super) issued: Vec<Issued>,
    /// Where each token stands among them, and those of each owner: a test may have ten thousand users.
    by_token: HashMap<String, Vec<usize>>,
    by_owner: HashMap<String, Vec<usize>>,
    pub(super) spent_again: usize,
    pub(super) running: usize,
    pub(super) peak: usize,
    number: usize,
    #[cfg(feature = "dpop")]
    pub(super) proofs: Proofs,
}

#[derive(Default)]
pub(super) struct Issued {
    /// Set when it is written down.
    pub(super) number: usize,
    /// The number of the first one of its login, which a refresh goes on with.
    pub(super) login: Option<usize>,
    pub(super) owner: String,
    pub(super) scope: String,
    /// What its request asked for.
    pub(super) resource: Option<String>,
    pub(super) asked_scope: Option<String>,
    /// Empty where only a refresh token was issued.
    pub(super) access_token: String,
    pub(super) access_lives: bool,
    pub(super) expires_at: Option<Instant>,
    pub(super) refresh_token: Option<String>,
    pub(super) refresh_lives: bool,
    /// The thumbprint of the key that both are bound to.
    pub(super) key: Option<String>,
}

/// What came of a token request: the response, and the words of the journal.
type Written = (Response<Full<Bytes>>, String);

impl Book {
    pub(super) fn new() -> Self {
        Self {
            journal: Journal::new(),
            requests: Vec::new(),
            revocations: Vec::new(),
            script: VecDeque::new(),
            revocation_script: VecDeque::new(),
            always: Answer::tokens(),
            always_to: BTreeMap::new(),
            regime: Regime::default(),
            issued: Vec::new(),
            by_token: HashMap::new(),
            by_owner: HashMap::new(),
            spent_again: 0,
            running: 0,
            peak: 0,
            number: 0,
            #[cfg(feature = "dpop")]
            proofs: Proofs::default(),
        }
    }

    /// Writes down that a token request came, and says what the script makes of it.
    pub(super) fn comes(&mut self, request: &TokenRequest) -> (Answer, usize) {
        self.requests.push(request.clone());
        self.running += 1;
        self.peak = self.peak.max(self.running);
        let what = match request.parameter("refresh_token") {
            Some(token) => format!("{} redeemed", self.name(token)),
            None => request.grant_type().to_owned(),
        };
        let scripted = self.script.pop_front().or_else(|| self.always_to.get(request.grant_type()).cloned());
        (scripted.unwrap_or_else(|| self.always.clone()), self.journal.write(what))
    }

    /// Issues tokens, and ends those that the regime says.
    pub(super) fn answer(&mut self, tokens: &Tokens, request: &TokenRequest) -> Written {
        let (mut owner, mut scope) = (owner_of(request), request.parameter("scope").unwrap_or_default().to_owned());
        let key = match self.key_of(request) {
            Ok(key) => key,
            Err(code) => return refused(code),
        };
        let mut redeemed = None;
        if request.grant_type() == "refresh_token" {
            let Some(index) = self.redeemable(request.parameter("refresh_token")) else {
                return refused("invalid_grant");
            };
            if self.issued[index].key.is_some() && self.issued[index].key != key {
                return refused("invalid_grant");
            }
            (owner, scope) = (self.issued[index].owner.clone(), self.issued[index].scope.clone());
            redeemed = Some(index);
        }
        let now = Instant::now();
        // One past the end of the clock is for ever.
        let expires_at = tokens.lifetime.and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
        let mut of_owner = self.by_owner.get(&owner).cloned().unwrap_or_default();
        of_owner.retain(|index| self.issued[*index].scope == scope);
        match self.regime {
            Regime::SameAgain if redeemed.is_none() => {
                if let Some(index) = of_owner.iter().find(|index| self.issued[**index].is_good(now)) {
                    let issued = &self.issued[*index];
                    return issued.again(tokens, issued.expires_at.map(|end| (end - now).as_secs()));
                }
            }
            Regime::Fixed => {
                if let Some(index) = of_owner.iter().find(|index| !self.issued[**index].access_token.is_empty()) {
                    let issued = &mut self.issued[*index];
                    (issued.access_lives, issued.expires_at) = (true, expires_at);
                    issued.refresh_lives = issued.refresh_token.is_some();
                    return issued.again(tokens, tokens.lifetime);
                }
            }
            Regime::NewKillsOld => {
                for index in of_owner {
                    let issued = &mut self.issued[index];
                    issued.access_lives &= !issued.is_good(now);
                }
            }
            _ => {}
        }
        let with_refresh_token = tokens.refresh_token.unwrap_or_else(|| is_of_a_user(request.grant_type()));
        if let (Some(index), true) = (redeemed, with_refresh_token && self.regime != Regime::Unpersisted) {
            self.issued[index].refresh_lives = false;
            self.issued[index].access_lives &= self.regime == Regime::Rotating;
        }
        let number = self.number + 1;
        let access_token = tokens.access_token.clone().unwrap_or_else(|| format!("access-{owner}-{number}"));
        let refresh_token = with_refresh_token.then(|| match redeemed.map(|index| &self.issued[index].refresh_token) {
            Some(Some(redeemed)) if self.regime == Regime::Fixed => redeemed.clone(),
            _ => format!("refresh-{owner}-{number}"),
        });
        let response = tokens.write(&access_token, refresh_token.as_deref(), tokens.lifetime, key.is_some());
        self.add(Issued {
            login: redeemed.and_then(|index| self.issued[index].login),
            owner,
            scope,
            access_token,
            access_lives: true,
            expires_at,
            refresh_lives: refresh_token.is_some(),
            refresh_token,
            resource: request.parameter("resource").map(str::to_owned),
            asked_scope: request.parameter("scope").map(str::to_owned),
            key,
            ..Issued::default()
        });
        (response, format!("token {number}"))
    }

    /// The key that a token request proves, where one is asked for.
    #[cfg(feature = "dpop")]
    fn key_of(&mut self, request: &TokenRequest) -> Result<Option<String>, &'static str> {
        if !self.proofs.required {
            return Ok(None);
        }
        let TokenRequest { uri, headers, .. } = request;
        self.proofs.check(&Proved { method: &Method::POST, uri, headers, token: None }).map(Some)
    }

    #[cfg(not(feature = "dpop"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn key_of(&self, _: &TokenRequest) -> Result<Option<String>, &'static str> {
        Ok(None)
    }

    /// Numbers what is issued, from 1.
    pub(super) fn add(&mut self, issued: Issued) {
        self.number += 1;
        let login = issued.login.or(Some(self.number));
        let index = self.issued.len();
        self.by_owner.entry(issued.owner.clone()).or_default().push(index);
        for token in [Some(&issued.access_token), issued.refresh_token.as_ref()].into_iter().flatten() {
            self.by_token.entry(token.clone()).or_default().push(index);
        }
        self.issued.push(Issued { number: self.number, login, ..issued });
    }

    pub(super) fn next_number(&self) -> usize {
        self.number + 1
    }

    /// RFC 7009 §2.1: either token takes the other one with it, where it is known that they belong together.
    pub(super) fn revoke(&mut self, token: &str) {
        let alone = self.regime == Regime::Unpersisted;
        for index in self.places_of(token) {
            let issued = &mut self.issued[index];
            let is_access = issued.access_token == token;
            issued.access_lives &= alone && !is_access;
            issued.refresh_lives &= alone && is_access;
        }
    }

    /// This access token alone.
    pub(super) fn end_access(&mut self, token: &str) {
        let name = self.name(token);
        self.journal.write(format!("revoked: {name}"));
        for index in self.places_of(token) {
            let issued = &mut self.issued[index];
            issued.access_lives &= issued.access_token != token;
        }
    }

    pub(super) fn is_alive(&self, access_token: &str) -> bool {
        let now = Instant::now();
        self.of(access_token).any(|issued| issued.access_token == access_token && issued.is_good(now))
    }

    /// What was issued with this token, oldest first: as an access token or as a refresh token.
    pub(super) fn of(&self, token: &str) -> impl DoubleEndedIterator<Item = &Issued> {
        self.by_token.get(token).filter(|_| !token.is_empty()).into_iter().flatten().map(|index| &self.issued[*index])
    }

    /// As [`of`](Book::of), their places.
    fn places_of(&self, token: &str) -> Vec<usize> {
        self.by_token.get(token).filter(|_| !token.is_empty()).cloned().unwrap_or_default()
    }

    /// What the journal calls this token.
    pub(super) fn name(&self, token: &str) -> String {
        match self.of(token).next_back() {
            Some(issued) if issued.access_token == token => format!("token {}", issued.number),
            Some(issued) => format!("refresh token {}", issued.number),
            None => "an unknown token".to_owned(),
        }
    }

    /// Where this refresh token stands, if it can be redeemed.
    fn redeemable(&mut self, refresh_token: Option<&str>) -> Option<usize> {
        let mut sent = self.places_of(refresh_token.unwrap_or_default());
        sent.retain(|index| self.issued[*index].refresh_token.as_deref() == refresh_token);
        let redeemable = sent.iter().copied().find(|index| self.issued[*index].refresh_lives);
        if redeemable.is_none() {
            self.spent_again += 1;
            if let (Regime::Rotating, Some(spent)) = (self.regime, sent.first()) {
                let login = self.issued[*spent].login;
                for issued in self.issued.iter_mut().filter(|issued| issued.login == login) {
                    (issued.access_lives, issued.refresh_lives) = (false, false);
                }
            }
        }
        redeemable
    }
}

impl Issued {
    fn is_good(&self, now: Instant) -> bool {
        self.access_lives && self.expires_at.is_none_or(|end| now < end)
    }

    fn again(&self, tokens: &Tokens, lifetime: Option<u64>) -> Written {
        let response = tokens.write(&self.access_token, self.refresh_token.as_deref(), lifetime, self.key.is_some());
        (response, format!("token {} again", self.number))
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

/// A token that names this owner, issued by somebody else.
pub(super) fn subject_token(owner: &str) -> String {
    format!("{SUBJECT}{owner}")
}

fn owner_of(request: &TokenRequest) -> String {
    let named_by = |name| request.parameter(name).and_then(|token| token.strip_prefix(SUBJECT)).unwrap_or("nobody");
    let owner = match request.grant_type() {
        "password" => request.parameter("username").unwrap_or_default(),
        // One client with a scope for each owner.
        "client_credentials" => request.parameter("scope").unwrap_or("client"),
        JWT_BEARER => named_by("assertion"),
        TOKEN_EXCHANGE => named_by("subject_token"),
        _ => request.parameter("owner").unwrap_or("custom"),
    };
    owner.to_owned()
}

fn is_of_a_user(grant_type: &str) -> bool {
    matches!(grant_type, "password" | "refresh_token" | "authorization_code" | DEVICE_CODE)
}

fn refused(code: &str) -> Written {
    (json(StatusCode::BAD_REQUEST, format!(r#"{{"error":"{code}"}}"#)), format!("400 {code}"))
}
