//! `rediss://`.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tower_reauth::testing::check_store;

use crate::support::{Heard, Server, alice, builder, chain, record};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this name, and its key.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn start(authority: &Authority, clients: &str) -> Server {
    let (certificate, key) = authority.certify("localhost");
    let root = authority.0.pem();
    Server::start_program("redis-server", move |port, folder| {
        for (name, content) in [("server.pem", &certificate), ("server.key", &key), ("root.pem", &root)] {
            fs::write(format!("{folder}/{name}"), content).unwrap();
        }
        let port = port.to_string();
        let arguments = [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--tls-cert-file",
            "server.pem",
            "--tls-key-file",
            "server.key",
            "--tls-ca-cert-file",
            "root.pem",
            "--tls-auth-clients",
            clients,
        ];
        arguments.map(str::to_owned).to_vec()
    })
}

#[tokio::test]
async fn a_redis_with_a_certificate_that_is_trusted_is_used_for_commands_and_news() {
    let authority = Authority::new();
    let server = start(&authority, "no");
    let url = format!("rediss://localhost:{}", server.port);
    let store = builder(&url).root_certificate(authority.0.pem()).connect().await.unwrap();
    check_store(&store, &store).await.unwrap();
    let heard = Heard::default();
    let _listening = heard.listen(&store, &alice()).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_refused() {
    let authority = Authority::new();
    let server = start(&authority, "no");
    for (host, root) in [("localhost", Authority::new().0.pem()), ("127.0.0.1", authority.0.pem())] {
        let url = format!("rediss://{host}:{}", server.port);
        let error = builder(url).root_certificate(root).connect().await.unwrap_err();
        assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    }
    let url = format!("redis://localhost:{}", server.port);
    builder(url).connect().await.unwrap_err();
}

#[tokio::test]
async fn a_redis_that_asks_for_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let server = start(&authority, "yes");
    let with = || builder(format!("rediss://localhost:{}", server.port)).root_certificate(authority.0.pem());
    with().connect().await.unwrap_err();
    let (certificate, key) = authority.certify("orders");
    let store = with().client_certificate(certificate, key).connect().await.unwrap();
    tower_reauth::TokenStore::save(&store, &alice(), &record(1), None).await.unwrap();
}
