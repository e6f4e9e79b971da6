//! The issuer: token and revocation endpoint of one world, which delays, fails, loses answers, rotates, and restarts.

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use tower::Service;
use tower_reauth::ErrorKind;

use crate::{
    oracle,
    script::{Pair, Regime, Script, State},
};

pub(crate) const TOKEN_URI: &str = "https://issuer.example/token";
pub(crate) const REVOCATION_URI: &str = "https://issuer.example/revoke";

#[derive(Clone)]
pub(crate) struct Issuer(pub(crate) Script);

/// The connection broke.
#[derive(Debug)]
pub(crate) struct Broken;

/// What a token request asks for, as the wire shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// With the refresh token of this pair.
    Refresh(usize),
    /// With the login's own credential.
    Own,
}

/// What the issuer makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Tokens {
        pair: usize,
        life: Option<u64>,
        refreshes: bool,
    },
    /// `invalid_grant`.
    Refused,
    /// `invalid_client`.
    Objected,
    Unavailable,
    /// 429 or 503, with or without `Retry-After`.
    Held {
        retry_after: Option<u64>,
    },
    Broken,
    Panicked,
}

/// Sees that an exchange is carried through (invariant 3).
struct Exchange {
    script: Script,
    login: usize,
    asked: Asked,
    done: bool,
}

impl Service<Request<Full<Bytes>>> for Issuer {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let is_token = *request.uri() == TOKEN_URI;
        let body: Result<_, Infallible> = request.into_body().collect().now_or_never().expect("a body at hand");
        let body = body.expect("infallible").to_bytes();
        let form: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
        let parameter = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let script = self.0.clone();
        if !is_token {
            return Box::pin(revoke(script, parameter("token").unwrap_or_default()));
        }
        let login = parameter("login").and_then(|login| login.parse().ok()).expect("the login's number");
        let asked = match parameter("refresh_token") {
            Some(token) => Asked::Refresh(number(&token)),
            None => Asked::Own,
        };
        oracle::token_request(&mut script.lock(), login, asked);
        Box::pin(Exchange { script, login, asked, done: false }.run())
    }
}

impl Exchange {
    async fn run(mut self) -> Result<Response<Full<Bytes>>, Broken> {
        let (breaks, restart) = oneshot::channel();
        self.script.lock().exchanges.push(breaks);
        let outcome = {
            let decide = pin!(decide(&self.script, self.login, self.asked));
            match select(decide, restart).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => Outcome::Broken,
            }
        };
        self.done = true;
        let mut state = self.script.lock();
        oracle::token_answer(&mut state, self.login, self.asked, outcome);
        match outcome {
            Outcome::Tokens { pair, life, refreshes } => {
                let life = life.map(|life| format!(r#","expires_in":{life}"#)).unwrap_or_default();
                let refresh = if refreshes { format!(r#","refresh_token":"r{pair}""#) } else { String::new() };
                Ok(json(200, format!(r#"{{"access_token":"t{pair}","token_type":"Bearer"{life}{refresh}}}"#)))
            }
            Outcome::Refused => Ok(json(400, r#"{"error":"invalid_grant"}"#.to_owned())),
            Outcome::Objected => Ok(json(401, r#"{"error":"invalid_client"}"#.to_owned())),
            // A server in trouble says things that must not be believed.
            Outcome::Unavailable => Ok(json(500, r#"{"error":"invalid_grant"}"#.to_owned())),
            Outcome::Held { retry_after } => {
                let mut response = json(if state.rng.bool() { 429 } else { 503 }, String::new());
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert("retry-after", seconds.into());
                }
                Ok(response)
            }
            Outcome::Broken => Err(Broken),
            Outcome::Panicked => {
                drop(state);
                // Says nothing on standard error.
                std::panic::resume_unwind(Box::new("as the script says"))
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.done {
            oracle::token_request_dropped(&mut self.script.lock(), self.login, self.asked);
        }
    }
}

async fn decide(script: &Script, login: usize, asked: Asked) -> Outcome {
    let (before, after) = {
        let mut state = script.lock();
        let most = state.temper.issuer_delay;
        let before = state.rng.u64(..=most);
        (before, state.rng.u64(..=most))
    };
    wait(before).await;
    let outcome = {
        let mut state = script.lock();
        let temper = state.temper.clone();
        if state.chance(temper.hangs) {
            None
        } else if state.chance(temper.panics) {
            Some(Outcome::Panicked)
        } else if state.chance(temper.breaks) {
            Some(Outcome::Broken)
        } else if state.chance(temper.fails) {
            Some(Outcome::Unavailable)
        } else if state.chance(temper.holds) {
            let retry_after = if state.rng.bool() { Some(state.rng.u64(1..40)) } else { None };
            Some(Outcome::Held { retry_after })
        } else if state.chance(temper.objects) {
            Some(Outcome::Objected)
        } else {
            let outcome = state.serve(login, asked);
            // Committed, and the connection breaks before the client knows.
            Some(if state.chance(temper.loses) { Outcome::Broken } else { outcome })
        }
    };
    let Some(outcome) = outcome else { return pending().await };
    wait(after).await;
    outcome
}

async fn revoke(script: Script, token: String) -> Result<Response<Full<Bytes>>, Broken> {
    let delay = {
        let mut state = script.lock();
        state.note(|| format!("revocation of {token}"));
        let pair = number(&token);
        if token.starts_with('t') {
            state.pairs[pair].given_back = true;
        }
        let most = state.temper.issuer_delay;
        state.rng.u64(..=most)
    };
    wait(delay).await;
    let mut state = script.lock();
    let temper = state.temper.clone();
    if state.chance(temper.breaks) {
        return Err(Broken);
    }
    if state.chance(temper.holds) {
        return Ok(json(503, String::new()));
    }
    let alone = temper.regime == Regime::Unpersisted;
    let pair = &mut state.pairs[number(&token)];
    pair.lives &= alone && token.starts_with('r');
    pair.refreshes &= alone && token.starts_with('t');
    Ok(json(200, String::new()))
}

impl State {
    /// Does what a healthy issuer does.
    fn serve(&mut self, login: usize, asked: Asked) -> Outcome {
        let owner = self.logins[login].owner;
        match asked {
            Asked::Refresh(pair) if !self.pairs[pair].refreshes => return Outcome::Refused,
            Asked::Refresh(_) if self.temper.regime == Regime::Unpersisted => return self.issue(owner, true),
            Asked::Refresh(pair) if self.temper.rotates => {
                (self.pairs[pair].refreshes, self.pairs[pair].lives) = (false, false);
                return self.issue(owner, true);
            }
            Asked::Refresh(_) => return self.issue(owner, false),
            Asked::Own if !self.passwords[owner] => return Outcome::Refused,
            Asked::Own => {}
        }
        let now = Instant::now();
        if self.temper.regime == Regime::SameAgain {
            let left = |pair: &Pair| pair.expires.map(|end| end.saturating_duration_since(now).as_secs());
            let held = self
                .pairs
                .iter()
                .position(|pair| pair.owner == owner && pair.lives && left(pair).is_none_or(|seconds| seconds > 0));
            if let Some(pair) = held {
                let (life, refreshes) = (left(&self.pairs[pair]), self.pairs[pair].refreshes);
                return Outcome::Tokens { pair, life, refreshes };
            }
        }
        let refreshes = self.logins[login].kind != crate::script::Kind::Client;
        self.issue(owner, refreshes)
    }

    /// Another device of the same user may ask, too.
    pub(crate) fn issue(&mut self, owner: usize, refreshes: bool) -> Outcome {
        if self.temper.regime == Regime::NewKillsOld {
            let kills_refresh = self.temper.kills_refresh;
            for pair in self.pairs.iter_mut().filter(|pair| pair.owner == owner) {
                pair.refreshes &= !kills_refresh || !pair.lives;
                pair.lives = false;
            }
        }
        let life = self.temper.lifetime;
        let expires = life.map(|life| Instant::now() + Duration::from_secs(life));
        self.pairs.push(Pair { owner, lives: true, refreshes, expires, given_back: false });
        Outcome::Tokens { pair: self.pairs.len() - 1, life, refreshes }
    }
}

impl Outcome {
    /// The kind of error that a flight ends with.
    pub(crate) fn kind(self) -> Option<ErrorKind> {
        match self {
            Self::Tokens { .. } | Self::Panicked => None,
            Self::Refused => Some(ErrorKind::Refused),
            Self::Objected => Some(ErrorKind::Misconfigured),
            Self::Unavailable | Self::Held { .. } => Some(ErrorKind::Unavailable),
            Self::Broken => Some(ErrorKind::Transport),
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection broke")
    }
}

impl std::error::Error for Broken {}

pub(crate) async fn wait(milliseconds: u64) {
    if milliseconds > 0 {
        sleep(Duration::from_millis(milliseconds)).await;
    }
}

pub(crate) fn number(token: &str) -> usize {
    token.get(1..).and_then(|number| number.parse().ok()).expect("a token of this issuer")
}

pub(crate) fn json(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status.try_into().expect("a valid status");
    response
}
