//! The device flow (RFC 8628): the browser is on another machine, and the user takes a code there.

use oauth2::{
    ClientId, ClientSecret, DeviceAuthorizationUrl, Scope, StandardDeviceAuthorizationResponse, TokenUrl,
    basic::{BasicClient, BasicTokenResponse},
};
use secrecy::ExposeSecret;

use super::explain;
use crate::{
    failure::Failure,
    http_client::{self, Http},
    output::{plain, say},
    server::Server,
};

pub(super) async fn log_in(server: &Server, http: Http) -> Result<BasicTokenResponse, Failure> {
    let device = DeviceAuthorizationUrl::new(server.device_authorization()?.to_owned()).map_err(Failure::input)?;
    let token = TokenUrl::new(server.token.clone()).map_err(Failure::input)?;
    let mut client = BasicClient::new(ClientId::new(server.client_id.clone()))
        .set_device_authorization_url(device)
        .set_token_uri(token);
    if let Some(secret) = &server.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }
    let send = |request| http_client::send(http.clone(), request);

    let ask = client.exchange_device_code().add_scopes(server.scopes.iter().cloned().map(Scope::new));
    let device: StandardDeviceAuthorizationResponse = ask.request_async(&send).await.map_err(explain)?;
    let (page, code) = (device.verification_uri().as_str(), plain(device.user_code().secret()));
    say(format_args!("Open {} in any browser, and enter the code {code}.", plain(page)));
    if let Some(complete) = device.verification_uri_complete() {
        say("This address brings the code along:");
        say(plain(complete.secret()));
    }

    // It asks as often as the server allows, and until the code expires.
    let polls = client.exchange_device_access_token(&device);
    Ok(polls.request_async(&send, tokio::time::sleep, None).await.map_err(explain)?)
}
