//! What an answer of the token endpoint says: one table, read from the top, and the first row that fits counts.
//!
//! Real servers refuse in many words, so the status decides before the code does, and a code that nobody knows still refuses.
//! What follows from a verdict is the session's business.

use http::StatusCode;

use crate::error::{ErrorKind, Evidence, TokenVerdict};

/// An answer without tokens, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: StatusCode,
    /// The readable error code (RFC 6749 §5.2).
    pub(super) code: Option<&'a str>,
    /// Whether the answer is an error by its shape, with a readable code or without.
    pub(super) is_error: bool,
    /// The body starts as a page for people does.
    pub(super) page: bool,
    /// `Retry-After` was there.
    pub(super) retry_after: bool,
    /// The challenge is `Basic`: the client's authentication is asked for.
    pub(super) basic: bool,
}

/// A verdict with the kind and the words that users see.
pub(super) fn verdict(answer: Refusal<'_>) -> (TokenVerdict, ErrorKind, &'static str) {
    use TokenVerdict::{Broken, Client, Nonce, NotAllowed, Refused, Wait};

    let Refusal { status, code, is_error, page, retry_after, basic } = answer;
    let code = code.map(str::to_ascii_lowercase).unwrap_or_default();
    let broken = |page, kind, why| (Broken { page }, kind, why);
    match (status.as_u16(), &*code) {
        (_, code) if is_throttling(code) => {
            (Wait { throttled: true }, ErrorKind::Unavailable, "the server says that it gets too many requests")
        }
        (429, _) => {
            (Wait { throttled: true }, ErrorKind::Unavailable, "the server says that it gets too many requests")
        }
        (408 | 425, _) => (Wait { throttled: false }, ErrorKind::Unavailable, "the server asks for another attempt"),
        (503, _) if retry_after => (Wait { throttled: false }, ErrorKind::Unavailable, "the server asks to wait"),
        // Servers put OAuth codes on outages: here the body decides nothing (invariant 5).
        (511, _) => broken(false, ErrorKind::Unavailable, "a network portal stands between here and the server"),
        (500.., _) => broken(false, ErrorKind::Unavailable, "the server is in trouble"),
        (300..=399, _) => broken(false, ErrorKind::Redirected, "the server answered with a redirect"),
        (407, _) => broken(false, ErrorKind::UnexpectedStatus, "a proxy asks for credentials of its own"),
        (200..=299, _) if !is_error => {
            broken(page, ErrorKind::UnexpectedStatus, "the server answered with a status that has no meaning here")
        }
        (_, "use_dpop_nonce") => (Nonce, ErrorKind::Misconfigured, "the server asks for a DPoP proof"),
        (_, "invalid_dpop_proof") => {
            (NotAllowed, ErrorKind::Dpop, "the server refused the DPoP proof, or asks for one")
        }
        (_, "invalid_client" | "incorrect_client_credentials" | "bad_client_secret") => {
            (Client, ErrorKind::Misconfigured, "the server refused the client")
        }
        (401, "") if basic => (Client, ErrorKind::Misconfigured, "the server refused the client"),
        (_, "server_error" | "temporarily_unavailable") => {
            broken(false, ErrorKind::Unavailable, "the server is in trouble")
        }
        (402.. | 400, _) if page => broken(
            true,
            ErrorKind::UnexpectedStatus,
            "a web page came back: a firewall, a proxy or a portal answered, and not the server",
        ),
        (_, "unsupported_grant_type" | "invalid_scope" | "invalid_target" | "unauthorized_client") => {
            (NotAllowed, ErrorKind::Misconfigured, "the server does not allow the request")
        }
        (status, code) => {
            let evidence = evidence(status, code);
            let (kind, why) = match evidence {
                Evidence::Address => (
                    ErrorKind::UnexpectedStatus,
                    "there is no token endpoint at this address, or it refused the credentials",
                ),
                _ => (ErrorKind::Refused, "the server refused the credentials"),
            };
            (Refused(evidence), kind, why)
        }
    }
}

fn evidence(status: u16, code: &str) -> Evidence {
    match (status, code) {
        (
            _,
            "invalid_grant"
            | "invalid_token"
            | "bad_refresh_token"
            | "invalid_refresh_token"
            | "refresh_token_reused"
            | "expired_token"
            | "token_expired"
            | "interaction_required"
            | "consent_required"
            | "login_required"
            | "access_denied",
        ) => Evidence::Known,
        (404 | 405 | 410 | 421, "") => Evidence::Address,
        (200..=299 | 400 | 401, "") => Evidence::Status,
        (_, "") => Evidence::Vague,
        _ => Evidence::Code,
    }
}

/// Codes of throttling in their many spellings: `slow_down`, `RateLimited`, `TooManyRequestsException`, `QUOTA_EXCEEDED`.
fn is_throttling(code: &str) -> bool {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = letters.strip_suffix("exception").or_else(|| letters.strip_suffix("error")).unwrap_or(&letters);
    matches!(
        name,
        "slowdown"
            | "ratelimited"
            | "ratelimit"
            | "ratelimitexceeded"
            | "toomanyrequests"
            | "toomanyattempts"
            | "quotaexceeded"
            | "limitexceeded"
            | "requestlimitexceeded"
            | "throttled"
            | "throttling"
    )
}

#[cfg(test)]
mod tests;
