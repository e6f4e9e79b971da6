//! The authorization code with PKCE (RFC 8252, RFC 7636): the browser comes back to an address of this machine.

use std::time::Duration;

use anyhow::Context;
use oauth2::{
    AuthUrl, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, Scope, TokenUrl,
    basic::{BasicClient, BasicTokenResponse},
};
use secrecy::ExposeSecret;

use super::{explain, loopback::Loopback};
use crate::{
    failure::Failure,
    http_client::{self, Http},
    output::say,
    server::Server,
};

/// How long the user may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn log_in(server: &Server, http: Http) -> Result<BasicTokenResponse, Failure> {
    let authorize = AuthUrl::new(server.authorize()?.to_owned()).map_err(Failure::input)?;
    let token = TokenUrl::new(server.token.clone()).map_err(Failure::input)?;
    let loopback = Loopback::bind().await.context("no port of 127.0.0.1 is free")?;
    let mut client = BasicClient::new(ClientId::new(server.client_id.clone()))
        .set_auth_uri(authorize)
        .set_token_uri(token)
        .set_redirect_uri(loopback.redirect_uri()?);
    if let Some(secret) = &server.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scopes(server.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge)
        .url();
    say("Open this address in the browser:");
    say(address);
    let code = tokio::time::timeout(PATIENCE, loopback.code(&state)).await;
    let code = code.map_err(|_| anyhow::anyhow!("the browser did not come back within {} s", PATIENCE.as_secs()))??;

    let exchange = client.exchange_code(code).set_pkce_verifier(verifier);
    Ok(exchange.request_async(&|request| http_client::send(http.clone(), request)).await.map_err(explain)?)
}
