//! A tool that is called before and after its token dies.

use rmcp::{
    ServiceExt,
    model::CallToolRequestParams,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tower::Layer;
use tower_reauth::{Origins, ReauthLayer, testing::Issuer};
use tower_reauth_clients::{
    clients::rmcp::Renewing,
    server::{guarded, http, rejected, session},
    tools::{Tools, unauthorized},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let (issuer, tools) = (Issuer::new(), Tools::default());
    let url = guarded(tools.router(), &issuer, unauthorized).await?;
    let layer = ReauthLayer::new(session(&issuer), Origins::only(&url)?);
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
        issuer.revoke_all();
    }
    client.cancel().await?;
    println!(
        "  {} token requests, and {} calls rejected that rmcp never saw",
        issuer.token_requests(),
        rejected(&issuer)
    );
    Ok(())
}
