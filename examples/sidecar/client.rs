//! The clients: plain ones of hyper, for the upstream and for the token endpoint.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{Full, combinators::UnsyncBoxBody};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

pub(crate) type Tls = ClientConfig;
/// Its error is one that the layer can make, so that a replay need not wait for the end of the first attempt's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Upstream = Client<HttpsConnector<HttpConnector>, Body>;
pub(crate) type Tokens = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where nothing comes for so long, the other side is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Trusts the public authorities, and those of this file.
pub(crate) fn tls(ca_file: Option<&Path>) -> anyhow::Result<Tls> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = ca_file {
        let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = certificates.with_context(|| file.display().to_string())?;
        ensure!(!certificates.is_empty(), "{} holds no certificate", file.display());
        for certificate in certificates {
            roots.add(certificate).with_context(|| file.display().to_string())?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

/// For the token endpoint.
pub(crate) fn of_tokens(tls: &Tls, connect_timeout: Duration) -> Tokens {
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_all_versions();
    builder().build(connector.wrap_connector(tcp(connect_timeout)))
}

/// For the upstream. Over TLS the two sides agree on HTTP/2 or HTTP/1.1, without it HTTP/1.1 is spoken.
pub(crate) fn of_upstream(tls: &Tls, connect_timeout: Duration) -> Upstream {
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_all_versions();
    builder().build(connector.wrap_connector(tcp(connect_timeout)))
}

/// For gRPC: HTTP/2, without TLS too.
pub(crate) fn of_grpc(tls: &Tls, connect_timeout: Duration) -> Upstream {
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http2();
    builder().http2_only(true).build(connector.wrap_connector(tcp(connect_timeout)))
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).http2_keep_alive_interval(KEEP_ALIVE);
    builder
}

fn tcp(connect_timeout: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEP_ALIVE));
    connector.set_connect_timeout(Some(connect_timeout));
    connector
}
