//! A tool that is called before and after its token dies.

use rmcp::{
    ServiceExt,
    model::CallToolRequestParams,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tower::Layer;
use tower_reauth::{Origins, ReauthLayer};
use tower_reauth_clients::{
    clients::rmcp::Renewing,
    gateway::{Gateway, http, session},
    tools::{Tools, unauthorized},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let (gateway, tools) = (Gateway::default(), Tools::default());
    let url = gateway.start(tools.router(), unauthorized).await?;
    let layer = ReauthLayer::new(session(&url)?, Origins::only(&url)?);
    let transport = StreamableHttpClientTransport::with_client(
        Renewing(layer.layer(http())),
        StreamableHttpClientTransportConfig::with_uri(format!("{url}/mcp")),
    );
    let client = ().serve(transport).await?;

    for _ in 0..2 {
        let answer = client.call_tool(CallToolRequestParams::new("weigh")).await?;
        println!(
            "  {}",
            answer.content.iter().filter_map(|part| Some(part.as_text()?.text.as_str())).collect::<String>()
        );
        println!("  the token dies");
        gateway.revoke();
    }
    client.cancel().await?;
    println!("  {} tokens were issued, and {} requests rejected", gateway.issued(), gateway.rejected());
    Ok(())
}
