//! The table as a table: what servers are known to answer, and what it says.

use super::*;

fn of(status: u16, code: Option<&str>) -> Refusal<'_> {
    let status = StatusCode::from_u16(status).unwrap();
    Refusal { status, code, is_error: code.is_some(), page: false, retry_after: false, basic: false }
}

#[test]
fn status_and_code_decide_the_verdict_and_the_kind() {
    use Evidence::{Address, Code, Known, Status, Vague};
    use TokenVerdict::{Broken, Client, Nonce, NotAllowed, Refused, Wait};

    const BROKEN: TokenVerdict = Broken { page: false };
    const THROTTLED: TokenVerdict = Wait { throttled: true };
    for (status, code, verdict, kind) in [
        // What a server in trouble says of credentials counts for nothing.
        (500, None, BROKEN, ErrorKind::Unavailable),
        (500, Some("invalid_grant"), BROKEN, ErrorKind::Unavailable),
        (500, Some("invalid_client"), BROKEN, ErrorKind::Unavailable),
        (500, Some("use_dpop_nonce"), BROKEN, ErrorKind::Unavailable),
        (502, None, BROKEN, ErrorKind::Unavailable),
        (503, None, BROKEN, ErrorKind::Unavailable),
        (503, Some("invalid_client"), BROKEN, ErrorKind::Unavailable),
        (511, None, BROKEN, ErrorKind::Unavailable),
        (599, None, BROKEN, ErrorKind::Unavailable),
        (400, Some("temporarily_unavailable"), BROKEN, ErrorKind::Unavailable),
        (400, Some("server_error"), BROKEN, ErrorKind::Unavailable),
        (200, Some("Server_Error"), BROKEN, ErrorKind::Unavailable),
        (301, None, BROKEN, ErrorKind::Redirected),
        (307, Some("invalid_grant"), BROKEN, ErrorKind::Redirected),
        (407, None, BROKEN, ErrorKind::UnexpectedStatus),
        (407, Some("invalid_grant"), BROKEN, ErrorKind::UnexpectedStatus),
        (204, None, BROKEN, ErrorKind::UnexpectedStatus),
        // Patience.
        (408, None, Wait { throttled: false }, ErrorKind::Unavailable),
        (425, None, Wait { throttled: false }, ErrorKind::Unavailable),
        (429, None, THROTTLED, ErrorKind::Unavailable),
        (429, Some("invalid_grant"), THROTTLED, ErrorKind::Unavailable),
        (400, Some("slow_down"), THROTTLED, ErrorKind::Unavailable),
        (200, Some("ratelimited"), THROTTLED, ErrorKind::Unavailable),
        (200, Some("rate_limited"), THROTTLED, ErrorKind::Unavailable),
        (400, Some("TooManyRequestsException"), THROTTLED, ErrorKind::Unavailable),
        (403, Some("QUOTA_EXCEEDED"), THROTTLED, ErrorKind::Unavailable),
        (500, Some("RateLimitExceeded"), THROTTLED, ErrorKind::Unavailable),
        // The client.
        (401, Some("invalid_client"), Client, ErrorKind::Misconfigured),
        (400, Some("INVALID_CLIENT"), Client, ErrorKind::Misconfigured),
        (200, Some("incorrect_client_credentials"), Client, ErrorKind::Misconfigured),
        (200, Some("bad_client_secret"), Client, ErrorKind::Misconfigured),
        // What was asked for.
        (400, Some("unsupported_grant_type"), NotAllowed, ErrorKind::Misconfigured),
        (400, Some("invalid_scope"), NotAllowed, ErrorKind::Misconfigured),
        (400, Some("invalid_target"), NotAllowed, ErrorKind::Misconfigured),
        (400, Some("unauthorized_client"), NotAllowed, ErrorKind::Misconfigured),
        (400, Some("use_dpop_nonce"), Nonce, ErrorKind::Misconfigured),
        (400, Some("invalid_dpop_proof"), NotAllowed, ErrorKind::Dpop),
        (401, Some("Invalid_DPoP_Proof"), NotAllowed, ErrorKind::Dpop),
        // All that is left refuses.
        (400, Some("invalid_grant"), Refused(Known), ErrorKind::Refused),
        (400, Some("Invalid_Grant"), Refused(Known), ErrorKind::Refused),
        (401, Some("invalid_token"), Refused(Known), ErrorKind::Refused),
        (200, Some("bad_refresh_token"), Refused(Known), ErrorKind::Refused),
        (200, Some("invalid_refresh_token"), Refused(Known), ErrorKind::Refused),
        (401, Some("refresh_token_reused"), Refused(Known), ErrorKind::Refused),
        (400, Some("expired_token"), Refused(Known), ErrorKind::Refused),
        (400, Some("TOKEN_EXPIRED"), Refused(Known), ErrorKind::Refused),
        (400, Some("interaction_required"), Refused(Known), ErrorKind::Refused),
        (400, Some("consent_required"), Refused(Known), ErrorKind::Refused),
        (400, Some("login_required"), Refused(Known), ErrorKind::Refused),
        (403, Some("access_denied"), Refused(Known), ErrorKind::Refused),
        (404, Some("invalid_grant"), Refused(Known), ErrorKind::Refused),
        (400, Some("invalid_request"), Refused(Code), ErrorKind::Refused),
        (401, Some("invalid_request"), Refused(Code), ErrorKind::Refused),
        (400, Some("account_locked"), Refused(Code), ErrorKind::Refused),
        (401, Some("invalid_credentials"), Refused(Code), ErrorKind::Refused),
        (404, Some("not_found"), Refused(Code), ErrorKind::Refused),
        (400, None, Refused(Status), ErrorKind::Refused),
        (401, None, Refused(Status), ErrorKind::Refused),
        (402, None, Refused(Vague), ErrorKind::Refused),
        (403, None, Refused(Vague), ErrorKind::Refused),
        (422, None, Refused(Vague), ErrorKind::Refused),
        (404, None, Refused(Address), ErrorKind::UnexpectedStatus),
        (405, None, Refused(Address), ErrorKind::UnexpectedStatus),
        (410, None, Refused(Address), ErrorKind::UnexpectedStatus),
        (421, None, Refused(Address), ErrorKind::UnexpectedStatus),
    ] {
        let found = super::verdict(of(status, code));
        assert_eq!((found.0, found.1), (verdict, kind), "{status} {code:?}");
    }
}

#[test]
fn error_without_a_readable_code_is_one_all_the_same() {
    let found = super::verdict(Refusal { is_error: true, ..of(200, None) });
    assert_eq!(found.0, TokenVerdict::Refused(Evidence::Status));
}

#[test]
fn unavailable_server_that_names_a_time_asks_for_patience() {
    let found = super::verdict(Refusal { retry_after: true, ..of(503, None) });
    assert_eq!(found.0, TokenVerdict::Wait { throttled: false });
    let found = super::verdict(Refusal { retry_after: true, ..of(502, None) });
    assert_eq!(found.0, TokenVerdict::Broken { page: false });
}

#[test]
fn page_is_not_the_servers_word_unless_it_comes_with_a_401() {
    for status in [400, 402, 403, 404, 405, 410, 418, 421] {
        let found = super::verdict(Refusal { page: true, ..of(status, None) });
        assert_eq!(found.0, TokenVerdict::Broken { page: true }, "{status}");
    }
    let found = super::verdict(Refusal { page: true, ..of(401, None) });
    assert_eq!(found.0, TokenVerdict::Refused(Evidence::Status));
}

#[test]
fn basic_challenge_without_a_code_asks_for_the_client() {
    assert_eq!(super::verdict(Refusal { basic: true, ..of(401, None) }).0, TokenVerdict::Client);
    let page = Refusal { basic: true, page: true, ..of(401, None) };
    assert_eq!(super::verdict(page).0, TokenVerdict::Client);
    let coded = Refusal { basic: true, ..of(401, Some("invalid_grant")) };
    assert_eq!(super::verdict(coded).0, TokenVerdict::Refused(Evidence::Known));
    assert_eq!(super::verdict(Refusal { basic: true, ..of(403, None) }).0, TokenVerdict::Refused(Evidence::Vague));
}
