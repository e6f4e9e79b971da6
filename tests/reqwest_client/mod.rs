//! reqwest as people write it: its builder, its responses and its errors, with the layer in between, over real sockets.

mod builder;
mod forms;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod service;
mod time_outs;

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use reqwest::{Client, redirect::Policy};
use tower::{Layer, Service, layer::layer_fn, service_fn};
use tower_reauth::{
    ClientAuth, Origins, PasswordGrant, ReauthLayer, ReqwestService, Session, TokenEndpoint, TokenSet, grant_fn,
};

use crate::gateway::{Options, Regime, Running, start};

/// A gateway, and reqwest's client for it and for its token endpoint.
struct World {
    gateway: Running,
    client: Client,
    session: Session,
    api: ReauthLayer,
}

impl World {
    async fn new() -> Self {
        let options = Options::new(Regime::Jwt).user("alice", "password").client("app", "secret");
        let gateway = start(options).await.unwrap();
        let client = client();
        let endpoint = ReqwestService::new(client.clone());
        let endpoint = TokenEndpoint::with_body::<reqwest::Body>(endpoint, gateway.url("/oauth2/token")).unwrap();
        let endpoint = endpoint.client_auth(ClientAuth::basic("app", "secret"));
        let session = Session::new(PasswordGrant::new(endpoint, "alice", "password"));
        let api = ReauthLayer::new(&session, Origins::only(gateway.url("")).unwrap());
        Self { gateway, client, session, api }
    }

    /// With a token that the gateway does not accept any more.
    async fn with_a_dead_token() -> Self {
        let world = Self::new().await;
        world.session.token().await.unwrap();
        world.gateway.gateway().revoke_all();
        world
    }

    fn orders(&self) -> String {
        self.gateway.url("/orders")
    }

    /// Orders that were placed, and requests that were rejected.
    fn placed_and_rejected(&self) -> (u64, u64) {
        (self.gateway.gateway().orders(), self.gateway.counters().rejected)
    }
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A session with tokens `token-1`, `token-2` and so on, and a layer with it for `https://orders.example`.
fn api() -> ReauthLayer {
    let count = Arc::new(AtomicUsize::new(0));
    let grant = grant_fn(move |_| ready(TokenSet::new(format!("token-{}", count.fetch_add(1, Ordering::Relaxed) + 1))));
    ReauthLayer::new(Session::new(grant), Origins::only("https://orders.example").unwrap())
}

/// What a server in place of reqwest's client has seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Parts, Bytes)>>>);

impl Seen {
    fn all<T>(&self, what: impl Fn(&Parts) -> T) -> Vec<T> {
        self.0.lock().unwrap().iter().map(|(head, _)| what(head)).collect()
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    fn tokens(&self) -> Vec<Option<String>> {
        self.all(|head| head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()))
    }
}

/// A layer that stands for the server, and reads each request to its end: nothing reaches the client.
fn server<F: Fn(&Parts) -> Response<String> + Clone + Send + 'static>(
    seen: &Seen,
    answer: F,
) -> impl Layer<
    ReqwestService,
    Service: Service<Request<reqwest::Body>, Response = Response<String>, Error = Infallible, Future: Send>
                 + Clone
                 + Send,
> + use<F> {
    let seen = seen.clone();
    layer_fn(move |_: ReqwestService| {
        let (seen, answer) = (seen.clone(), answer.clone());
        service_fn(move |request: Request<reqwest::Body>| {
            let (seen, answer) = (seen.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let response = answer(&head);
                seen.0.lock().unwrap().push((head, body));
                Ok(response)
            }
        })
    })
}

fn status(status: u16) -> Response<String> {
    Response::builder().status(status).body(String::new()).unwrap()
}
