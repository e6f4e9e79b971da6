//! Tokens that are bound to a key (RFC 9449), from the layer to an API that checks every claim of every proof.

mod api;
mod bodies;
mod clocks;
mod crowd;
mod ends;
mod hostile;
mod nonces;
mod rejections;
mod requests;
mod signers;
mod wire;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    DpopKey, Error, ErrorKind, Grant, JwtAlgorithm, Origins, Reauth, ReauthLayer, RenewalFailed, ResponseBody, Session,
    TokenSet, grant_fn,
};

use self::api::Api;
use crate::support::*;

/// An API, and a session whose tokens are bound to the key that the API knows.
#[derive(Clone)]
struct Scene {
    api: Api,
    key: DpopKey,
    session: Session,
    fetched: Arc<AtomicUsize>,
}

impl Scene {
    fn new() -> Self {
        Self::with_key(key())
    }

    fn with_key(key: DpopKey) -> Self {
        let (api, fetched) = (Api::new(), Arc::default());
        let session = Session::builder(grant(&api, &key, &fetched)).dpop(key.clone()).build();
        Self { api, key, session, fetched }
    }

    fn layer(&self) -> ReauthLayer {
        ReauthLayer::new(self.session.clone(), Origins::only(ORIGIN).unwrap())
    }

    fn service(&self) -> Reauth<Api> {
        self.layer().layer(self.api.clone())
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<ResponseBody<Full<Bytes>>>, Error> {
        self.service().oneshot(request).await
    }

    async fn get(&self, path: &str) -> Response<ResponseBody<Full<Bytes>>> {
        self.send(get(path)).await.unwrap()
    }

    /// How many tokens were fetched.
    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    /// All proofs were good but those that had a nonce too old, and no two were the same.
    fn refused_nothing_but_nonces(&self) {
        let refusals = self.api.refusals();
        assert!(refusals.keys().all(|why| *why == "nonce"), "{refusals:?}");
        let seen = self.api.seen();
        let ids: BTreeSet<_> = seen.iter().map(|seen| seen.claims["jti"].to_string()).collect();
        assert_eq!(ids.len(), seen.len());
    }
}

/// The faster one of the two.
fn key() -> DpopKey {
    DpopKey::generate_with(JwtAlgorithm::EdDSA).unwrap()
}

/// Tokens `token-1`, `token-2` and so on, bound to this key. The API takes the newest.
fn grant(api: &Api, key: &DpopKey, fetched: &Arc<AtomicUsize>) -> impl Grant + use<> {
    let (api, key, fetched) = (api.clone(), key.clone(), fetched.clone());
    grant_fn(move |_context| {
        let token = format!("token-{}", fetched.fetch_add(1, Ordering::SeqCst) + 1);
        api.revoke_all();
        api.takes(&token, key.thumbprint());
        async move { Ok(TokenSet::new(token)?.with_dpop()) }
    })
}

/// Why a rejection was passed on.
fn why<B>(response: &Response<B>) -> (ErrorKind, String) {
    let failed = response.extensions().get::<RenewalFailed>().expect("it says why");
    (failed.error().kind(), failed.error().to_string())
}

fn says_nothing<B>(response: &Response<B>) -> bool {
    response.extensions().get::<RenewalFailed>().is_none()
}
