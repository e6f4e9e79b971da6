//! TLS to the upstream, and a Unix socket from the program.

use std::{fs, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    upstream::{Gate, Upstream, serve},
    world::{World, send, text},
};

#[tokio::test]
async fn an_upstream_of_a_private_authority_is_reached_by_http2() {
    let world = World::new("tls").await;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let origin = start_tls(&authority).await;
    let certificate = BASE64_STANDARD.encode(authority.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
    let file = world.file("ca.pem", &pem);

    let sidecar = world.sidecar_before(&origin, &["--ca-file", &file]).await;
    let head: Value = serde_json::from_str(text(&sidecar.get("/head").await)).unwrap();
    assert_eq!(head["version"], "HTTP/2.0");

    // Nobody is trusted by themselves.
    let sidecar = world.sidecar_before(&origin, &[]).await;
    let answer = sidecar.get("/head").await;
    assert_eq!(answer.status(), http::StatusCode::BAD_GATEWAY);
    assert!(text(&answer).contains("certificate"), "{}", text(&answer));
}

#[tokio::test]
async fn a_unix_socket_is_listened_on_again_after_a_crash_and_goes_at_the_end() {
    let (world, upstream) = (World::new("unix").await, Upstream::start().await);
    let path = world.folder.join("api.sock");
    let listen = format!("unix:{}", path.display());
    world.sidecar_before(&upstream.origin, &["--listen", &listen]).await.killed().await;
    assert!(path.exists());
    let sidecar = world.sidecar_before(&upstream.origin, &["--listen", &listen]).await;

    let stream = UnixStream::connect(&path).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/head").header("host", "whatever").body(Full::<bytes::Bytes>::default()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let head = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&head).contains("Bearer "));

    sidecar.terminate();
    assert!(sidecar.ended().await.0.success());
    assert!(fs::metadata(&path).is_err());
}

/// The second connection is served once the first one has ended, and not before.
#[tokio::test]
async fn no_more_connections_are_served_than_there_may_be() {
    let (world, upstream) = (World::new("limit").await, Upstream::start().await);
    let sidecar = world.sidecar_before(&upstream.origin, &["--max-connections", "1"]).await;
    let request = || Request::get("/head").header("host", "localhost").body(Full::<bytes::Bytes>::default()).unwrap();
    let address = sidecar.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut first, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    first.send_request(request()).await.unwrap().into_body().collect().await.unwrap();

    let second = format!("{}/head", sidecar.url);
    let second = tokio::spawn(send(Request::get(second).body(Full::default()).unwrap()));
    for _ in 0..50 {
        first.ready().await.unwrap();
        first.send_request(request()).await.unwrap().into_body().collect().await.unwrap();
    }
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap().status(), http::StatusCode::OK);
}

async fn start_tls(authority: &CertifiedIssuer<'_, KeyPair>) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, Arc::new(Gate::default())).await;
                }
            });
        }
    });
    origin
}
