//! Tests of when a proof is made, and of what decides whether another one is worth a send.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, stream};
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::*;
use crate::{assertion::Signer, dpop::DpopKey, origin::Origin, token::TokenSet};

const TOKEN: &str = r#"{"access_token":"at","token_type":"DPoP"}"#;
const ASKS: &str = r#"{"error":"use_dpop_nonce"}"#;
const REFUSES: &str = r#"{"error":"invalid_dpop_proof"}"#;
const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

type Said = (u16, Option<&'static str>, &'static str);

/// A token endpoint that says this; while it gets ready, and between the heads of its answers and their bodies, the session hears a
/// nonce by another answer.
#[derive(Clone)]
struct Server {
    binding: Arc<Binding>,
    said: Arc<Mutex<VecDeque<Said>>>,
    seen: Arc<Mutex<Vec<Value>>>,
    wait: Duration,
    heard_before: Option<&'static str>,
    heard_within: Option<&'static str>,
    ready: Option<Arc<Mutex<Pin<Box<Sleep>>>>>,
}

impl Server {
    fn new(key: DpopKey, said: impl IntoIterator<Item = Said>) -> Self {
        Self {
            binding: Arc::new(Binding::new(key, false)),
            said: Arc::new(Mutex::new(said.into_iter().collect())),
            seen: Arc::default(),
            wait: Duration::ZERO,
            heard_before: None,
            heard_within: None,
            ready: None,
        }
    }

    async fn ask(&self) -> Result<TokenSet, Error> {
        let context = GrantContext::default().bound_to(Some(self.binding.clone()));
        let endpoint = TokenEndpoint::new(self.clone(), "https://login.example/token").unwrap();
        endpoint.request(&context, &[("grant_type", "client_credentials")]).await
    }

    fn nonces(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().iter().map(|claims| claims["nonce"].as_str().map(str::to_owned)).collect()
    }
}

fn hear(binding: &Binding, nonce: Option<&'static str>) {
    if let Some(nonce) = nonce {
        let origin: Origin = "https://login.example".parse().unwrap();
        binding.heard(super::At { server: super::Server::Issuer, origin: &origin }, &saying(nonce));
    }
}

fn saying(nonce: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("dpop-nonce"), nonce.parse().unwrap())])
}

fn claims(proof: &HeaderValue) -> Value {
    let part = proof.to_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

impl Service<Request<Full<Bytes>>> for Server {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let wait = self.wait;
        let ready = self.ready.get_or_insert_with(|| Arc::new(Mutex::new(Box::pin(sleep(wait)))));
        std::task::ready!(ready.lock().unwrap().poll_unpin(context));
        hear(&self.binding, self.heard_before);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        self.seen.lock().unwrap().push(claims(&request.headers()[DPOP]));
        let (status, nonce, text) =
            self.said.lock().unwrap().pop_front().expect("a request that the test did not foresee");
        let (binding, within) = (self.binding.clone(), self.heard_within);
        let body = StreamBody::new(stream::once(async move {
            hear(&binding, within);
            Ok(Frame::data(Bytes::from_static(text.as_bytes())))
        }));
        let mut response = Response::builder().status(status).body(body.boxed_unsync()).unwrap();
        if let Some(nonce) = nonce {
            response.headers_mut().extend(saying(nonce));
        }
        Box::pin(async { Ok(response) })
    }
}

/// A key that is not in memory.
struct Elsewhere;

impl Signer for Elsewhere {
    fn algorithm(&self) -> &str {
        "EdDSA"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![7; 64])
    }
}

fn key() -> DpopKey {
    DpopKey::generate().unwrap()
}

#[tokio::test(start_paused = true)]
async fn proof_of_a_key_in_memory_is_made_when_the_service_is_ready() {
    let server = Server::new(key(), [(200, None, TOKEN)]);
    let server = Server { wait: Duration::from_secs(8), heard_before: Some("n-now"), ..server };
    server.ask().await.unwrap();
    assert_eq!(server.nonces(), [Some("n-now".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn proof_from_elsewhere_that_was_old_when_it_was_sent_is_worth_another_one() {
    for (wait, sends) in [(1, 1), (3, 2)] {
        let key = DpopKey::from_signer(Elsewhere, JWK).unwrap();
        // The last one never comes: once is enough.
        let server = Server::new(key, [(400, None, REFUSES); 2]);
        let server = Server { wait: Duration::from_secs(wait), ..server };
        let error = server.ask().await.unwrap_err();
        assert_eq!((error.kind(), error.known_verdict()), (ErrorKind::Dpop, Some(TokenVerdict::NotAllowed)));
        assert_eq!(server.seen.lock().unwrap().len(), sends, "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn nonce_that_an_older_answer_brings_while_the_body_is_read_decides_nothing() {
    let server = Server::new(key(), [(400, Some("n-3"), ASKS), (200, None, TOKEN)]);
    hear(&server.binding, Some("n-2"));
    let server = Server { heard_within: Some("n-2"), ..server };
    server.ask().await.unwrap();
    assert_eq!(server.nonces(), [Some("n-2".to_owned()), Some("n-3".to_owned())]);
}

#[tokio::test]
async fn each_grant_is_told_of_a_nonce_that_its_own_last_proof_had_not() {
    let server = Server::new(key(), []);
    let uri = Uri::from_static("https://login.example/token");
    let contexts = [(); 2].map(|()| GrantContext::default().bound_to(Some(server.binding.clone())));
    for context in &contexts {
        context.dpop_proof(&Method::POST, &uri).await.unwrap();
    }
    for context in &contexts {
        assert!(context.dpop_answer(&uri, &saying("n-1")), "its proof had none");
        let proof = context.dpop_proof(&Method::POST, &uri).await.unwrap().unwrap();
        assert_eq!(claims(&proof)["nonce"], "n-1");
        assert!(!context.dpop_answer(&uri, &saying("n-1")), "its proof had that one");
    }
}
