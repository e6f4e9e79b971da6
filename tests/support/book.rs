//! The issuer's book: which tokens were issued, which are alive, and what new ones do to the older ones.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::time::Instant;

use super::{
    Answer,
    answer::{Tokens, What},
};

/// What becomes of the older tokens of the same owner and scope when new ones are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Regime {
    /// They die: WSO2's rule for JWT tokens.
    #[default]
    NewKillsOld,
    /// There are no new ones while the old ones live: WSO2's rule for opaque tokens.
    SameAgain,
    /// They live on.
    Beside,
    /// They live on, and after a refresh as well; a revocation ends one token: WSO2's rule for JWT tokens that it does not
    /// persist.
    Unpersisted,
    /// They live on, and each refresh token is good for one use: one that comes again ends the whole login.
    Rotating,
}

/// One request that the issuer has seen.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub at: Instant,
    pub headers: HeaderMap,
    pub form: Vec<(String, String)>,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) requests: Vec<TokenRequest>,
    pub(super) revocations: Vec<TokenRequest>,
    pub(super) script: VecDeque<Answer>,
    pub(super) revocation_script: VecDeque<Answer>,
    pub(super) always: Option<Answer>,
    /// By grant type.
    pub(super) always_to: BTreeMap<String, Answer>,
    pub(super) regime: Regime,
    pub(super) issued: Vec<Issued>,
    pub(super) number: usize,
    pub(super) spent_again: usize,
    pub(super) running: usize,
    pub(super) peak: usize,
}

pub(super) struct Issued {
    pub(super) owner: String,
    pub(super) scope: String,
    /// What its request asked for.
    pub(super) resource: Option<String>,
    pub(super) asked_scope: Option<String>,
    pub(super) access_token: String,
    pub(super) access_lives: bool,
    pub(super) expires_at: Option<Instant>,
    pub(super) refresh_token: Option<String>,
    pub(super) refresh_lives: bool,
}

impl TokenRequest {
    /// The first parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn grant_type(&self) -> &str {
        self.parameter("grant_type").unwrap_or_default()
    }

    /// The `Authorization` header, as text.
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION).map(|value| value.to_str().expect("a text"))
    }
}

impl Book {
    /// What the script says of this token request.
    pub(super) fn next_answer(&mut self, grant_type: &str) -> Answer {
        let scripted = self.script.pop_front().or_else(|| self.always_to.get(grant_type).cloned());
        scripted.or_else(|| self.always.clone()).unwrap_or_else(Answer::tokens)
    }

    pub(super) fn answer(&mut self, tokens: &Tokens, request: &TokenRequest) -> Response<Full<Bytes>> {
        let (mut owner, mut scope) = match request.grant_type() {
            "password" => (request.parameter("username").unwrap_or_default(), request.parameter("scope")),
            // One client with a scope for each owner.
            "client_credentials" => (request.parameter("scope").unwrap_or("client"), request.parameter("scope")),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                (named_by(request, "assertion"), request.parameter("scope"))
            }
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                (named_by(request, "subject_token"), request.parameter("scope"))
            }
            _ => (request.parameter("owner").unwrap_or("custom"), request.parameter("scope")),
        };
        let mut redeemed = None;
        if request.grant_type() == "refresh_token" {
            let sent = request.parameter("refresh_token");
            redeemed = self
                .issued
                .iter()
                .position(|issued| issued.refresh_lives && issued.refresh_token.as_deref() == sent && sent.is_some());
            let Some(index) = redeemed else {
                self.spent_again += 1;
                if self.regime == Regime::Rotating {
                    self.end_login_of(sent);
                }
                return json(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned());
            };
            (owner, scope) = (&self.issued[index].owner, Some(self.issued[index].scope.as_str()));
        }
        let (owner, scope) = (owner.to_owned(), scope.unwrap_or_default().to_owned());
        let now = Instant::now();
        let same = |issued: &Issued| {
            issued.owner == owner
                && issued.scope == scope
                && issued.access_lives
                && issued.expires_at.is_none_or(|end| now < end)
        };
        if self.regime == Regime::SameAgain
            && redeemed.is_none()
            && let Some(issued) = self.issued.iter().find(|issued| same(issued))
        {
            let left = issued.expires_at.map(|end| (end - now).as_secs());
            return tokens.write(&issued.access_token, issued.refresh_token.as_deref(), left);
        }
        if self.regime == Regime::NewKillsOld {
            for issued in self.issued.iter_mut().filter(|issued| same(issued)) {
                issued.access_lives = false;
            }
        }
        self.number += 1;
        let with_refresh_token =
            tokens.refresh_token.unwrap_or(matches!(request.grant_type(), "password" | "refresh_token"));
        if let (Some(index), true) = (redeemed, with_refresh_token && self.regime != Regime::Unpersisted) {
            self.issued[index].refresh_lives = false;
            self.issued[index].access_lives &= self.regime == Regime::Rotating;
        }
        let access_token = tokens.access_token.clone().unwrap_or_else(|| format!("access-{owner}-{}", self.number));
        let refresh_token = with_refresh_token.then(|| format!("refresh-{owner}-{}", self.number));
        let response = tokens.write(&access_token, refresh_token.as_deref(), tokens.lifetime);
        self.issued.push(Issued {
            owner,
            scope,
            access_token,
            access_lives: true,
            expires_at: tokens.lifetime.map(|seconds| now + Duration::from_secs(seconds)),
            refresh_lives: refresh_token.is_some(),
            refresh_token,
            resource: request.parameter("resource").map(str::to_owned),
            asked_scope: request.parameter("scope").map(str::to_owned),
        });
        response
    }

    fn end_login_of(&mut self, refresh_token: Option<&str>) {
        let spent = self.issued.iter().find(|issued| issued.refresh_token.as_deref() == refresh_token);
        let Some(owner) = spent.map(|issued| issued.owner.clone()) else { return };
        for issued in self.issued.iter_mut().filter(|issued| issued.owner == owner) {
            (issued.access_lives, issued.refresh_lives) = (false, false);
        }
    }

    /// RFC 7009 §2.1: either token takes the other one with it, where it is known that they belong together.
    pub(super) fn revoke(&mut self, token: &str) {
        let alone = self.regime == Regime::Unpersisted;
        for issued in &mut self.issued {
            let is_access = issued.access_token == token;
            if is_access || issued.refresh_token.as_deref() == Some(token) {
                issued.access_lives &= alone && !is_access;
                issued.refresh_lives &= alone && is_access;
            }
        }
    }
}

/// A token that names this owner, issued by somebody else.
pub fn subject(owner: &str) -> String {
    format!("subject-token-of-{owner}")
}

fn named_by<'a>(request: &'a TokenRequest, name: &str) -> &'a str {
    request.parameter(name).and_then(|token| token.strip_prefix("subject-token-of-")).unwrap_or("nobody")
}

impl Tokens {
    fn write(&self, access_token: &str, refresh_token: Option<&str>, lifetime: Option<u64>) -> Response<Full<Bytes>> {
        let mut answer = serde_json::Map::new();
        answer.insert("access_token".to_owned(), access_token.into());
        let text = [("token_type", self.token_type.as_deref()), ("refresh_token", refresh_token)];
        for (name, value) in text {
            answer.extend(value.map(|value| (name.to_owned(), value.into())));
        }
        answer.extend(lifetime.map(|seconds| ("expires_in".to_owned(), seconds.into())));
        answer.extend(self.members.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        json(StatusCode::OK, serde_json::Value::Object(answer).to_string())
    }
}

/// The response that an answer by `status` or `error` stands for.
pub(super) fn fixed(what: &What) -> Response<Full<Bytes>> {
    let What::Fixed { status, headers, body } = what else { return Response::default() };
    let mut response = Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::from(body.clone())).expect("valid headers")
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    fixed(&What::Fixed { status, headers: vec![("content-type".to_owned(), "application/json".to_owned())], body })
}
