//! The scripted issuer: a token endpoint and a revocation endpoint that know which tokens are alive.

#[cfg(feature = "dpop")]
mod proofs;
mod seen;
mod tokens;

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::{sync::watch, time::Instant};
use tower_service::Service;

use super::{
    answer::{Answer, What},
    book::{Book, Regime},
    server::{Power, Server, broken},
    token_request::TokenRequest,
};
use crate::endpoint::{ClientAuth, TokenEndpoint};

/// An authorization server that believes everybody. Clones are the same server.
///
/// 1. As a tower service it needs no network: [`endpoint`](Issuer::endpoint) is a [`TokenEndpoint`] that leads to it.
///    [`serve`](Issuer::serve) puts the same server on a loopback socket.
/// 2. A POST whose path ends in `/revoke` is a revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). Whatever else
///    comes is a token request.
/// 3. It checks no password and no client. Refresh tokens it does check: one that is not alive gets `invalid_grant`.
/// 4. Tokens belong to an owner: the `username` of a password, the `scope` of client credentials, whom a
///    [`subject_token`](Issuer::subject_token) names, else the parameter `owner`. What new ones do to the older ones of the same
///    owner and scope is the [`Regime`].
/// 5. Tokens live by tokio's clock. Nothing is random: a script that runs again gets the same tokens and the same
///    [`journal`](Issuer::journal).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
/// use tower_reauth::{PasswordGrant, Session, testing::{Answer, Issuer}};
///
/// let issuer = Issuer::new();
/// issuer.next(Answer::error(400, "invalid_grant"));
/// let session = Session::new(PasswordGrant::new(issuer.endpoint(), "alice", "wrong"));
///
/// assert!(session.token().await.is_err());
/// session.login(PasswordGrant::new(issuer.endpoint(), "alice", "right"));
/// session.token().await?;
/// assert!(issuer.is_alive(&issuer.last_access_token()));
/// assert_eq!(issuer.token_requests_of("password"), 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    book: Mutex<Book>,
    power: Power,
    arrived: watch::Sender<usize>,
    revocations_arrived: watch::Sender<usize>,
}

impl Issuer {
    /// Where [`endpoint`](Issuer::endpoint) sends token requests.
    pub const TOKEN_URI: &'static str = "https://issuer.example/token";
    /// Where [`endpoint`](Issuer::endpoint) sends revocations.
    pub const REVOCATION_URI: &'static str = "https://issuer.example/revoke";
    /// The client that [`endpoint`](Issuer::endpoint) is.
    pub const CLIENT_ID: &'static str = "consumer-key";
    /// Its secret.
    pub const CLIENT_SECRET: &'static str = "consumer-secret-4711";

    /// An issuer that has issued nothing, with the default [`Regime`].
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            book: Mutex::new(Book::new()),
            power: Power::on(),
            arrived: watch::Sender::new(0),
            revocations_arrived: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// An endpoint that leads to this issuer without a network, with the address for revocations, and with a client that
    /// authenticates by Basic.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the addresses are constants")]
    pub fn endpoint(&self) -> TokenEndpoint {
        let endpoint = TokenEndpoint::new(self.clone(), Self::TOKEN_URI);
        let endpoint = endpoint.and_then(|endpoint| endpoint.revocation(Self::REVOCATION_URI));
        endpoint.expect("valid addresses").client_auth(ClientAuth::basic(Self::CLIENT_ID, Self::CLIENT_SECRET))
    }

    /// Serves this issuer on a free port of the loopback interface, with HTTP/1.1 and HTTP/2 in the clear, until the
    /// [`Server`] is dropped: `server.url("/token")` for tokens, `server.url("/revoke")` for revocations.
    ///
    /// # Errors
    /// If there is no free port.
    ///
    /// # Cancel safety
    /// May be dropped at any point; then nothing is served.
    pub async fn serve(&self) -> io::Result<Server> {
        Server::start(self.clone(), self.shared.power.clone()).await
    }

    // The script

    /// Answers the next token request that has no answer yet in this way, once.
    pub fn next(&self, answer: Answer) {
        self.book().script.push_back(answer);
    }

    /// Answers token requests in this way once [`next`](Issuer::next) has nothing left; [`Answer::tokens`] at first.
    pub fn always(&self, answer: Answer) {
        self.book().always = answer;
    }

    /// As [`always`](Issuer::always), and before it, for one grant type.
    pub fn always_to(&self, grant_type: &str, answer: Answer) {
        self.book().always_to.insert(grant_type.to_owned(), answer);
    }

    /// Answers the next revocation in this way, once; else the token dies, and the answer is a 200.
    pub fn next_revocation(&self, answer: Answer) {
        self.book().revocation_script.push_back(answer);
    }

    /// Sets what becomes of older tokens from now on.
    pub fn regime(&self, regime: Regime) {
        self.book().regime = regime;
    }

    /// Ends every connection, and refuses new ones until [`come_up`](Issuer::come_up). In memory, every request fails with
    /// [`io::ErrorKind::ConnectionRefused`].
    pub fn go_down(&self) {
        self.book().journal.write("the issuer goes down");
        self.shared.power.set(false);
    }

    /// Answers again after [`go_down`](Issuer::go_down), at the same address; over a socket, from the next connection on.
    pub fn come_up(&self) {
        self.book().journal.write("the issuer comes up");
        self.shared.power.set(true);
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer<B>(&self, request: Request<B>) -> io::Result<Response<Full<Bytes>>>
    where
        B: Body<Error: fmt::Debug>,
    {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| broken())?.to_bytes();
        let form = form_urlencoded::parse(&body).into_owned().collect();
        let request = TokenRequest { at: Instant::now(), uri: head.uri, headers: head.headers, form };
        let is_revocation = request.uri.path().ends_with("/revoke");
        let (answer, index) = if is_revocation {
            let mut book = self.book();
            book.revocations.push(request.clone());
            let token = book.name(request.parameter("token").unwrap_or_default());
            let index = book.journal.write(format!("revocation of {token}"));
            (book.revocation_script.pop_front().unwrap_or_else(Answer::tokens), index)
        } else {
            self.book().comes(&request)
        };
        let _running = (!is_revocation).then(|| Running { issuer: self });
        let arrived = if is_revocation { &self.shared.revocations_arrived } else { &self.shared.arrived };
        arrived.send_modify(|arrived| *arrived += 1);
        answer.before.pass().await;
        let (response, told) = match &answer.what {
            What::Tokens(_) | What::LostTokens(_) if is_revocation => {
                self.book().revoke(request.parameter("token").unwrap_or_default());
                (Ok(Response::new(Full::default())), "200".to_owned())
            }
            What::Tokens(tokens) => {
                let (response, told) = self.book().answer(tokens, &request);
                (Ok(response), told)
            }
            What::LostTokens(tokens) => {
                let (_, told) = self.book().answer(tokens, &request);
                (Err(broken()), format!("{told}, lost"))
            }
            What::Fixed(fixed) => (Ok(fixed.response()), fixed.status.as_str().to_owned()),
            What::Broken => (Err(broken()), "broken".to_owned()),
            What::Panic => {
                self.book().journal.answer(index, "panicked");
                panic!("as the script says")
            }
            What::Never => std::future::pending().await,
        };
        self.book().journal.answer(index, told);
        answer.between.pass().await;
        #[cfg(feature = "dpop")]
        let response = response.map(|response| self.stamped(response));
        response
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Issuer
where
    B: Body<Data: Send, Error: fmt::Debug> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Full<Bytes>>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.shared.power.serve(this.answer(request)).await })
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
