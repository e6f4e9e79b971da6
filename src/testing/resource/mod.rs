//! The scripted resource server: takes the tokens that are alive, rejects the others, and writes down what it gets.

mod seen;

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use http_body::Body;
use http_body_util::Full;
use tokio::sync::watch;
use tower_service::Service;

use super::{
    bearer::{rejection, token_in},
    gate::Gate,
    issuer::Issuer,
    seen::Seen,
    server::{Power, Server, broken},
};
use crate::scheme::Scheme;

/// An API that takes the living tokens of an [`Issuer`] and rejects all others. Clones are the same server.
///
/// 1. It is a tower service for requests with any body. [`serve`](Resource::serve) puts it on a loopback socket.
/// 2. A living token gets a 200 with the body `accepted`, anything else a 401 with `error="invalid_token"` and the body
///    `rejected`, until a rule says otherwise.
/// 3. Rules are for places. A place is the start of a path (`/orders`) or of a whole URI (`https://other.example`, in memory
///    only). The rule that was set last wins.
/// 4. For a server that says more, put [`Issuer::guard`] in front of one of your own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_reauth::{Origins, PasswordGrant, ReauthLayer, Session, testing::{Issuer, Resource}};
///
/// let issuer = Issuer::new();
/// let resource = Resource::new(&issuer);
/// let session = Session::new(PasswordGrant::new(issuer.endpoint(), "alice", "password"));
/// let layer = ReauthLayer::new(session, Origins::only("https://api.example")?);
/// let api = ServiceBuilder::new().layer(layer).service(resource.clone());
///
/// let request = || Request::get("https://api.example/orders").body(Full::<Bytes>::default());
/// assert_eq!(api.clone().oneshot(request()?).await?.status(), 200);
/// issuer.revoke_all();
/// assert_eq!(api.oneshot(request()?).await?.status(), 200);
///
/// let journal: Vec<_> = issuer.journal().iter().map(ToString::to_string).collect();
/// assert_eq!(journal, [
///     "password: token 1",
///     "GET /orders, token 1: 200",
///     "revoked: all tokens",
///     "GET /orders, token 1: 401",
///     "refresh token 1 redeemed: token 2",
///     "GET /orders, token 2: 200",
/// ]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Resource {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: Issuer,
    book: Mutex<Book>,
    power: Power,
    arrived: watch::Sender<usize>,
}

struct Book {
    header: HeaderName,
    scheme: Scheme,
    seen: Vec<Seen>,
    script: VecDeque<Make>,
    rules: Vec<(String, Rule)>,
    gates: Vec<(String, Gate)>,
    delays: Vec<(String, Duration)>,
    audiences: Vec<(String, String)>,
    rejection: Make,
    acceptance: Make,
}

type Make = Arc<dyn Fn() -> Response<Full<Bytes>> + Send + Sync>;

#[derive(Clone)]
enum Rule {
    Fixed(Make),
    Break,
    Judge,
}

impl Resource {
    /// A server that takes the tokens of this issuer.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        let book = Book {
            header: AUTHORIZATION,
            scheme: Scheme::default(),
            seen: Vec::new(),
            script: VecDeque::new(),
            rules: Vec::new(),
            gates: Vec::new(),
            delays: Vec::new(),
            audiences: Vec::new(),
            rejection: Arc::new(|| rejection(Full::from("rejected"))),
            acceptance: Arc::new(|| Response::new(Full::from("accepted"))),
        };
        let shared = Shared {
            issuer: issuer.clone(),
            book: Mutex::new(book),
            power: Power::on(),
            arrived: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Serves this server on a free port of the loopback interface, with HTTP/1.1 and HTTP/2 in the clear, until the
    /// [`Server`] is dropped.
    ///
    /// # Errors
    /// If there is no free port.
    ///
    /// # Cancel safety
    /// May be dropped at any point; then nothing is served.
    pub async fn serve(&self) -> io::Result<Server> {
        Server::start(self.clone(), self.shared.power.clone()).await
    }

    /// Answers the next request in this way, once, wherever it goes and whatever its token.
    pub fn next(&self, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().script.push_back(Arc::new(make));
    }

    /// Rejects with this response; at first a 401 with `invalid_token` and the body `rejected`.
    pub fn reject_with(&self, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().rejection = Arc::new(make);
    }

    /// Accepts with this response; at first a 200 with the body `accepted`.
    pub fn accept_with(&self, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().acceptance = Arc::new(make);
    }

    /// Answers at this place with this status and no body, whatever the token.
    ///
    /// # Panics
    /// If `status` is not between 100 and 999.
    pub fn answer(&self, place: &str, status: u16) {
        let status = StatusCode::from_u16(status).expect("a status is between 100 and 999");
        self.answer_with(place, move || {
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            response
        });
    }

    /// Answers at this place with this response, whatever the token.
    pub fn answer_with(&self, place: &str, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().rules.push((place.to_owned(), Rule::Fixed(Arc::new(make))));
    }

    /// Rejects at this place, whatever the token.
    pub fn reject_at(&self, place: &str) {
        let mut book = self.book();
        let make = book.rejection.clone();
        book.rules.push((place.to_owned(), Rule::Fixed(make)));
    }

    /// Breaks the connection at this place.
    pub fn break_at(&self, place: &str) {
        self.book().rules.push((place.to_owned(), Rule::Break));
    }

    /// Judges by the token at this place again.
    pub fn judge_at(&self, place: &str) {
        self.book().rules.push((place.to_owned(), Rule::Judge));
    }

    /// Holds the requests to this place at the gate. They are written down when they come, and judged when they go on.
    pub fn hold(&self, place: &str, gate: &Gate) {
        self.book().gates.push((place.to_owned(), gate.clone()));
    }

    /// Sits on the requests to this place for this long before it judges them.
    pub fn delay(&self, place: &str, time: Duration) {
        self.book().delays.push((place.to_owned(), time));
    }

    /// Takes at this place only tokens that were asked for with this `resource`
    /// ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)).
    pub fn only_for(&self, place: &str, resource: &str) {
        self.book().audiences.push((place.to_owned(), resource.to_owned()));
    }

    /// Reads the token from another header than `Authorization`.
    pub fn header(&self, name: HeaderName) {
        self.book().header = name;
    }

    /// Reads the token under another scheme than `Bearer`. Its challenge stays one for `Bearer`, until
    /// [`reject_with`](Resource::reject_with) says otherwise.
    pub fn scheme(&self, scheme: Scheme) {
        self.book().scheme = scheme;
    }

    /// Ends every connection, and refuses new ones until [`come_up`](Resource::come_up). In memory, every request fails with
    /// [`io::ErrorKind::ConnectionRefused`].
    pub fn go_down(&self) {
        self.shared.issuer.note("the resource goes down");
        self.shared.power.set(false);
    }

    /// Answers again after [`go_down`](Resource::go_down), at the same address; over a socket, from the next connection on.
    pub fn come_up(&self) {
        self.shared.issuer.note("the resource comes up");
        self.shared.power.set(true);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn judge<B>(&self, request: Request<B>) -> io::Result<Response<Full<Bytes>>>
    where
        B: Body<Error: fmt::Debug>,
    {
        let issuer = &self.shared.issuer;
        let (head, body) = request.into_parts();
        let seen = Seen::read(head, body).await;
        let uri = seen.uri.clone();
        let token = {
            let book = self.book();
            token_in(&seen.headers, &book.header, &book.scheme).map(str::to_owned)
        };
        #[cfg(feature = "dpop")]
        let token = token.or_else(|| token_in(&seen.headers, &AUTHORIZATION, &Scheme::dpop()).map(str::to_owned));
        #[cfg(feature = "dpop")]
        let call = (seen.method.clone(), seen.headers.clone());
        let noted = issuer.note_call(&seen.method, &uri, token.as_deref());
        let (index, gate, delay) = {
            let mut book = self.book();
            book.seen.push(seen);
            (book.seen.len() - 1, find(&book.gates, &uri), find(&book.delays, &uri))
        };
        self.shared.arrived.send_modify(|arrived| *arrived += 1);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let audience = find(&self.book().audiences, &uri);
        let is_meant = |token: &str| audience.is_none() || issuer.resource_of(token) == audience;
        let lives = token.as_ref().is_some_and(|token| issuer.is_alive(token) && is_meant(token));
        #[cfg(feature = "dpop")]
        let unproved = {
            let proof = token.filter(|_| lives).and_then(|token| issuer.check_call(&call.0, &uri, &call.1, &token));
            proof.and_then(Result::err)
        };
        let make = {
            let mut book = self.book();
            let scripted = book.script.pop_front().map(Rule::Fixed);
            match scripted.or_else(|| find(&book.rules, &uri)) {
                Some(Rule::Break) => None,
                Some(Rule::Fixed(make)) => Some(make),
                #[cfg(feature = "dpop")]
                _ if unproved.is_some() => {
                    let code = unproved.unwrap_or_default();
                    Some(Arc::new(move || super::proof::rejection(code, Full::default())) as _)
                }
                _ if lives => Some(book.acceptance.clone()),
                _ => Some(book.rejection.clone()),
            }
        };
        // A closure of the test's: no lock is held.
        let Some(response) = make.map(|make| make()) else {
            issuer.note_answer(noted, "broken");
            return Err(broken());
        };
        #[cfg(feature = "dpop")]
        let response = issuer.stamped(response);
        self.book().seen[index].status = Some(response.status());
        issuer.note_answer(noted, response.status().as_str());
        Ok(response)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Resource
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
        Box::pin(async move { this.shared.power.serve(this.judge(request)).await })
    }
}

fn find<T: Clone>(rules: &[(String, T)], uri: &Uri) -> Option<T> {
    rules.iter().rev().find(|(place, _)| is_at(uri, place)).map(|(_, rule)| rule.clone())
}

fn is_at(uri: &Uri, place: &str) -> bool {
    if place.starts_with('/') { uri.path().starts_with(place) } else { uri.to_string().starts_with(place) }
}
