//! The scripted resource server: takes the tokens that are alive, rejects the others, and writes down what it gets.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes};
use futures::future::BoxFuture;
use http::{
    Extensions, HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, Version,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::{sync::watch, time::Instant};
use tower::Service;

use super::{Broken, Gate, Issuer};

/// A resource server. Clones are the same server.
///
/// A place is the start of a path (`/orders`) or of a whole URI (`https://other.example`); the rule that was set last
/// wins.
#[derive(Clone)]
pub struct Resource {
    shared: Arc<Shared>,
}

/// One request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    pub extensions: Extensions,
    /// As much of the body as came.
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    /// The body ended with an error.
    pub body_failed: bool,
    /// What it was answered with; `None` while it is held, or when the connection broke.
    pub status: Option<StatusCode>,
}

struct Shared {
    issuer: Issuer,
    book: Mutex<Book>,
    arrived: watch::Sender<usize>,
}

struct Book {
    header: HeaderName,
    seen: Vec<Seen>,
    rules: Vec<(String, Rule)>,
    gates: Vec<(String, Gate)>,
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
    pub fn new(issuer: &Issuer) -> Self {
        let book = Book {
            header: AUTHORIZATION,
            seen: Vec::new(),
            rules: Vec::new(),
            gates: Vec::new(),
            audiences: Vec::new(),
            rejection: Arc::new(|| {
                Response::builder()
                    .status(StatusCode::UNAUTHORIZED)
                    .header(WWW_AUTHENTICATE, r#"Bearer realm="api", error="invalid_token""#)
                    .body(Full::from("rejected"))
                    .expect("valid headers")
            }),
            acceptance: Arc::new(|| Response::new(Full::from("accepted"))),
        };
        let shared = Shared { issuer: issuer.clone(), book: Mutex::new(book), arrived: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    // The script

    /// Rejects with this response; at first a 401 with `invalid_token` and the body `rejected`.
    pub fn reject_with(&self, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().rejection = Arc::new(make);
    }

    /// Accepts with this response; at first a 200 with the body `accepted`.
    pub fn accept_with(&self, make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) {
        self.book().acceptance = Arc::new(make);
    }

    /// Answers at this place with this status and no body, whatever the token.
    pub fn answer(&self, place: &str, status: u16) {
        let status = StatusCode::from_u16(status).expect("a valid status");
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
        let make = self.book().rejection.clone();
        self.book().rules.push((place.to_owned(), Rule::Fixed(make)));
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

    /// Takes at this place only tokens that were asked for with this resource.
    pub fn only_for(&self, place: &str, resource: &str) {
        self.book().audiences.push((place.to_owned(), resource.to_owned()));
    }

    /// Reads the token from another header than `Authorization`.
    pub fn header(&self, name: HeaderName) {
        self.book().header = name;
    }

    // What was seen

    /// How many requests came, in all.
    pub fn count(&self) -> usize {
        self.book().seen.len()
    }

    /// How many requests to this place came.
    pub fn count_at(&self, place: &str) -> usize {
        self.book().seen.iter().filter(|seen| is_at(&seen.uri, place)).count()
    }

    /// How many requests were answered with this status.
    pub fn count_of(&self, status: u16) -> usize {
        self.book().seen.iter().filter(|seen| seen.status.is_some_and(|seen| seen == status)).count()
    }

    /// All requests, in the order in which their bodies had come in full.
    pub fn seen(&self) -> Vec<Seen> {
        self.book().seen.clone()
    }

    pub fn last(&self) -> Seen {
        self.book().seen.last().cloned().expect("there was a request")
    }

    /// The access token of every request, `None` for one that had none.
    pub fn tokens(&self) -> Vec<Option<String>> {
        self.book().seen.iter().map(|seen| seen.token().map(str::to_owned)).collect()
    }

    /// Waits until so many requests have come, in all.
    pub async fn arrived(&self, count: usize) {
        self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.expect("the sender is held");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().expect("nothing panics under the lock")
    }

    async fn serve<B>(self, request: Request<B>) -> Result<Response<Full<Bytes>>, Broken>
    where
        B: Body<Error: fmt::Debug>,
    {
        let (head, body) = request.into_parts();
        let mut seen = Seen {
            at: Instant::now(),
            method: head.method,
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers,
            extensions: head.extensions,
            body: Bytes::new(),
            trailers: None,
            body_failed: false,
            status: None,
        };
        seen.read(body).await;
        let (index, gate, token) = {
            let mut book = self.book();
            let token = seen.token_in(&book.header).map(str::to_owned);
            book.seen.push(seen);
            (book.seen.len() - 1, find(&book.gates, &head.uri), token)
        };
        self.shared.arrived.send_modify(|arrived| *arrived += 1);
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let audience = find(&self.book().audiences, &head.uri);
        let issuer = &self.shared.issuer;
        let is_meant = |token: &str| audience.is_none() || issuer.resource_of(token) == audience;
        let lives = token.is_some_and(|token| issuer.is_alive(&token) && is_meant(&token));
        let make = {
            let book = self.book();
            match find(&book.rules, &head.uri) {
                Some(Rule::Break) => return Err(Broken),
                Some(Rule::Fixed(make)) => make,
                _ if lives => book.acceptance.clone(),
                _ => book.rejection.clone(),
            }
        };
        let response = make();
        self.book().seen[index].status = Some(response.status());
        Ok(response)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").finish_non_exhaustive()
    }
}

impl Seen {
    /// The access token of the `Authorization` header, if its scheme is spelt `Bearer`.
    pub fn token(&self) -> Option<&str> {
        self.token_in(&AUTHORIZATION)
    }

    fn token_in(&self, header: &HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(header).iter();
        let value = values.next()?.to_str().expect("a text");
        assert!(values.next().is_none(), "two authorization headers");
        value.strip_prefix("Bearer ")
    }

    async fn read<B: Body<Error: fmt::Debug>>(&mut self, body: B) {
        let mut body = std::pin::pin!(body);
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => bytes.put(data),
                Ok(Err(frame)) => self.trailers = frame.into_trailers().ok(),
                Err(_) => {
                    self.body_failed = true;
                    break;
                }
            }
        }
        self.body = bytes.into();
    }
}

impl<B> Service<Request<B>> for Resource
where
    B: Body<Data: Send, Error: fmt::Debug> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}

fn find<T: Clone>(rules: &[(String, T)], uri: &Uri) -> Option<T> {
    rules.iter().rev().find(|(place, _)| is_at(uri, place)).map(|(_, rule)| rule.clone())
}

fn is_at(uri: &Uri, place: &str) -> bool {
    if place.starts_with('/') { uri.path().starts_with(place) } else { uri.to_string().starts_with(place) }
}
