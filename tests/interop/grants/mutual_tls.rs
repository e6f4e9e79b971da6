//! Mutual TLS (RFC 8705): a certificate says who the client is, and its tokens are bound to it.

use std::fs;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use secrecy::ExposeSecret;
use tower::{Layer, ServiceExt};
use tower_reauth::{ClientAuth, ClientCredentialsGrant, ErrorKind, Origins, ReauthLayer, Session, TokenEndpoint};

use super::{
    authority::{AUTHORITIES, Authority},
    running::{Running, folder, key_file},
};

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that shows this certificate, if any; the one that the server's authority signed, or one that the client signed itself.
fn https(certificate: Option<&str>) -> Https {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(key_file("authority.crt").as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match certificate {
        Some(name) => {
            let certificate = CertificateDer::from_pem_slice(key_file(name).as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key_file("ec.pem").as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

fn origin(authority: &Authority) -> String {
    format!("https://127.0.0.1:{}", fs::read_to_string(folder(authority).join("tls-port")).unwrap())
}

fn session(authority: &Authority, https: Https, id: &str) -> Session {
    let origin = origin(authority);
    let endpoint = TokenEndpoint::new(https, format!("{origin}{}", authority.paths.token))
        .and_then(|endpoint| endpoint.revocation(format!("{origin}{}", authority.paths.revoke)))
        .unwrap()
        .client_auth(ClientAuth::mutual_tls(id));
    Session::new(ClientCredentialsGrant::new(endpoint))
}

#[tokio::test]
async fn token_is_bound_to_the_certificate_that_it_was_asked_for_with() {
    for authority in &AUTHORITIES {
        if let Err(lacking) = authority.mutual_tls {
            let server = Running::start(authority).await;
            let grant = ClientCredentialsGrant::new(server.endpoint(ClientAuth::mutual_tls("app")));
            server.caller(grant.scope(server.scope())).is_refused(lacking).await;
            assert_eq!(server.proxy.count("client_credentials"), 1);
            continue;
        }
        println!("{}", authority.kind);
        let orders =
            || Request::get(format!("{}{}", origin(authority), authority.identity)).body(Full::default()).unwrap();
        for (id, certificate) in [("certified", "client.crt"), ("self-signed", "self-signed.crt")] {
            let https_of_client = https(Some(certificate));
            let session = session(authority, https_of_client.clone(), id);
            let origins = Origins::only(origin(authority)).unwrap();
            let api = ReauthLayer::new(session.clone(), origins).layer(https_of_client);
            assert_eq!(api.clone().oneshot(orders()).await.unwrap().status(), StatusCode::OK);

            let token = session.token().await.unwrap();
            let bearer = format!("Bearer {}", token.token_set().access_token().expose_secret());
            let other = if certificate == "client.crt" { "self-signed.crt" } else { "client.crt" };
            for (shown, status) in [(Some(certificate), 200), (Some(other), 401), (None, 401)] {
                let mut stolen = orders();
                stolen.headers_mut().insert("authorization", bearer.parse().unwrap());
                assert_eq!(https(shown).oneshot(stolen).await.unwrap().status().as_u16(), status, "{shown:?}");
            }

            // Revoked by the client that the certificate names.
            session.logout().await.unwrap();
            let mut dead = orders();
            dead.headers_mut().insert("authorization", bearer.parse().unwrap());
            assert_eq!(https(Some(certificate)).oneshot(dead).await.unwrap().status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn client_without_its_certificate_is_misconfigured() {
    for authority in AUTHORITIES.iter().filter(|authority| authority.mutual_tls.is_ok()) {
        for (id, shown) in
            [("certified", None), ("certified", Some("self-signed.crt")), ("self-signed", Some("client.crt"))]
        {
            let error = session(authority, https(shown), id).token().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::Misconfigured, Some(StatusCode::UNAUTHORIZED)),
                "{error}"
            );
        }
    }
}
