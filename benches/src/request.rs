//! The requests, the service that answers them, and the session whose token they carry.

use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use tower::Service;
use tower_reauth::{Session, TokenSet, grant_fn, store_fn};

/// The body of all requests and responses.
pub type Payload = Full<Bytes>;

pub(crate) const URI: &str = "https://api.example/v1/orders?limit=10";

const HOST: &str = "api.example";

pub(crate) const PAYLOAD: &[u8] = &[b'x'; 256];

/// What clients send; the first eight are on most requests. A `Host` comes besides: hyper-util's client adds it further down, and
/// who forwards a browser's requests has it there already.
const HEADERS: [(&str, &str); 20] = [
    ("user-agent", "orders/1.2 (linux)"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, br"),
    ("content-type", "application/json"),
    ("content-length", "256"),
    ("cache-control", "no-cache"),
    ("x-request-id", "4d2f6d3e-8f2a-4b4a-9b1b-2f2f4b1c7d10"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("accept-language", "de-DE,de;q=0.9"),
    ("tracestate", "congo=t61rcWkgMzE"),
    ("referer", "https://app.example/"),
    ("x-client", "web"),
    ("cookie", "sid=38afes7a8"),
    ("if-none-match", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
    ("x-tenant", "t1"),
    ("x-forwarded-for", "10.0.0.1"),
    ("via", "1.1 proxy"),
    ("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
    ("x-api-version", "7"),
    ("idempotency-key", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
];

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixture {
    pub headers: usize,
    /// Header values and body in memory of their own, as real traffic has them; else all of it is static.
    pub owned: bool,
    /// With a `Host` beside these headers.
    pub host: bool,
}

/// Reads every header value once, as any client must, and answers at once, with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Answer;

thread_local! {
    static WIRE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Fixture {
    pub const ALL: [Self; 8] = [
        Self::new(0, false),
        Self::new(8, false),
        Self { host: true, ..Self::new(8, false) },
        Self::new(20, false),
        Self::new(0, true),
        Self::new(8, true),
        Self { host: true, ..Self::new(8, true) },
        Self::new(20, true),
    ];

    /// Without a `Host`.
    pub const fn new(headers: usize, owned: bool) -> Self {
        Self { headers, owned, host: false }
    }

    pub(crate) fn headers(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let host = self.host.then_some(("host", HOST));
        host.into_iter().chain(HEADERS[..self.headers].iter().copied())
    }

    pub fn request<B: From<Payload>>(self) -> Request<B> {
        let text = |text: &'static [u8]| match self.owned {
            true => Bytes::from(text.to_vec()),
            false => Bytes::from_static(text),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers() {
            let value = HeaderValue::from_maybe_shared(text(value.as_bytes())).expect("a valid value");
            // By text, as most code does it: names that `http` does not know get memory of their own.
            headers.insert(name, value);
        }
        let mut request = Request::new(Full::new(text(PAYLOAD)).into());
        *request.uri_mut() = Uri::from_static(URI);
        *request.headers_mut() = headers;
        request
    }
}

impl fmt::Display for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host { " Host" } else { "" };
        write!(f, "{} {}{host}", self.headers, if self.owned { "O" } else { "S" })
    }
}

impl<B> Service<Request<B>> for Answer {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Payload>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        write(request.headers().values().map(HeaderValue::as_bytes));
        drop(black_box(request));
        ready(Ok(Response::new(Payload::default())))
    }
}

/// Copies the values to where they could be sent from.
pub(crate) fn write<'a>(values: impl Iterator<Item = &'a [u8]>) {
    WIRE.with_borrow_mut(|wire| {
        wire.clear();
        values.for_each(|value| wire.extend_from_slice(value));
        black_box(wire);
    });
}

/// One call, from readiness to the response.
///
/// # Panics
/// When the service is not ready, fails, or does not answer at once.
pub fn answer<S, R>(service: &mut S, request: R) -> S::Response
where
    S: Service<R>,
    S::Error: fmt::Debug,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(response) => response.expect("this service never fails"),
        Poll::Pending => unreachable!("this service answers at once"),
    }
}

/// A token of so many bytes.
pub fn token(size: usize) -> String {
    "mF_9.B5f-4.1JqM".chars().cycle().take(size).collect()
}

/// The same session with a store, which is a variable here.
pub(crate) async fn stored_session(size: usize) -> Session {
    let kept = Arc::new(Mutex::new(None));
    let (from, to) = (kept.clone(), kept);
    let store = store_fn(
        move |_key| ready(Ok(from.lock().expect("nothing panics").clone())),
        move |_key, record| {
            to.lock().expect("nothing panics").replace(record);
            ready(Ok(()))
        },
    );
    let grant =
        grant_fn(
            move |_context| async move { Ok(TokenSet::new(token(size))?.with_lifetime(Duration::from_secs(3600))) },
        );
    let session = Session::builder(grant).store(store, "alice").build();
    session.token().await.expect("this grant never fails");
    session
}

/// A session that holds a token of so many bytes, good for an hour.
pub async fn session(size: usize) -> Session {
    let session = Session::new(grant_fn(move |_context| async move {
        Ok(TokenSet::new(token(size))?.with_lifetime(Duration::from_secs(3600)))
    }));
    session.token().await.expect("this grant never fails");
    session
}
