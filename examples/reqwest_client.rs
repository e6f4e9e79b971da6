//! reqwest as people write it, with `send_through` in the place of `send`.
//!
//! `cargo run --features reqwest --example reqwest_client` brings its own gateway.

mod support;

use reqwest::{Client, multipart::Form, redirect::Policy};
use serde_json::{Value, json};
use tower_reauth::{
    ClientAuth, Origins, PasswordGrant, ReauthLayer, ReqwestService, SendThrough, Session, TokenEndpoint,
};

use crate::support::{Options, Regime};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::new(Regime::Jwt).user("alice", "password").client("consumer-key", "consumer-secret");
    let gateway = support::start(options).await?;
    let orders = gateway.url("/orders");

    // It must not follow redirects by itself: it would send the password along, unseen.
    let client = Client::builder().redirect(Policy::none()).build()?;
    let tokens = ReqwestService::new(client.clone());
    let endpoint = TokenEndpoint::with_body::<reqwest::Body>(tokens, gateway.url("/oauth2/token"))?
        .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"))
        .revocation(gateway.url("/oauth2/revoke"))?;
    let session = Session::new(PasswordGrant::new(endpoint, "alice", "password"));
    let api = ReauthLayer::new(&session, Origins::only(gateway.url(""))?);

    for order in [json!({ "pears": 2 }), json!({ "plums": 3 })] {
        let response = client.post(&orders).json(&order).send_through(&api).await?.error_for_status()?;
        println!("{}: {}", response.status(), response.json::<Value>().await?);
        gateway.gateway().revoke_all();
        println!("the token dies behind the client's back");
    }

    let form = Form::new().text("fruit", "pear").text("letter", "Dear gardener. ".repeat(7_000));
    let response = client.post(&orders).multipart(form).send_through(&api).await?.error_for_status()?;
    println!("{}: a form of {} bytes", response.status(), response.bytes().await?.len());

    session.logout().await?;
    println!("{} orders, {} rejections, which nobody saw", gateway.gateway().orders(), gateway.counters().rejected);
    Ok(())
}
