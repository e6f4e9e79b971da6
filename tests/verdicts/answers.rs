//! The table of answers: what a server says, and in which words.

use tower_reauth::ErrorKind;

use crate::support::Answer;

/// What an answer says, told by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// Come back later.
    Wait,
    /// There were too many requests.
    Throttled,
    /// The client is not the one.
    Client,
    /// The server is in trouble.
    Broken,
    /// Something before the server spoke.
    Page,
    /// The request may not be made.
    NotAllowed,
    /// A refusal with a code that leaves no doubt.
    Known,
    /// A refusal with another code.
    Code,
    /// A refusal without a code, by a status of OAuth.
    Status,
    /// A refusal without a code, by another status.
    Vague,
    /// As one, but a wrong address is answered like that.
    Address,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) status: u16,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
    pub(crate) says: Says,
    pub(crate) kind: ErrorKind,
}

impl Row {
    pub(crate) fn answer(&self) -> Answer {
        let answer = Answer::status(self.status, self.body);
        self.headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value))
    }
}

const fn row(status: u16, body: &'static str, says: Says, kind: ErrorKind) -> Row {
    Row { status, headers: &[], body, says, kind }
}

const PAGE: &str = "\r\n<!DOCTYPE html><html><body>Access denied</body></html>";

pub(crate) const ROWS: &[Row] = {
    use ErrorKind::{
        EmptyAnswer, InvalidAccessToken, MalformedAnswer, Misconfigured, MissingAccessToken, NotJson, Redirected,
        Refused, Unavailable, UnexpectedStatus,
    };
    use Says::{Address, Broken, Client, Code, Known, NotAllowed, Page, Status, Throttled, Vague, Wait};
    &[
        // No body: glewlwyd and others.
        row(400, "", Status, Refused),
        row(401, "", Status, Refused),
        row(402, "", Vague, Refused),
        row(403, "", Vague, Refused),
        row(404, "", Address, UnexpectedStatus),
        row(405, "", Address, UnexpectedStatus),
        row(410, "", Address, UnexpectedStatus),
        row(421, "", Address, UnexpectedStatus),
        row(422, "", Vague, Refused),
        row(407, "", Broken, UnexpectedStatus),
        row(408, "", Wait, Unavailable),
        row(425, "", Wait, Unavailable),
        row(429, "", Throttled, Unavailable),
        row(500, "", Broken, Unavailable),
        row(502, "", Broken, Unavailable),
        row(503, "", Broken, Unavailable),
        Row { headers: &[("retry-after", "1")], ..row(503, "", Wait, Unavailable) },
        row(504, "", Broken, Unavailable),
        row(511, "", Broken, Unavailable),
        row(301, "", Broken, Redirected),
        row(307, r#"{"error":"invalid_grant"}"#, Broken, Redirected),
        Row { headers: &[("www-authenticate", "Basic realm=\"token\"")], ..row(401, "", Client, Misconfigured) },
        Row { headers: &[("www-authenticate", "Bearer realm=\"token\"")], ..row(401, "", Status, Refused) },
        // A 200 that is no OAuth answer.
        row(200, "", Broken, EmptyAnswer),
        row(200, "{}", Broken, MissingAccessToken),
        row(200, "[]", Broken, MalformedAnswer),
        row(200, r#"{"access_tok"#, Broken, MalformedAnswer),
        row(200, r#"{"access_token":"line\nbreak"}"#, Broken, InvalidAccessToken),
        row(200, "OK", Broken, NotJson),
        row(200, r#"{"error":"","ok":false}"#, Broken, MissingAccessToken),
        row(200, r#"{"error":null}"#, Broken, MissingAccessToken),
        // Pages.
        row(200, PAGE, Page, NotJson),
        row(400, PAGE, Page, UnexpectedStatus),
        row(403, PAGE, Page, UnexpectedStatus),
        row(404, PAGE, Page, UnexpectedStatus),
        row(405, "\u{feff}<html>", Page, UnexpectedStatus),
        row(401, PAGE, Status, Refused),
        row(502, PAGE, Broken, Unavailable),
        // RFC 6749 §5.2 and its relatives.
        row(400, r#"{"error":"invalid_grant"}"#, Known, Refused),
        row(401, r#"{"error":"invalid_grant"}"#, Known, Refused),
        row(403, r#"{"error":"invalid_grant"}"#, Known, Refused),
        row(400, r#"{"error":"INVALID_GRANT","error_description":"expired"}"#, Known, Refused),
        row(400, r#"{"error":"interaction_required"}"#, Known, Refused),
        row(400, r#"{"error":"consent_required"}"#, Known, Refused),
        row(400, r#"{"error":"login_required"}"#, Known, Refused),
        row(403, r#"{"error":"access_denied"}"#, Known, Refused),
        row(400, r#"{"error":"invalid_request"}"#, Code, Refused),
        row(401, r#"{"error":"invalid_request","hint":"Token has been revoked"}"#, Code, Refused),
        row(400, r#"{"error":"unsupported_grant_type"}"#, NotAllowed, Misconfigured),
        row(400, r#"{"error":"invalid_scope"}"#, NotAllowed, Misconfigured),
        row(400, r#"{"error":"invalid_target"}"#, NotAllowed, Misconfigured),
        row(400, r#"{"error":"unauthorized_client"}"#, NotAllowed, Misconfigured),
        row(400, r#"{"error":"invalid_client"}"#, Client, Misconfigured),
        row(401, r#"{"error":"invalid_client"}"#, Client, Misconfigured),
        row(400, r#"{"error":"temporarily_unavailable"}"#, Broken, Unavailable),
        row(400, r#"{"error":"server_error"}"#, Broken, Unavailable),
        row(500, r#"{"error":"invalid_grant"}"#, Broken, Unavailable),
        row(503, r#"{"error":"invalid_client"}"#, Broken, Unavailable),
        row(429, r#"{"error":"invalid_grant"}"#, Throttled, Unavailable),
        row(400, r#"{"error":"slow_down"}"#, Throttled, Unavailable),
        // Single servers.
        row(401, r#"{"error":"invalid_token"}"#, Known, Refused),
        row(200, r#"{"error":"bad_refresh_token"}"#, Known, Refused),
        row(200, r#"{"error":"incorrect_client_credentials"}"#, Client, Misconfigured),
        row(200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Known, Refused),
        row(200, r#"{"ok":false,"error":"bad_client_secret"}"#, Client, Misconfigured),
        row(200, r#"{"ok":false,"error":"ratelimited"}"#, Throttled, Unavailable),
        row(400, r#"{"__type":"x","error":"TooManyRequestsException"}"#, Throttled, Unavailable),
        row(401, r#"{"error":{"code":"refresh_token_reused"}}"#, Known, Refused),
        row(400, r#"{"error":{"code":400,"message":"TOKEN_EXPIRED"}}"#, Known, Refused),
        row(
            400,
            r#"{"error":{"code":400,"message":"QUOTA_EXCEEDED : Exceeded","status":"QUOTA_EXCEEDED"}}"#,
            Throttled,
            Unavailable,
        ),
        row(400, r#"{"error":{"code":400,"message":"the token is no good"}}"#, Status, Refused),
        row(400, r#"{"error":"Bad Request"}"#, Status, Refused),
        row(401, r#"{"timestamp":1,"status":401,"error":"Unauthorized"}"#, Status, Refused),
        row(400, r#"{"error":"account_locked"}"#, Code, Refused),
        row(401, r#"{"error":"invalid_credentials"}"#, Code, Refused),
        row(404, r#"{"error":"user_not_found"}"#, Code, Refused),
        row(400, r#"{"error":["invalid_grant"]}"#, Status, Refused),
        row(400, r#"{"error":"invalid_gr"#, Status, Refused),
        row(400, "invalid_grant", Status, Refused),
        row(403, "Forbidden", Vague, Refused),
        row(404, r#"{"message":"no route"}"#, Address, UnexpectedStatus),
    ]
};
