//! An https server that asks for a client certificate: a token endpoint, and an API that takes a token only together with the
//! certificate that it was asked for with (RFC 8705 §3).

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use ring::digest::{SHA256, digest};
use rustls::{ServerConfig, pki_types::CertificateDer, server::WebPkiClientVerifier};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, Identity, Validity};

/// It listens for as long as the runtime lives.
pub(crate) struct Server {
    address: SocketAddr,
    tokens: Arc<Tokens>,
}

struct Tokens {
    /// The thumbprint of the certificate that its only client is registered with.
    client: String,
    /// What is known of each token: the answer to whoever may introspect it (RFC 7662, RFC 8705 §3.2).
    alive: Mutex<HashMap<String, Value>>,
    requests: AtomicUsize,
}

/// The thumbprint of a connection's certificate; `None` where the client showed none.
#[derive(Clone)]
struct Shown(Option<String>);

impl Server {
    /// Takes this client only.
    pub(crate) async fn start(authority: &Authority, client: &Identity) -> Result<Self> {
        let identity = authority.issue("server", Validity::Now)?;
        // Whoever has no certificate gets as far as the endpoints, and is told there what is missing.
        let verifier = WebPkiClientVerifier::builder(authority.roots()?.into()).allow_unauthenticated().build()?;
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![identity.certificate.clone()], identity.key())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let client = thumbprint(&client.certificate);
        let tokens = Arc::new(Tokens { client, alive: Mutex::default(), requests: AtomicUsize::new(0) });
        let router =
            Router::new().route("/token", post(token)).route("/orders", get(orders)).with_state(tokens.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), connection, router.clone()));
            }
        });
        Ok(Self { address, tokens })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn introspect(&self, token: &str) -> Value {
        self.tokens.alive().get(token).cloned().unwrap_or_else(|| json!({ "active": false }))
    }

    pub(crate) fn revoke_all(&self) {
        self.tokens.alive().clear();
    }

    pub(crate) fn token_requests(&self) -> usize {
        self.tokens.requests.load(Ordering::Relaxed)
    }
}

impl Tokens {
    fn alive(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(acceptor: TlsAcceptor, connection: TcpStream, router: Router) {
    match acceptor.accept(connection).into_fallible().await {
        Ok(stream) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = Shown(certificate.map(thumbprint));
            let service = TowerToHyperService::new(router.layer(Extension(shown)));
            // The client may leave when it likes.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        }
        // The alert that says why is on its way. A close while the client still writes could overtake it.
        Err((_, mut refused)) => {
            let _ = refused.shutdown().await;
            let _ = copy(&mut refused, &mut sink()).await;
        }
    }
}

/// As `x5t#S256` has it (RFC 8705 §3.1).
fn thumbprint(certificate: &CertificateDer<'_>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate))
}

async fn token(State(tokens): State<Arc<Tokens>>, Extension(Shown(shown)): Extension<Shown>) -> Response {
    tokens.requests.fetch_add(1, Ordering::Relaxed);
    let Some(shown) = shown.filter(|shown| *shown == tokens.client) else {
        let refusal = json!({ "error": "invalid_client", "error_description": "not the certificate of a client" });
        return (StatusCode::UNAUTHORIZED, Json(refusal)).into_response();
    };
    let token = format!("{:032x}", fastrand::u128(..));
    let known = json!({ "active": true, "client_id": "stock-service", "cnf": { "x5t#S256": shown } });
    tokens.alive().insert(token.clone(), known);
    Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 })).into_response()
}

async fn orders(
    State(tokens): State<Arc<Tokens>>,
    Extension(Shown(shown)): Extension<Shown>,
    headers: HeaderMap,
) -> Response {
    let presented = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let known = presented.and_then(|token| tokens.alive().get(token).cloned());
    // A token that is unknown is bound to nothing, and a client without a certificate shows nothing: never compare the two.
    let bound = known.as_ref().and_then(|known| known["cnf"]["x5t#S256"].as_str());
    if bound.is_none() || bound != shown.as_deref() {
        let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    Json(json!({ "orders": 3 })).into_response()
}
