//! What a program is told when there is no answer of the upstream (RFC 9457; for gRPC its status).

use std::{error::Error as StdError, time::Duration};

use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Empty, Full};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde_json::json;
use tower_reauth::{Error, ErrorKind};

use crate::client::Body;

/// No secret is in it: the messages of the layer and of the client hold none.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), retry_after: None }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// In the form that the program understands.
    pub(crate) fn into_response(self, is_grpc: bool) -> Response<Body> {
        if is_grpc {
            return self.into_grpc();
        }
        let problem = json!({ "title": self.title, "status": self.status.as_u16(), "detail": self.detail });
        let body = Full::from(problem.to_string()).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().max(1).into());
        }
        response
    }

    /// An answer of trailers only. The code is that of the status, as gRPC's table of HTTP statuses has it.
    fn into_grpc(self) -> Response<Body> {
        let code = match self.status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
            StatusCode::GATEWAY_TIMEOUT => 4,
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            _ => 13,
        };
        let message = format!("{}: {}", self.title, self.detail);
        let message = HeaderValue::try_from(utf8_percent_encode(&message, CONTROLS).to_string());
        let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from(code));
        if let Ok(message) = message {
            response.headers_mut().insert("grpc-message", message);
        }
        response
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let (status, title) = match error.kind() {
            ErrorKind::Service => (StatusCode::BAD_GATEWAY, "the upstream cannot be reached, or broke off"),
            ErrorKind::WaitedTooLong | ErrorKind::TimedOut => {
                (StatusCode::GATEWAY_TIMEOUT, "the authorization server is too slow")
            }
            ErrorKind::Refused | ErrorKind::Misconfigured => {
                (StatusCode::BAD_GATEWAY, "the authorization server refuses to give a token")
            }
            _ if error.is_transient() => (StatusCode::SERVICE_UNAVAILABLE, "there is no token at the moment"),
            _ => (StatusCode::BAD_GATEWAY, "there is no token"),
        };
        Self { retry_after: error.retry_after(), ..Self::new(status, title, told(error)) }
    }
}

/// An error of the layer tells its causes itself.
fn told(error: &Error) -> String {
    match error.source() {
        Some(source) if error.kind() == ErrorKind::Service => {
            let causes = std::iter::successors(Some(source), |&error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
        _ => error.to_string(),
    }
}
