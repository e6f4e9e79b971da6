//! reqwest's client, both for the API and for the token endpoint.
//!
//! `cargo run --features reqwest --example reqwest_client` brings its own gateway.

mod support;

use http::{Request, Response};
use http_body_util::BodyExt;
use reqwest::redirect::Policy;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{ClientAuth, Origins, PasswordGrant, ReauthLayer, Session, TokenEndpoint};

use crate::support::{Options, Regime};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::new(Regime::Jwt).user("alice", "password").client("consumer-key", "consumer-secret");
    let gateway = support::start(options).await?;

    // reqwest's client has request and response types of its own; these lines make it take those of `http`. It must not
    // follow redirects by itself: it would send the password along, unseen.
    let client = ServiceBuilder::new()
        .map_response(Response::<reqwest::Body>::from)
        .filter(|request: Request<reqwest::Body>| reqwest::Request::try_from(request))
        .service(reqwest::Client::builder().redirect(Policy::none()).build()?);

    let endpoint = TokenEndpoint::with_body::<reqwest::Body>(client.clone(), &gateway.url("/oauth2/token"))?
        .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"))
        .revocation(gateway.url("/oauth2/revoke"))?;
    let session = Session::new(PasswordGrant::new(endpoint, "alice", "password"));
    let api =
        ServiceBuilder::new().layer(ReauthLayer::new(session.clone(), Origins::only(gateway.url(""))?)).service(client);

    for order in ["2 pears", "3 plums"] {
        let request = Request::post(gateway.url("/orders")).body(reqwest::Body::from(order))?;
        let response = api.clone().oneshot(request).await?;
        let status = response.status();
        let echo = response.into_body().collect().await?.to_bytes();
        println!("{status}: {}", String::from_utf8_lossy(&echo));
        anyhow::ensure!(status.is_success(), "the order was not taken");
        gateway.gateway().revoke_all();
        println!("the token dies behind the client's back");
    }
    session.logout().await?;
    let counters = gateway.counters();
    println!("{} orders, {} rejection, which nobody saw", gateway.gateway().orders(), counters.rejected);
    Ok(())
}
