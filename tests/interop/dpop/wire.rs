//! What goes over the wire, seen from below the layer: every request as it is really sent, and how it was answered.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    Request, Response,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tower::{ServiceExt, util::BoxCloneService};

pub(super) type Http = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// Sends, and remembers.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
    sent: Arc<Mutex<Vec<Exchange>>>,
}

/// One request with its answer.
#[derive(Clone)]
pub(super) struct Exchange {
    /// The grant type, or method and path.
    pub(super) what: String,
    request: Request<Full<Bytes>>,
    pub(super) status: u16,
    pub(super) challenge: String,
}

impl Wire {
    pub(super) fn new() -> Self {
        // No connection outlives its request: a server that restarts would end it in the middle of the next one.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { client, sent: Arc::default() }
    }

    pub(super) fn service(&self) -> Http {
        let wire = self.clone();
        tower::service_fn(move |request| {
            let wire = wire.clone();
            async move { Ok(wire.send(request).await) }
        })
        .boxed_clone()
    }

    /// What was sent since somebody asked last, in order.
    pub(super) fn sent(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let form = body.collect().await.unwrap().to_bytes();
        let grant = form_urlencoded::parse(&form).find(|(name, _)| name == "grant_type");
        let what =
            grant.map_or_else(|| format!("{} {}", head.method, head.uri.path()), |(_, grant)| grant.into_owned());
        let request = Request::from_parts(head, Full::new(form));
        let (head, body) = self.client.request(request.clone()).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let challenge = head.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
        self.sent.lock().unwrap().push(Exchange {
            what,
            request,
            status: head.status.as_u16(),
            challenge: challenge.unwrap_or_default(),
        });
        Response::from_parts(head, Full::new(body))
    }

    /// Sends a request once more, byte for byte, as somebody can who has copied it; the status.
    pub(super) async fn repeat(&self, exchange: &Exchange) -> u16 {
        self.send(exchange.request.clone()).await.status().as_u16()
    }

    /// The same without the proof, and with the token for a bearer's.
    pub(super) async fn as_bearer(&self, exchange: &Exchange) -> u16 {
        let mut request = exchange.request.clone();
        request.headers_mut().remove("dpop").expect("a proof");
        let token = format!("Bearer {}", exchange.token());
        request.headers_mut().insert(AUTHORIZATION, token.parse().unwrap());
        self.send(request).await.status().as_u16()
    }
}

impl Exchange {
    /// The access token that it carried, by the scheme of DPoP.
    pub(super) fn token(&self) -> String {
        let value = self.request.headers()[AUTHORIZATION].to_str().unwrap();
        value.strip_prefix("DPoP ").expect("a token that is bound").to_owned()
    }

    /// A claim of its proof.
    pub(super) fn claim(&self, name: &str) -> Value {
        let proof = self.request.headers()["dpop"].to_str().unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()[name].clone()
    }
}
