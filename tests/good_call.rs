//! Invariant 10: a call with a good token clones no inner service, and its future is little larger than the inner one.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client, connect::HttpConnector};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, Reauth, ReauthLayer, ResponseFuture, Session, TokenSet, grant_fn};

/// In bytes, what the future of a call may have beyond that of the inner service.
const MOST: usize = 112;
/// The same for a body in a box, of which more is kept.
const MOST_BOXED: usize = 160;

type Payload = Full<Bytes>;

const fn beyond<Outer, Inner>() -> usize {
    size_of::<Outer>() - size_of::<Inner>()
}

// Checked by the compiler: the test binary is not built where one of these is too large.
const _: () = {
    type Outer<B> = ResponseFuture<Client<HttpConnector, B>, B, Incoming>;
    assert!(beyond::<Outer<Payload>, legacy::ResponseFuture>() <= MOST);
    assert!(beyond::<Outer<BoxBody<Bytes, io::Error>>, legacy::ResponseFuture>() <= MOST_BOXED);
};

#[cfg(feature = "tonic")]
const _: () = {
    use tonic::{body::Body, transport::Channel};
    type Inner = <Channel as Service<Request<Body>>>::Future;
    assert!(beyond::<ResponseFuture<Channel, Body, Body>, Inner>() <= MOST_BOXED);
};

/// Answers at once, and counts how often it was cloned.
#[derive(Debug, Default)]
struct Counted {
    clones: Arc<AtomicUsize>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self { clones: self.clones.clone() }
    }
}

impl Service<Request<Payload>> for Counted {
    type Response = Response<Payload>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Payload>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        assert!(request.headers().contains_key("authorization"), "a good call carries a token");
        ready(Ok(Response::default()))
    }
}

fn request() -> Request<Payload> {
    Request::get("https://api.example/orders").body(Payload::from("body")).expect("a good request")
}

/// A layer whose session holds a token.
async fn layer() -> ReauthLayer {
    let session = Session::new(grant_fn(async |_context| TokenSet::new("a-token")));
    session.token().await.expect("this grant never fails");
    ReauthLayer::new(session, Origins::only("https://api.example").expect("a good origin"))
}

#[tokio::test]
async fn good_call_clones_no_inner_service() {
    let (inner, layer) = (Counted::default(), layer().await);
    let clones = inner.clones.clone();
    let mut service = layer.layer(inner);
    // A service that is used again makes itself a place of its own, once.
    for _ in 0..2 {
        service.ready().await.expect("always ready").call(request()).await.expect("a good call");
    }
    let before = clones.load(Ordering::Relaxed);
    for _ in 0..100 {
        service.ready().await.expect("always ready").call(request()).await.expect("a good call");
    }
    assert_eq!(clones.load(Ordering::Relaxed), before);
}

/// What a call allocates, from the request to its answer, at most. The requests are there already.
fn most_allocations(service: &Reauth<Counted>, cloned: bool, hosts: &[&'static str]) -> u64 {
    let mut service = service.clone();
    let mut call = |request| match cloned {
        true => service.clone().call(request).now_or_never(),
        false => service.call(request).now_or_never(),
    };
    let mut most = 0;
    for turn in 0..20 {
        let mut request = request();
        hosts.iter().for_each(|host| _ = request.headers_mut().append(HOST, HeaderValue::from_static(host)));
        // Room for one header more, which is the map's business.
        request.headers_mut().reserve(8);
        let allocated = allocation_counter::measure(|| {
            call(request).expect("at once").expect("a good call");
        });
        // The first ones bring what the later ones use again.
        if turn >= 4 {
            most = allocated.count_total.max(most);
        }
    }
    most
}

#[tokio::test]
async fn good_call_allocates_nothing_with_or_without_a_host_and_cloned_or_not() {
    let (layer, off) = (layer().await, layer().await.max_replays(0));
    for service in [layer.layer(Counted::default()), off.layer(Counted::default())] {
        for cloned in [false, true] {
            for hosts in [&[][..], &["api.example"], &["API.example:443"]] {
                assert_eq!(most_allocations(&service, cloned, hosts), 0, "{cloned} {hosts:?}");
            }
        }
    }
}

#[tokio::test]
async fn service_cloned_for_each_call_clones_its_inner_service_once() {
    let (inner, layer) = (Counted::default(), layer().await);
    let clones = inner.clones.clone();
    let service = layer.layer(inner);
    let before = clones.load(Ordering::Relaxed);
    for calls in 1..=100 {
        service.clone().oneshot(request()).await.expect("a good call");
        assert_eq!(clones.load(Ordering::Relaxed) - before, calls);
    }
}
