//! The faults of WSO2's gateway, as JSON or XML.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use super::proofs::ALGORITHMS;

const CHALLENGE: &str = "OAuth2 realm=\"WSO2 API Manager 4\", error=\"invalid_token\", \
     error_description=\"The provided token is invalid\"";

/// Why an API call is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 900901: the token is unknown.
    InvalidCredentials,
    /// 900902: there is no token.
    MissingCredentials,
    /// 900903: the token has expired.
    Expired,
    /// 900904: the token was revoked, or replaced by a refresh.
    Inactive,
    /// The token is bound to a key, and the call does not prove to have it; with the code of RFC 9449 for that.
    Unproved(&'static str),
}

impl Fault {
    /// WSO2's code.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::InvalidCredentials | Self::Unproved(_) => 900_901,
            Self::MissingCredentials => 900_902,
            Self::Expired => 900_903,
            Self::Inactive => 900_904,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::InvalidCredentials | Self::Unproved(_) => "invalid credentials",
            Self::MissingCredentials => "missing credentials",
            Self::Expired => "access token expired",
            Self::Inactive => "access token inactive",
        }
    }

    /// The answer, in the form that the request's `Accept` asks for.
    pub(super) fn answer(self, request: &HeaderMap) -> Response {
        let (code, message) = (self.code(), self.message());
        let accept = request.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let (kind, body) = if accept.contains("json") {
            let body = format!(r#"{{"code":"{code}","message":"{message}","description":"call to /orders refused"}}"#);
            ("application/json; charset=UTF-8", body)
        } else {
            let body = format!(
                "<ams:fault xmlns:ams=\"http://wso2.org/apimanager/security\"><ams:code>{code}</ams:code>\
                 <ams:message>{message}</ams:message>\
                 <ams:description>call to /orders refused</ams:description></ams:fault>"
            );
            ("application/xml; charset=UTF-8", body)
        };
        let challenge = match self {
            Self::Unproved(code) => format!("DPoP algs=\"{ALGORITHMS}\", error=\"{code}\""),
            _ => CHALLENGE.to_owned(),
        };
        let mut answer = (StatusCode::UNAUTHORIZED, [(CONTENT_TYPE, kind)], body).into_response();
        answer.headers_mut().extend(HeaderValue::try_from(challenge).map(|value| (WWW_AUTHENTICATE, value)));
        answer
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.message())?;
        match self {
            Self::Unproved(code) => write!(f, " (DPoP: {code})"),
            _ => Ok(()),
        }
    }
}
