use std::{sync::Arc, time::Duration};

use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::{ClientInitializeError, RunningService},
    transport::{
        StreamableHttpClientTransport, common::client_side_sse::SseRetryPolicy,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
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
        let mut config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.url));
        config.retry_config = Arc::new(AtOnce);
        ().serve(StreamableHttpClientTransport::with_client(Renewing(layer.layer(http())), config)).await
    }
}

/// rmcp would wait a second before it opens a stream again.
#[derive(Debug)]
struct AtOnce;

impl SseRetryPolicy for AtOnce {
    fn retry(&self, _: usize) -> Option<Duration> {
        Some(Duration::ZERO)
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
async fn a_stream_of_events_is_opened_again_with_a_new_token() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.tools.streams(1).await;
    world.gateway.revoke();
    world.tools.end_streams();
    world.tools.streams(2).await;
    assert_eq!((world.gateway.issued(), world.gateway.rejected()), (2, 1));
    client.cancel().await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_found_in_rmcps_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.gateway.refuse_logins();
    let Err(ClientInitializeError::TransportError { error, .. }) = world.connect().await else { panic!("let in") };
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_rejection_that_stays_is_rmcps_own_error() -> anyhow::Result<()> {
    let world = World::new().await?;
    let client = world.connect().await?;
    world.gateway.refuse_logins();
    world.gateway.revoke();
    let error = weigh(&client).await.expect_err("nobody is let in");
    // The layer passes the rejection on, and rmcp shows its challenge.
    assert!(error.auth_challenge().is_some_and(|challenge| challenge.contains("resource_metadata")), "{error}");
    Ok(())
}
