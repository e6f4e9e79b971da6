//! A session login without OAuth: OpenStack Keystone. Name and password go out as JSON, the token comes back in a header, a 401 means
//! that it is time to log in again, and a logout is a `DELETE`.
//!
//! `cargo run --example keystone` brings a Keystone and a compute service of its own.
//!
//! `keystone.rs` is what a program would copy: the login and the logout as a `Grant`.

mod keystone;
mod server;

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{Error, Origins, ReauthLayer, Scheme, Session, Status};

use crate::{keystone::KeystoneLogin, server::OpenStack};

type Http = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let openstack = OpenStack::new("alice", "correct-horse", Duration::from_secs(3600));
    let url = openstack.start().await?;
    let http: Http = Client::builder(TokioExecutor::new()).build_http();

    let login = KeystoneLogin::new(http.clone(), &url, "alice", "correct-horse").project("demo");
    let session = Session::new(login);
    // Without a scheme every 401 counts, whatever it names: OpenStack's services name one of their own, `Keystone uri="…"`.
    let layer = ReauthLayer::new(session.clone(), Origins::only(&url)?).header("x-auth-token")?.scheme(Scheme::bare());
    let compute = ServiceBuilder::new().layer(layer).service(http.clone());
    let call = async || -> anyhow::Result<()> {
        let request = Request::get(format!("{url}/v2.1/servers")).body(Full::default())?;
        let response = compute.clone().oneshot(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("  GET /v2.1/servers: {status} {}", String::from_utf8_lossy(&body));
        ensure!(status == StatusCode::OK, "the call was not healed");
        Ok(())
    };

    println!("the first call logs in:");
    call().await?;
    println!("an administrator revokes the token, and nobody notices:");
    openstack.revoke_all();
    call().await?;
    ensure!(openstack.logins() == 2, "one login was expected for each token");

    println!("the logout is a DELETE:");
    session.logout().await?;
    println!("  tokens that are left at Keystone: {}", openstack.tokens());
    ensure!(openstack.tokens() == 0, "the token outlived the logout");

    println!("a wrong password is sent once:");
    let wrong = Session::new(KeystoneLogin::new(http, &url, "alice", "wrong"));
    for _ in 0..3 {
        let error = wrong.token().await.err().map(|error: Error| error.to_string());
        println!("  {}", error.unwrap_or_default());
    }
    ensure!(wrong.status() == Status::Refused && openstack.refused() == 1, "the wrong password was sent again");
    Ok(())
}
