use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::{ClientInitializeError, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tower::Layer;
use tower_reauth::{Error, ErrorKind, Origins, ReauthLayer};
use tower_reauth_clients::{
    clients::rmcp::Renewing,
    gateway::{Gateway, http, session},
    tools::{Tools, unauthorized},
};

struct World {
    gateway: Gateway,
    tools: Tools,
    url: String,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let (gateway, tools) = (Gateway::default(), Tools::default());
        let url = gateway.start(tools.router(), unauthorized).await?;
        Ok(Self { gateway, tools, url })
    }

    async fn connect(&self) -> Result<RunningService<RoleClient, ()>, ClientInitializeError> {
        let origins = Origins::only(&self.url).expect("an address");
        let layer = ReauthLayer::new(session(&self.url).expect("an address"), origins);
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
    world.gateway.revoke();
    assert_eq!(weigh(&client).await?, "call 2 of weigh");
    assert_eq!((world.tools.calls(), world.gateway.issued()), (2, 2));
    client.cancel().await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_login_is_found_in_rmcps_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.gateway.refuse_logins();
    let Err(ClientInitializeError::TransportError { error, .. }) = world.connect().await else { panic!("let in") };
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Refused), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_call_after_a_refused_login_says_so() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.gateway.refuse_logins();
    world.gateway.revoke();
    let error = weigh(&client).await.expect_err("nobody is let in");
    // The layer passes the rejection on, and rmcp shows its challenge.
    assert!(error.auth_challenge().is_some_and(|challenge| challenge.contains("resource_metadata")), "{error}");
    Ok(())
}
