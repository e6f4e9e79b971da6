//! A request that a resource server has seen.

use std::{fmt, pin::pin};

use bytes::{BufMut, Bytes};
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version, header::AUTHORIZATION, request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::bearer::token_in;
use crate::scheme::Scheme;

/// One request, as the [`Resource`](super::Resource) got it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Seen {
    /// When it came, by tokio's clock.
    pub at: Instant,
    /// Its method.
    pub method: Method,
    /// Its URI: a whole one in memory, a path over a socket.
    pub uri: Uri,
    /// Its version.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its extensions.
    pub extensions: Extensions,
    /// As much of the body as came.
    pub body: Bytes,
    /// Its trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// The body ended with an error.
    pub body_failed: bool,
    /// What it was answered with; `None` while it is held, or when the connection broke.
    pub status: Option<StatusCode>,
}

impl Seen {
    /// The access token of the `Authorization` header, if there is one such header and its scheme is spelt `Bearer`.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        token_in(&self.headers, &AUTHORIZATION, &Scheme::default())
    }

    /// Reads a request to its end.
    pub(super) async fn read<B: Body<Error: fmt::Debug>>(head: request::Parts, body: B) -> Self {
        let mut seen = Self {
            at: Instant::now(),
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            extensions: head.extensions,
            body: Bytes::new(),
            trailers: None,
            body_failed: false,
            status: None,
        };
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => bytes.put(data),
                Ok(Err(frame)) => seen.trailers = frame.into_trailers().ok(),
                Err(_) => {
                    seen.body_failed = true;
                    break;
                }
            }
        }
        seen.body = bytes.into();
        seen
    }
}

/// Invariant 9: names of headers and no values, no query, no body.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("version", &self.version)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_length", &self.body.len())
            .field("body_failed", &self.body_failed)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
