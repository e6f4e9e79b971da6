use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::{ClientInitializeError, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tower::Layer;
use tower_reauth::{
    Error, ErrorKind, Origins, ReauthLayer, Session,
    testing::{Answer, Issuer},
};
use tower_reauth_clients::{
    clients::rmcp::Renewing,
    server::{guarded, http, rejected, session},
    tools::{Tools, unauthorized},
};

struct World {
    issuer: Issuer,
    session: Session,
    tools: Tools,
    url: String,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let (issuer, tools) = (Issuer::new(), Tools::default());
        let url = guarded(tools.router(), &issuer, unauthorized).await?;
        Ok(Self { session: session(&issuer), issuer, tools, url })
    }

    async fn connect(&self) -> Result<RunningService<RoleClient, ()>, ClientInitializeError> {
        let origins = Origins::only(&self.url).expect("an address");
        let layer = ReauthLayer::new(&self.session, origins);
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.url));
        ().serve(StreamableHttpClientTransport::with_client(Renewing(layer.layer(http())), config)).await
    }
}

async fn weigh(client: &RunningService<RoleClient, ()>) -> Result<String, rmcp::ServiceError> {
    let answer = client.call_tool(CallToolRequestParams::new("weigh")).await?;
    Ok(answer.content.iter().filter_map(|part| Some(part.as_text()?.text.as_str())).collect())
}

#[tokio::test]
async fn a_tool_call_heals_and_runs_once() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    assert_eq!(weigh(&client).await?, "call 1 of weigh");
    world.issuer.revoke_all();
    assert_eq!(weigh(&client).await?, "call 2 of weigh");
    assert_eq!((world.tools.calls(), world.issuer.token_requests()), (2, 2));
    client.cancel().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_of_events_is_opened_again_with_a_new_token() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.tools.streams(1).await;
    world.issuer.revoke_all();
    world.tools.end_streams();
    world.tools.streams(2).await;
    assert_eq!((world.issuer.token_requests(), rejected(&world.issuer)), (2, 1));
    client.cancel().await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_found_in_rmcps_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.issuer.always(Answer::error(401, "invalid_client"));
    let Err(ClientInitializeError::TransportError { error, .. }) = world.connect().await else { panic!("let in") };
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_logout_is_found_in_rmcps_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.session.logout().await?;
    let error = weigh(&client).await.expect_err("nobody is let in");
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::LoggedOut), "{error}");
    assert_eq!(world.tools.calls(), 0);
    Ok(())
}

#[tokio::test]
async fn a_rejection_that_stays_is_rmcps_own_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.issuer.always(Answer::error(401, "invalid_client"));
    world.issuer.revoke_all();
    let error = weigh(&client).await.expect_err("nobody is let in");
    // The layer passes the rejection on, and rmcp shows its challenge.
    assert!(error.auth_challenge().is_some_and(|challenge| challenge.contains("resource_metadata")), "{error}");
    Ok(())
}
