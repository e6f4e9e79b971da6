//! An MCP server with one tool, which counts its calls, and streams of events that can be ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{Method, StatusCode, header::WWW_AUTHENTICATE};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig},
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::sync::watch::Sender;

/// Clones share one state.
#[derive(Clone, Default)]
pub struct Tools(Arc<Seen>);

#[derive(Default)]
struct Seen {
    calls: AtomicUsize,
    /// How many streams have begun.
    streams: Sender<usize>,
    /// How often all streams were ended.
    ends: Sender<usize>,
}

impl Tools {
    pub fn router(&self) -> Router<()> {
        let tools = self.clone();
        let mut config = StreamableHttpServerConfig::default();
        // A stream that has ended is opened again at once, and not after three seconds.
        config.sse_retry = Some(Duration::ZERO);
        let service =
            StreamableHttpService::new(move || Ok(tools.clone()), Arc::new(LocalSessionManager::default()), config);
        Router::new().nest_service("/mcp", service).layer(middleware::from_fn_with_state(self.clone(), ending))
    }

    /// How often the tool was called.
    pub fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    /// Comes back when so many streams of events have begun.
    pub async fn streams(&self, count: usize) {
        _ = self.0.streams.subscribe().wait_for(|begun| *begun >= count).await;
    }

    /// Ends all streams of events.
    pub fn end_streams(&self) {
        self.0.ends.send_modify(|ends| *ends += 1);
    }
}

async fn ending(State(Tools(seen)): State<Tools>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let mut ends = seen.ends.subscribe();
    let response = next.run(request).await;
    seen.streams.send_modify(|begun| *begun += 1);
    let end = async move { _ = ends.changed().await };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
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
        let call = self.0.calls.fetch_add(1, SeqCst) + 1;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("call {call} of {}", request.name))]).into())
    }
}

/// The answer to a token that is not good, with what RFC 9728 adds.
pub fn unauthorized() -> Response {
    let challenge = "Bearer error=\"invalid_token\", \
                     resource_metadata=\"https://tools.example/.well-known/oauth-protected-resource/mcp\"";
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}
