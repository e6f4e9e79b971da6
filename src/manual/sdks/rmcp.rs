use std::{collections::HashMap, io, sync::Arc};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header, request};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::{
        common::http_header::{EVENT_STREAM_MIME_TYPE, HEADER_LAST_EVENT_ID, HEADER_SESSION_ID, JSON_MIME_TYPE},
        streamable_http_client::{
            AuthRequiredError, SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        },
    },
};
use sse_stream::{Sse, SseStream};
use tower::{BoxError, Service, ServiceExt};

/// The HTTP client of an rmcp transport: a `Reauth` of any client.
#[derive(Clone)]
pub struct Renewing<S>(pub S);

const LIMIT: usize = 16 * 1024 * 1024;

// A session of MCP, not one of tower-reauth.
type Session = Option<Arc<str>>;
type Headers = HashMap<HeaderName, HeaderValue>;
type Failure = StreamableHttpError<io::Error>;

impl<S, B> StreamableHttpClient for Renewing<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = tower_reauth::Error>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Error = io::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Session,
        _: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let request = Request::post(&*uri)
            .header(header::CONTENT_TYPE, JSON_MIME_TYPE)
            .header(header::ACCEPT, format!("{EVENT_STREAM_MIME_TYPE}, {JSON_MIME_TYPE}"));
        let response = self.send(request, session, headers, serde_json::to_vec(&message)?).await?;

        let session = text(&response, HEADER_SESSION_ID);
        let kind = text(&response, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            Ok(StreamableHttpPostResponse::Accepted)
        } else if kind.starts_with(EVENT_STREAM_MIME_TYPE) {
            Ok(StreamableHttpPostResponse::Sse(events(response.into_body()), session))
        } else if kind.starts_with(JSON_MIME_TYPE) {
            let body = Limited::new(response.into_body(), LIMIT).collect().await.map_err(io::Error::other)?;
            Ok(StreamableHttpPostResponse::Json(serde_json::from_slice(&body.to_bytes())?, session))
        } else {
            Err(unexpected(&response))
        }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Session,
        last_event: Option<String>,
        _: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let mut request = Request::get(&*uri).header(header::ACCEPT, EVENT_STREAM_MIME_TYPE);
        if let Some(last_event) = last_event {
            request = request.header(HEADER_LAST_EVENT_ID, last_event);
        }
        let response = self.send(request, session, headers, Vec::new()).await?;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(Failure::ServerDoesNotSupportSse),
            status if status.is_success() => Ok(events(response.into_body())),
            _ => Err(unexpected(&response)),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: Headers,
    ) -> Result<(), Failure> {
        let response = self.send(Request::delete(&*uri), Some(session), headers, Vec::new()).await?;
        // Not every server lets its clients end a session.
        let is_done = response.status().is_success() || response.status() == StatusCode::METHOD_NOT_ALLOWED;
        if is_done { Ok(()) } else { Err(unexpected(&response)) }
    }
}

impl<S, B> Renewing<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = tower_reauth::Error> + Clone,
{
    async fn send(
        &self,
        mut request: request::Builder,
        session: Session,
        headers: Headers,
        body: Vec<u8>,
    ) -> Result<Response<B>, Failure> {
        if let Some(session) = &session {
            request = request.header(HEADER_SESSION_ID, &**session);
        }
        let mut request = request.body(Full::from(body)).map_err(io::Error::other)?;
        request.headers_mut().extend(headers);
        let response = self.0.clone().oneshot(request).await.map_err(io::Error::other)?;
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                let challenge = text(&response, header::WWW_AUTHENTICATE.as_str()).unwrap_or_default();
                Err(Failure::AuthRequired(AuthRequiredError::new(challenge)))
            }
            StatusCode::NOT_FOUND if session.is_some() => Err(Failure::SessionExpired),
            _ => Ok(response),
        }
    }
}

fn text<B>(response: &Response<B>, header: &str) -> Option<String> {
    Some(response.headers().get(header)?.to_str().ok()?.to_owned())
}

fn events<B>(body: B) -> BoxStream<'static, Result<Sse, SseError>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    SseStream::new(body.map_err(io::Error::other)).boxed()
}

fn unexpected<B>(response: &Response<B>) -> Failure {
    Failure::UnexpectedServerResponse(response.status().to_string().into())
}
