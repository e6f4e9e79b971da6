//! One grant feeds another: an employee's identity, asserted by the company's authorization server, opens an API of another firm.
//!
//! `cargo run --features jwt --example identity_chain` brings both authorization servers and the API.
//!
//! 1. At the company's server the employee's ID token is *exchanged* (RFC 8693) for an identity assertion that names the API's
//!    server as its audience.
//! 2. At the API's server that assertion is sent as a *JWT bearer* (RFC 7523). The client authenticates by a signed JWT.
//! 3. The API's token is revoked. The next call heals: the assertion is still good, so one token request is enough.
//! 4. The assertion expires, and the token is revoked again: the chain is renewed from its start, in one call.

mod api;
mod company;
mod key;
mod server;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{
    ClientAuth, JwtBearerGrant, Origins, Reauth, ReauthLayer, Session, TokenEndpoint, TokenExchangeGrant, TokenType,
};

use crate::{api::Api, company::Company, key::Key};

type Http = Client<HttpConnector, Full<Bytes>>;

/// How long an identity assertion lives here; five minutes are usual.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client_key = Key::new("billing-1")?;
    let company = Company::start(ASSERTION_LIFETIME).await?;
    let api = Api::start(company.url(), company.key().public(), client_key.public()).await?;
    let http: Http = Client::builder(TokioExecutor::new()).build_http();

    // What the employee's login brought; a real program has it from its OpenID Connect library.
    let id_token = company.id_token("alice@company.example")?;
    let at_company = TokenEndpoint::new(http.clone(), company.endpoint())?
        .client_auth(ClientAuth::basic("billing", "secret-of-billing-at-the-company"));
    let identity = Session::new(
        TokenExchangeGrant::new(at_company, id_token)
            .subject_token_type(TokenType::ID_TOKEN)
            .requested_token_type(TokenType::ID_JAG)
            .audience(api.url())
            .scope("orders"),
    );

    let at_api = TokenEndpoint::new(http.clone(), api.endpoint())?
        .issuer(api.url())
        .client_auth(ClientAuth::private_key_jwt("billing", client_key.signer()?));
    let session = Session::new(JwtBearerGrant::new(at_api, &identity));
    let orders =
        ServiceBuilder::new().layer(ReauthLayer::new(session.clone(), Origins::only(api.url())?)).service(http);

    println!("the first call:");
    call(&orders, &api).await?;
    tell(&company, &api, (1, 1))?;

    println!("\nthe API's token is revoked, the assertion is still good:");
    api.revoke_all();
    call(&orders, &api).await?;
    tell(&company, &api, (1, 2))?;

    println!("\nthe assertion has expired, and the token is revoked again:");
    tokio::time::sleep(ASSERTION_LIFETIME).await;
    api.revoke_all();
    call(&orders, &api).await?;
    tell(&company, &api, (2, 3))
}

async fn call(orders: &Reauth<Http>, api: &Api) -> anyhow::Result<()> {
    let request = Request::get(format!("{}/orders", api.url())).body(Full::default())?;
    let status = orders.clone().oneshot(request).await?.status();
    println!("  GET /orders: {status}");
    anyhow::ensure!(status == StatusCode::OK, "the call was not healed");
    Ok(())
}

fn tell(company: &Company, api: &Api, expected: (usize, usize)) -> anyhow::Result<()> {
    let seen = (company.exchanges(), api.grants());
    println!("  so far {} exchange at the company, {} JWT bearer at the API", seen.0, seen.1);
    anyhow::ensure!(seen == expected, "other token requests than these were made");
    Ok(())
}
