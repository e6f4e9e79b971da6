//! Tokens for what somebody else said: a signed JWT (RFC 7523 §2.1), or a token of the gateway's own (RFC 8693).

use super::{
    client_auth::Refusal,
    server::Gateway,
    token_endpoint::{TokenRequest, granted},
    tokens::{Issued, Slot, Tokens},
};

pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn redeem_assertion(
    gateway: &Gateway,
    tokens: &mut Tokens,
    client: String,
    request: &TokenRequest,
) -> Result<Issued, Refusal> {
    let assertion = request.assertion.as_deref().ok_or(Refusal("invalid_request"))?;
    let user = gateway.assertions.user(assertion).filter(|user| gateway.options.users.contains_key(user));
    let scopes = granted(&gateway.options, request.scope.as_deref());
    let user = Some(user.ok_or(Refusal("invalid_grant"))?);
    Ok(tokens.issue(Slot { client, user, scopes, asserted: true, key: request.key.clone(), ..Slot::default() }))
}

/// Another token for the user of the subject token; with an actor token it says who acts for that user.
pub(super) fn exchange(
    gateway: &Gateway,
    tokens: &mut Tokens,
    client: String,
    request: &TokenRequest,
) -> Result<Issued, Refusal> {
    let holder = |token: &Option<String>, kind: &Option<String>| {
        let token = token.as_deref().filter(|_| kind.as_deref() == Some(ACCESS_TOKEN));
        token.and_then(|token| tokens.holder(token)).ok_or(Refusal("invalid_request"))
    };
    let user = holder(&request.subject_token, &request.subject_token_type)?.user.clone();
    let actor = match &request.actor_token {
        Some(_) => Some(holder(&request.actor_token, &request.actor_token_type)?.client.clone()),
        None => None,
    };
    if user.is_none() {
        return Err(Refusal("invalid_request"));
    }
    let scopes = granted(&gateway.options, request.scope.as_deref());
    let audience = request.audience.clone();
    let key = request.key.clone();
    Ok(tokens.issue(Slot { client, user, scopes, asserted: true, actor, audience, key }))
}
