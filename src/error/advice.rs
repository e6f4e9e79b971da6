//! What the user can do about an error.

use http::StatusCode;

use super::{kind::ErrorKind, verdict::TokenVerdict};

/// What to check or to do, where the message of the error does not say so itself.
pub(super) fn of(
    kind: ErrorKind,
    status: Option<StatusCode>,
    code: Option<&str>,
    verdict: Option<TokenVerdict>,
) -> Option<&'static str> {
    use ErrorKind::{
        AnswerTooLarge, Damped, Discovery, EmptyAnswer, InsufficientScope, InsufficientUserAuthentication,
        InvalidAccessToken, LoggedOut, MalformedAnswer, Misconfigured, MissingAccessToken, NoKey, NoRuntime, NotJson,
        NotRevoked, Redirected, Refused, RenewalLost, Secret, SelfAuthorization, SelfLogin, Store, TimedOut, Transport,
        Unavailable, UnexpectedStatus, WaitedTooLong,
    };

    Some(match kind {
        LoggedOut => "log in again",
        NoKey => "put the user's key into the request's extensions",
        Refused => "ask the user to log in again once the session's status is `Refused`",
        Misconfigured => misconfigured(code, verdict),
        Unavailable => "try again later",
        Transport => "try again later; if it goes on, check the address, the network and the certificates",
        TimedOut => "try again later; if it goes on, give the endpoint and the renewal more time",
        WaitedTooLong => "try again: a renewal that is under way goes on",
        UnexpectedStatus if status == Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            "give the client the proxy's credentials"
        }
        UnexpectedStatus if matches!(verdict, Some(TokenVerdict::Broken { page: true })) => {
            "check the address of the token endpoint, and what stands before it"
        }
        UnexpectedStatus | NotJson | EmptyAnswer | MalformedAnswer | MissingAccessToken => {
            "check the address of the token endpoint"
        }
        AnswerTooLarge => "check the address of the token endpoint, or raise its `response_limit`",
        InvalidAccessToken => "ask those who run the server: no client can send such a token",
        Redirected => "give the address that the redirect leads to: it is never followed",
        RenewalLost => "try again: a call after the pause starts a new renewal",
        NoRuntime => "call from inside a tokio runtime with timers, or give the session one",
        Damped => "give each device a token of its own, on WSO2 with a scope that starts with `device_`",
        SelfLogin => "make the session in the login, and return it",
        SelfAuthorization => "obtain tokens through a client without this layer",
        Discovery => "check the issuer, and what its metadata says: it is fetched again at the next attempt",
        Secret => "check where the secret comes from: it is read again at the next attempt",
        InsufficientScope => "get a token with a wider scope, by a new login or by the scope of the grant",
        InsufficientUserAuthentication => "ask the user to log in again, as the server asks for it",
        Store => "check the token store",
        NotRevoked => "the tokens are forgotten here but live on at the server until they expire",
        _ => return None,
    })
}

fn misconfigured(code: Option<&str>, verdict: Option<TokenVerdict>) -> &'static str {
    match code.map(str::to_ascii_lowercase).as_deref() {
        Some("invalid_scope") => "check the scope: the server does not know it, or this client may not ask for it",
        Some("unauthorized_client") => "allow this grant type to the client, at the server",
        Some("unsupported_grant_type") => {
            "check the grant type and the address: this server does not know the grant type"
        }
        Some("invalid_target") => "check `resource` and `audience`: the server has no such API for this client",
        Some("use_dpop_nonce") => {
            "give the session a DPoP key, by `SessionBuilder::dpop`, or let the server take bearer tokens from this client"
        }
        _ if verdict == Some(TokenVerdict::Client) => {
            "check the client's id and secret, and the way in which it authenticates (`client_auth`)"
        }
        _ => "check the client's registration, its secret, the grant type and the scope",
    }
}
