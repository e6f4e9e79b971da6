//! A source of tokens by huskarl as a grant: huskarl asks for tokens, this crate shares the renewal and replays the request.
//!
//! `cargo run` in this folder brings a server of its own.

mod grant;
mod server;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use huskarl::{
    cache::{GrantTokenSource, InMemoryRefreshTokenStore},
    core::{
        EndpointUrl,
        client_auth::ClientSecret,
        secrets::{ProvidedSecret, SecretString},
    },
    grant::client_credentials::{ClientCredentialsGrant, ClientCredentialsGrantParameters},
};
use huskarl_reqwest::ReqwestClient;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{Origins, ReauthLayer, Session};

use crate::grant::Huskarl;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = server::start().await?;
    let grant = ClientCredentialsGrant::builder()
        .client_id("billing")
        .http_client(ReqwestClient::builder().build().await?)
        .client_auth(ClientSecret::new(ProvidedSecret::new(SecretString::new("secret"))))
        .token_endpoint(format!("{}/token", server.url).parse::<EndpointUrl>()?)
        .build();
    let source = GrantTokenSource::builder()
        .grant(grant)
        .grant_parameters(ClientCredentialsGrantParameters::builder().build())
        .refresh_store(InMemoryRefreshTokenStore::default())
        .build();
    let session = Session::new(Huskarl(source));
    let api = ServiceBuilder::new()
        .layer(ReauthLayer::new(session, Origins::only(&server.url)?))
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());

    for round in 1..=2 {
        let calls = (0..10).map(|_| {
            let request = Request::get(format!("{}/orders", server.url)).body(Full::default());
            let api = api.clone();
            tokio::spawn(async move { anyhow::Ok(api.oneshot(request?).await?.status()) })
        });
        for call in calls.collect::<Vec<_>>() {
            anyhow::ensure!(call.await?? == StatusCode::OK, "a call was not healed");
        }
        println!("ten calls at once, all 200; token requests so far: {}", server.token_requests());
        anyhow::ensure!(server.token_requests() == round, "the renewal was not shared");
        server.revoke();
        println!("the token dies behind the client's back");
    }
    Ok(())
}
