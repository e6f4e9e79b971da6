//! What a script is told when something is not possible; pages have words of their own.

use std::{fmt, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::RETRY_AFTER};
use serde_json::json;
use tower::timeout::error::Elapsed;
use tower_reauth::Error;

#[derive(Debug)]
pub(crate) enum Problem {
    /// There is no login, or none that the gateway would renew.
    LoginRequired,
    /// Not on the list of what browsers may call.
    NotAllowed,
    /// The gateway or the authorization server is in trouble, or nobody gets through to it.
    Unavailable(Option<Duration>),
    TimedOut,
    /// The cookie session can't be read or written.
    Store,
}

impl Problem {
    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::LoginRequired => (StatusCode::UNAUTHORIZED, "login_required"),
            Self::NotAllowed => (StatusCode::NOT_FOUND, "not_allowed"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
            Self::Store => (StatusCode::SERVICE_UNAVAILABLE, "no_session_store"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginRequired => "a new login is needed",
            Self::NotAllowed => "that is not on the list of what may be called",
            Self::Unavailable(_) => "the gateway can't be reached, or is in trouble",
            Self::TimedOut => "the gateway is too slow",
            Self::Store => "the session can't be read or written",
        })
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        // Whether a login is needed is asked of the session: a refusal may be temporary.
        Self::Unavailable(error.retry_after())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<tower::BoxError> for Problem {
    fn from(error: tower::BoxError) -> Self {
        if error.is::<Elapsed>() {
            return Self::TimedOut;
        }
        Error::find(&*error).map_or(Self::Unavailable(None), Self::from)
    }
}

impl From<tower_sessions::session::Error> for Problem {
    fn from(_: tower_sessions::session::Error) -> Self {
        Self::Store
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let mut response = (status, Json(json!({ "error": code }))).into_response();
        if let Self::Unavailable(Some(wait)) = self {
            let seconds = wait.as_secs().max(1);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
