//! An MCP server with one tool, which counts its calls.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::WWW_AUTHENTICATE};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig},
    service::RequestContext,
    transport::streamable_http_server::{StreamableHttpService, session::local::LocalSessionManager},
};

/// Clones share one counter.
#[derive(Clone, Default)]
pub struct Tools(Arc<AtomicUsize>);

impl Tools {
    pub fn router(&self) -> Router<()> {
        let tools = self.clone();
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            Default::default(),
        );
        Router::new().nest_service("/mcp", service)
    }

    /// How often the tool was called.
    pub fn calls(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = self.0.fetch_add(1, SeqCst) + 1;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("call {call} of {}", request.name))]).into())
    }
}

/// The answer to a token that is not good, with what RFC 9728 adds.
pub fn unauthorized() -> Response {
    let challenge = "Bearer error=\"invalid_token\", \
                     resource_metadata=\"https://tools.example/.well-known/oauth-protected-resource/mcp\"";
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}
