//! The scripted issuer: a token endpoint and a revocation endpoint that know which tokens are alive.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::{sync::watch, time::Instant};
use tower::Service;
use tower_reauth::{ClientAuth, TokenEndpoint};

use super::{
    Answer, Broken,
    answer::What,
    book::{Book, Issued, Regime, TokenRequest, fixed},
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

struct Shared {
    book: Mutex<Book>,
    arrived: watch::Sender<usize>,
    revocations_arrived: watch::Sender<usize>,
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

    /// As [`always`](Issuer::always), and before it, for one grant type.
    pub fn always_to(&self, grant_type: &str, answer: Answer) {
        self.book().always_to.insert(grant_type.to_owned(), answer);
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
            resource: None,
            asked_scope: None,
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
            resource: None,
            asked_scope: None,
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

    /// The resource that this access token was asked for with.
    pub fn resource_of(&self, token: &str) -> Option<String> {
        self.book().issued.iter().find(|issued| issued.access_token == token)?.resource.clone()
    }

    /// The scope that this access token was asked for with.
    pub fn scope_of(&self, token: &str) -> Option<String> {
        self.book().issued.iter().find(|issued| issued.access_token == token)?.asked_scope.clone()
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
            book.next_answer(request.grant_type())
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
