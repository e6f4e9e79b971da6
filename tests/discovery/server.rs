//! An authorization server with metadata: what it answers at which address, and what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use tokio::sync::watch;
use tower::{Service, ServiceExt};
use tower_reauth::{ClientAuth, ClientCredentialsGrant, Error, Grant, GrantContext, TokenEndpoint, TokenSet};

use crate::support::{Broken, CLIENT_ID, CLIENT_SECRET, Gate, Issuer};

pub const ISSUER: &str = "https://issuer.example/shop";
/// Where RFC 8414 has the metadata.
pub const FIRST: &str = "https://issuer.example/.well-known/oauth-authorization-server/shop";
/// Where OpenID Connect has it.
pub const SECOND: &str = "https://issuer.example/shop/.well-known/openid-configuration";
pub const TOKEN: &str = "https://issuer.example/token?key=hunter2";
pub const REVOKE: &str = "https://issuer.example/revoke";

#[derive(Clone)]
pub enum Says {
    Text(String),
    Status(u16),
    With(u16, &'static str, &'static str),
    Broken,
    Never,
    Behind(Gate, Box<Says>),
}

/// Answers everything but what was [said](Server::says) as the issuer does; metadata is nowhere at first.
#[derive(Clone)]
pub struct Server {
    pub issuer: Issuer,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    says: Mutex<BTreeMap<String, Says>>,
    asked: Mutex<Vec<(Method, String, HeaderMap)>>,
    arrived: watch::Sender<usize>,
}

impl Server {
    /// A server without metadata.
    pub fn bare() -> Self {
        Self { issuer: Issuer::new(), shared: Arc::default() }
    }

    /// A server with metadata at the first place.
    pub fn new() -> Self {
        let server = Self::bare();
        server.says(FIRST, metadata(TOKEN));
        server
    }

    pub fn says(&self, uri: &str, says: Says) {
        self.shared.says.lock().unwrap().insert(uri.to_owned(), says);
    }

    /// Answers there as the issuer does again.
    pub fn works(&self, uri: &str) {
        self.shared.says.lock().unwrap().remove(uri);
    }

    pub fn endpoint(&self) -> TokenEndpoint {
        TokenEndpoint::discover(self.clone(), ISSUER).unwrap().client_auth(ClientAuth::basic(CLIENT_ID, CLIENT_SECRET))
    }

    /// Every request: its method and address.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(method, uri, _)| format!("{method} {uri}")).collect()
    }

    pub fn headers(&self) -> Vec<HeaderMap> {
        self.shared.asked.lock().unwrap().iter().map(|(_, _, headers)| headers.clone()).collect()
    }

    /// How many times metadata was asked for, at either place.
    pub fn fetches(&self) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|(method, ..)| method == Method::GET).count()
    }

    /// Where the token requests went.
    pub fn posts(&self) -> Vec<String> {
        self.asked().into_iter().filter_map(|line| line.strip_prefix("POST ").map(str::to_owned)).collect()
    }

    /// Waits until so many requests have come, in all.
    pub async fn arrived(&self, count: usize) {
        self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    async fn serve(self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Broken> {
        let uri = request.uri().to_string();
        let (method, headers) = (request.method().clone(), request.headers().clone());
        self.shared.asked.lock().unwrap().push((method.clone(), uri.clone(), headers));
        self.shared.arrived.send_modify(|arrived| *arrived += 1);
        let mut says = self.shared.says.lock().unwrap().get(&uri).cloned();
        if method == Method::GET && says.is_none() {
            says = Some(Says::Status(404));
        }
        while let Some(Says::Behind(gate, then)) = says {
            gate.pass().await;
            says = Some(*then);
        }
        let response = Response::builder();
        let response = match says {
            None => return Ok(self.issuer.oneshot(request).await?),
            Some(Says::Text(text)) => response.body(Full::from(text)),
            Some(Says::Status(status)) => response.status(status).body(Full::default()),
            Some(Says::With(status, name, value)) => response.status(status).header(name, value).body(Full::default()),
            Some(Says::Broken) => return Err(Broken),
            Some(Says::Never | Says::Behind(..)) => std::future::pending().await,
        };
        Ok(response.unwrap())
    }
}

impl Service<Request<Full<Bytes>>> for Server {
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

/// Metadata of the issuer with this token endpoint.
pub fn metadata(token_endpoint: &str) -> Says {
    with(&format!(r#""token_endpoint":"{token_endpoint}""#))
}

/// Metadata of the issuer with these members.
pub fn with(members: &str) -> Says {
    Says::Text(format!(r#"{{"issuer":"{ISSUER}",{members}}}"#))
}

/// One token request, without a session.
pub async fn ask(endpoint: &TokenEndpoint) -> Result<TokenSet, Error> {
    ClientCredentialsGrant::new(endpoint.clone()).fetch(GrantContext::default()).await
}
