//! The scripted issuer: a token endpoint and a revocation endpoint that know which tokens are alive.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tokio::{sync::watch, time::Instant};
use tower::Service;
use tower_reauth::{ClientAuth, TokenEndpoint};

use super::{
    Answer, Broken,
    answer::{Tokens, What},
};

pub const TOKEN_URI: &str = "https://issuer.example/token";
pub const REVOCATION_URI: &str = "https://issuer.example/revoke";
pub const USERNAME: &str = "alice";
pub const PASSWORD: &str = "correct-horse-battery-staple";
pub const CLIENT_ID: &str = "consumer-key";
pub const CLIENT_SECRET: &str = "consumer-secret-4711";

/// An authorization server. Clones are the same server, each one a client of it.
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

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
}

/// One request that the issuer has seen.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub at: Instant,
    pub headers: HeaderMap,
    pub form: Vec<(String, String)>,
}

struct Shared {
    book: Mutex<Book>,
    arrived: watch::Sender<usize>,
    revocations_arrived: watch::Sender<usize>,
}

#[derive(Default)]
struct Book {
    requests: Vec<TokenRequest>,
    revocations: Vec<TokenRequest>,
    script: VecDeque<Answer>,
    revocation_script: VecDeque<Answer>,
    always: Option<Answer>,
    regime: Regime,
    issued: Vec<Issued>,
    number: usize,
    spent_again: usize,
    running: usize,
    peak: usize,
}

struct Issued {
    owner: String,
    scope: String,
    access_token: String,
    access_lives: bool,
    expires_at: Option<Instant>,
    refresh_token: Option<String>,
    refresh_lives: bool,
}

impl Issuer {
    pub fn new() -> Self {
        let shared = Shared {
            book: Mutex::default(),
            arrived: watch::Sender::new(0),
            revocations_arrived: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The endpoint, with a client that authenticates by Basic, and with the address for revocations.
    pub fn endpoint(&self) -> TokenEndpoint {
        self.endpoint_without_revocation().revocation(REVOCATION_URI).expect("a valid address")
    }

    pub fn endpoint_without_revocation(&self) -> TokenEndpoint {
        TokenEndpoint::new(self.clone(), TOKEN_URI)
            .expect("a valid address")
            .client_auth(ClientAuth::basic(CLIENT_ID, CLIENT_SECRET))
    }

    // The script

    /// Answers the next token request that has no answer yet in this way, once.
    pub fn next(&self, answer: Answer) {
        self.book().script.push_back(answer);
    }

    /// Answers token requests in this way once [`next`](Issuer::next) has nothing left; [`Answer::tokens`] at first.
    pub fn always(&self, answer: Answer) {
        self.book().always = Some(answer);
    }

    /// Answers the next revocation in this way, once; else the token dies, and the answer is a 200.
    pub fn next_revocation(&self, answer: Answer) {
        self.book().revocation_script.push_back(answer);
    }

    pub fn regime(&self, regime: Regime) {
        self.book().regime = regime;
    }

    // The tokens

    /// A refresh token that this owner got elsewhere.
    pub fn mint_refresh_token(&self, owner: &str) -> String {
        let mut book = self.book();
        book.number += 1;
        let token = format!("refresh-{owner}-{}", book.number);
        book.issued.push(Issued {
            owner: owner.to_owned(),
            scope: String::new(),
            access_token: String::new(),
            access_lives: false,
            expires_at: None,
            refresh_token: Some(token.clone()),
            refresh_lives: true,
        });
        token
    }

    /// Takes this access token for a good one from now on.
    pub fn accept(&self, token: &str) {
        self.book().issued.push(Issued {
            owner: "accepted".to_owned(),
            scope: String::new(),
            access_token: token.to_owned(),
            access_lives: true,
            expires_at: None,
            refresh_token: None,
            refresh_lives: false,
        });
    }

    /// Kills this access token; its refresh token lives on.
    pub fn revoke(&self, token: &str) {
        for issued in self.book().issued.iter_mut().filter(|issued| issued.access_token == token) {
            issued.access_lives = false;
        }
    }

    /// Kills all access tokens; the refresh tokens live on.
    pub fn revoke_all(&self) {
        self.book().issued.iter_mut().for_each(|issued| issued.access_lives = false);
    }

    /// Kills all refresh tokens; the access tokens live on.
    pub fn revoke_refresh_tokens(&self) {
        self.book().issued.iter_mut().for_each(|issued| issued.refresh_lives = false);
    }

    /// Whether a resource server should take this access token now.
    pub fn is_alive(&self, token: &str) -> bool {
        let now = Instant::now();
        let lives = |issued: &Issued| issued.access_lives && issued.expires_at.is_none_or(|end| now < end);
        self.book().issued.iter().any(|issued| issued.access_token == token && lives(issued))
    }

    /// Whether this refresh token could be redeemed now.
    pub fn is_redeemable(&self, token: &str) -> bool {
        self.book().issued.iter().any(|issued| issued.refresh_token.as_deref() == Some(token) && issued.refresh_lives)
    }

    /// Whose access token this is, or was.
    pub fn owner_of(&self, token: &str) -> Option<String> {
        self.book().issued.iter().find(|issued| issued.access_token == token).map(|issued| issued.owner.clone())
    }

    /// All access tokens that were ever issued, oldest first.
    pub fn access_tokens(&self) -> Vec<String> {
        let book = self.book();
        book.issued.iter().map(|issued| issued.access_token.clone()).filter(|token| !token.is_empty()).collect()
    }

    /// The access token that was issued last.
    pub fn last_access_token(&self) -> String {
        self.access_tokens().pop().expect("a token was issued")
    }

    /// The refresh token that was issued last.
    pub fn last_refresh_token(&self) -> String {
        let book = self.book();
        book.issued.iter().rev().find_map(|issued| issued.refresh_token.clone()).expect("a refresh token was issued")
    }

    // What was seen

    /// How many token requests there were, of all grant types.
    pub fn token_requests(&self) -> usize {
        self.book().requests.len()
    }

    /// How many token requests of this grant type there were.
    pub fn token_requests_of(&self, grant_type: &str) -> usize {
        let book = self.book();
        book.requests.iter().filter(|request| request.parameter("grant_type") == Some(grant_type)).count()
    }

    /// The most token requests that were under way at one time.
    pub fn peak(&self) -> usize {
        self.book().peak
    }

    /// How many times a refresh token was sent that had been spent, had been revoked, or never was one.
    pub fn dead_refresh_tokens(&self) -> usize {
        self.book().spent_again
    }

    pub fn requests(&self) -> Vec<TokenRequest> {
        self.book().requests.clone()
    }

    pub fn last_request(&self) -> TokenRequest {
        self.book().requests.last().cloned().expect("there was a token request")
    }

    pub fn revocations(&self) -> Vec<TokenRequest> {
        self.book().revocations.clone()
    }

    /// Waits until so many token requests have come, in all.
    pub async fn arrived(&self, count: usize) {
        self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.expect("the sender is held");
    }

    /// Waits until so many revocations have come, in all.
    pub async fn revocations_arrived(&self, count: usize) {
        let mut arrived = self.shared.revocations_arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= count).await.expect("the sender is held");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().expect("nothing panics under the lock")
    }

    async fn serve(self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Broken> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body in memory").to_bytes();
        let form = form_urlencoded::parse(&body).into_owned().collect();
        let request = TokenRequest { at: Instant::now(), headers: head.headers, form };
        if head.uri == REVOCATION_URI {
            return self.serve_revocation(request).await;
        }
        let answer = {
            let mut book = self.book();
            book.requests.push(request.clone());
            book.running += 1;
            book.peak = book.peak.max(book.running);
            book.script.pop_front().or_else(|| book.always.clone()).unwrap_or_else(Answer::tokens)
        };
        let _running = Running { issuer: &self };
        self.shared.arrived.send_modify(|arrived| *arrived += 1);
        answer.before.pass().await;
        let response = match &answer.what {
            What::Tokens(tokens) => Ok(self.book().answer(tokens, &request)),
            What::LostTokens(tokens) => {
                self.book().answer(tokens, &request);
                Err(Broken)
            }
            What::Fixed { .. } => Ok(fixed(&answer.what)),
            What::Broken => Err(Broken),
            What::Panic => panic!("as the script says"),
            What::Never => std::future::pending().await,
        };
        answer.between.pass().await;
        response
    }

    async fn serve_revocation(self, request: TokenRequest) -> Result<Response<Full<Bytes>>, Broken> {
        let answer = {
            let mut book = self.book();
            book.revocations.push(request.clone());
            book.revocation_script.pop_front()
        };
        self.shared.revocations_arrived.send_modify(|arrived| *arrived += 1);
        if let Some(answer) = &answer {
            answer.before.pass().await;
        }
        let response = match answer.as_ref().map(|answer| &answer.what) {
            None | Some(What::Tokens(_) | What::LostTokens(_)) => {
                self.book().revoke(request.parameter("token").unwrap_or_default());
                Ok(Response::new(Full::default()))
            }
            Some(what @ What::Fixed { .. }) => Ok(fixed(what)),
            Some(What::Broken) => Err(Broken),
            Some(What::Panic) => panic!("as the script says"),
            Some(What::Never) => std::future::pending().await,
        };
        if let Some(answer) = &answer {
            answer.between.pass().await;
        }
        response
    }
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
    fn answer(&mut self, tokens: &Tokens, request: &TokenRequest) -> Response<Full<Bytes>> {
        let (mut owner, mut scope) = match request.grant_type() {
            "password" => (request.parameter("username").unwrap_or_default(), request.parameter("scope")),
            // One client with a scope for each owner.
            "client_credentials" => (request.parameter("scope").unwrap_or("client"), request.parameter("scope")),
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
        if let (Some(index), true) = (redeemed, with_refresh_token) {
            self.issued[index].refresh_lives = false;
            self.issued[index].access_lives = false;
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
        });
        response
    }

    /// RFC 7009 §2.1: either token takes the other one with it.
    fn revoke(&mut self, token: &str) {
        for issued in &mut self.issued {
            if issued.access_token == token || issued.refresh_token.as_deref() == Some(token) {
                issued.access_lives = false;
                issued.refresh_lives = false;
            }
        }
    }
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

impl Service<Request<Full<Bytes>>> for Issuer {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}

struct Running<'a> {
    issuer: &'a Issuer,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.issuer.book().running -= 1;
    }
}

fn fixed(what: &What) -> Response<Full<Bytes>> {
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
