//! Mutual TLS (RFC 8705): a certificate is the client's credential, and its tokens are worth nothing without it.
//!
//! `cargo run --example mutual_tls` brings a server and an authority for certificates of its own.

mod certificates;
mod server;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{ClientAuth, ClientCredentialsGrant, Error, Origins, ReauthLayer, Session, TokenEndpoint};

use crate::{
    certificates::{Authority, Identity, Validity},
    server::Server,
};

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let authority = Authority::new("authority")?;
    let ours = authority.issue("stock-service", Validity::Now)?;
    let server = Server::start(&authority, &ours).await?;

    println!("with the certificate:");
    // The certificate is the transport's: one client for the token endpoint and for the API, so that both see the same one.
    let https = client(&authority, Some(&ours))?;
    let session = log_in(&server, https.clone())?;
    let api =
        ServiceBuilder::new().layer(ReauthLayer::new(session.clone(), Origins::only(server.url(""))?)).service(https);
    let orders = || Request::get(server.url("/orders")).body(Full::default());
    println!("  a call: {}", api.clone().oneshot(orders()?).await?.status());
    let token = session.token().await?;
    let token = token.token_set().access_token().expose_secret();
    println!("  what the server knows of its token: {}", server.introspect(token));
    server.revoke_all();
    let status = api.clone().oneshot(orders()?).await?.status();
    println!("  a call after the token died: {status}, by {} token requests in all", server.token_requests());
    ensure!(status == StatusCode::OK && server.token_requests() == 2, "the token was not renewed once");

    println!("with the token, copied by somebody else:");
    let token = session.token().await?;
    let bearer = format!("Bearer {}", token.token_set().access_token().expose_secret());
    let theirs = authority.issue("thief", Validity::Now)?;
    for (whose, identity) in [("no certificate", None), ("another certificate", Some(&theirs)), ("ours", Some(&ours))] {
        let mut stolen = orders()?;
        stolen.headers_mut().insert("authorization", bearer.parse()?);
        let status = client(&authority, identity)?.oneshot(stolen).await?.status();
        println!("  and {whose}: {status}");
        ensure!((status == StatusCode::OK) == (whose == "ours"), "the token is not bound to its certificate");
    }

    println!("what is read in a log when a token can't be had:");
    let expired = authority.issue("stock-service", Validity::Past)?;
    let stranger = Authority::new("another authority")?;
    let refused = [
        ("an expired certificate", &authority, Some(&expired), "CertificateExpired"),
        ("no certificate", &authority, None, "invalid_client"),
        ("a server of an authority that we don't trust", &stranger, Some(&ours), "UnknownIssuer"),
    ];
    for (why, trusted, identity, named) in refused {
        let outcome = log_in(&server, client(trusted, identity)?)?.token().await;
        let error = outcome.err().context("a token came all the same")?.to_string();
        println!("  {why}:\n    {error}");
        ensure!(error.contains(named), "the error does not name its cause");
    }
    Ok(())
}

fn log_in(server: &Server, https: Https) -> Result<Session, Error> {
    // The server finds the client by its name, and knows it by its certificate (RFC 8705 §2).
    let endpoint =
        TokenEndpoint::new(https, server.url("/token"))?.client_auth(ClientAuth::mutual_tls("stock-service"));
    Ok(Session::new(ClientCredentialsGrant::new(endpoint)))
}

/// A client that shows this certificate to every server that asks for one.
fn client(authority: &Authority, identity: Option<&Identity>) -> anyhow::Result<Https> {
    let config = ClientConfig::builder().with_root_certificates(authority.roots()?);
    let config = match identity {
        Some(identity) => config.with_client_auth_cert(vec![identity.certificate.clone()], identity.key())?,
        None => config.with_no_client_auth(),
    };
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
