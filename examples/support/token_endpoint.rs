//! `POST /oauth2/token`: authorization codes, passwords, refresh tokens and client credentials (RFC 6749 §4.1, §4.3, §6, §4.4), and
//! device codes (RFC 8628 §3.4). What comes for somebody else's word is in `exchange`.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, Uri, header::CACHE_CONTROL};
use serde::Deserialize;
use serde_json::json;

use super::{
    client_auth::{Credentials, Refusal, authenticate},
    codes::Redemption,
    device_codes::Poll,
    exchange::{ACCESS_TOKEN, JWT_BEARER, TOKEN_EXCHANGE, exchange, redeem_assertion},
    journal::What,
    options::Options,
    server::Gateway,
    tokens::{Issued, Pair, Slot, Tokens},
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Lifetimes are rounded, so that a token that is a millisecond old does not look older.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The form; a field that is given twice makes it invalid, as RFC 6749 §3.2 wants it.
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: String,
    username: Option<String>,
    password: Option<String>,
    refresh_token: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    device_code: Option<String>,
    pub(super) assertion: Option<String>,
    pub(super) subject_token: Option<String>,
    pub(super) subject_token_type: Option<String>,
    pub(super) actor_token: Option<String>,
    pub(super) actor_token_type: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) scope: Option<String>,
    #[serde(flatten)]
    client: Credentials,
    /// The thumbprint of the key that the tokens are to be bound to.
    #[serde(skip)]
    pub(super) key: Option<String>,
}

pub(super) async fn token(
    State(gateway): State<Arc<Gateway>>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let grant_type = match &form {
        Ok(Form(request)) => known(&request.grant_type),
        Err(_) => "unreadable",
    };
    // Held until it is written down: the journal tells of tokens in the order in which they lived.
    let mut tokens = gateway.tokens();
    let issued = form
        .map_err(|_| Refusal("invalid_request"))
        .and_then(|Form(request)| serve(&gateway, &mut tokens, &uri, &headers, request));
    let mut answer = match issued {
        Ok(issued) => {
            let answer = answer(&issued.pair, grant_type);
            let Issued { pair, again, ended } = issued;
            gateway.journal.write(&headers, What::Issued { grant_type, number: pair.number, again, ended });
            answer
        }
        Err(refusal) => {
            gateway.journal.write(&headers, What::Refused { grant_type, code: refusal.0 });
            refusal.into_response()
        }
    };
    gateway.proofs.tell(answer.headers_mut());
    answer
}

fn serve(
    gateway: &Gateway,
    tokens: &mut Tokens,
    uri: &Uri,
    headers: &HeaderMap,
    mut request: TokenRequest,
) -> Result<Issued, Refusal> {
    if gateway.has_outage() {
        return Err(Refusal("server_error"));
    }
    let options = &gateway.options;
    let client = authenticate(gateway, headers, mem::take(&mut request.client))?;
    request.key = gateway.proofs.key(&Method::POST, uri, headers, None).map_err(Refusal)?;
    match request.grant_type.as_str() {
        "authorization_code" => redeem(gateway, tokens, &client, &request),
        DEVICE_CODE => poll(gateway, tokens, &client, &request),
        "password" => Ok(tokens.issue(user_slot(gateway, client, &request)?)),
        "client_credentials" => {
            let scopes = granted(options, request.scope.as_deref());
            Ok(tokens.issue(Slot { client, scopes, key: request.key, ..Slot::default() }))
        }
        JWT_BEARER => redeem_assertion(gateway, tokens, client, &request),
        TOKEN_EXCHANGE => exchange(gateway, tokens, client, &request),
        "refresh_token" => {
            let token = request.refresh_token.as_deref().ok_or(Refusal("invalid_request"))?;
            let has_secret = options.clients.get(&client).is_none_or(|secret| !secret.is_empty());
            tokens.refresh(&client, has_secret, request.key, token).ok_or(Refusal("invalid_grant"))
        }
        _ => Err(Refusal("unsupported_grant_type")),
    }
}

fn known(grant_type: &str) -> &'static str {
    let plain = ["authorization_code", "password", "refresh_token", "client_credentials"];
    let mut names = plain.into_iter().chain([DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE]);
    names.find(|name| *name == grant_type).unwrap_or("unknown")
}

fn redeem(gateway: &Gateway, tokens: &mut Tokens, client: &str, request: &TokenRequest) -> Result<Issued, Refusal> {
    let TokenRequest { code: Some(code), redirect_uri: Some(redirect_uri), code_verifier: Some(verifier), .. } =
        request
    else {
        return Err(Refusal("invalid_request"));
    };
    let mut codes = gateway.codes();
    let issued = match codes.redeem(code, client, redirect_uri, verifier) {
        Redemption::Good(slot) => tokens.issue(Slot { key: request.key.clone(), ..slot }),
        Redemption::Used(pair) => {
            tokens.end_pair(pair);
            return Err(Refusal("invalid_grant"));
        }
        Redemption::Bad => return Err(Refusal("invalid_grant")),
    };
    codes.used(code, issued.pair.number);
    drop(codes);
    Ok(issued)
}

fn poll(gateway: &Gateway, tokens: &mut Tokens, client: &str, request: &TokenRequest) -> Result<Issued, Refusal> {
    let code = request.device_code.as_deref().ok_or(Refusal("invalid_request"))?;
    let answer = gateway.device_codes().poll(code, client);
    Err(Refusal(match answer {
        Poll::Good(slot) => return Ok(tokens.issue(Slot { key: request.key.clone(), ..slot })),
        Poll::Pending => "authorization_pending",
        Poll::TooSoon => "slow_down",
        Poll::Denied => "access_denied",
        Poll::Expired => "expired_token",
        Poll::Bad => "invalid_grant",
    }))
}

fn user_slot(gateway: &Gateway, client: String, request: &TokenRequest) -> Result<Slot, Refusal> {
    let (Some(user), Some(password)) = (&request.username, &request.password) else {
        return Err(Refusal("invalid_request"));
    };
    if !gateway.knows(user, password) {
        return Err(Refusal("invalid_grant"));
    }
    let scopes = granted(&gateway.options, request.scope.as_deref());
    Ok(Slot { client, user: Some(user.clone()), scopes, key: request.key.clone(), ..Slot::default() })
}

/// The scopes that are granted out of those that were asked for.
pub(super) fn granted(options: &Options, asked: Option<&str>) -> BTreeSet<String> {
    let asked = asked.unwrap_or_default().split(' ');
    let is_granted = |scope: &&str| scope.starts_with("device_") || options.scopes.iter().any(|known| known == scope);
    let scopes: BTreeSet<_> = asked.filter(is_granted).map(str::to_owned).collect();
    if scopes.is_empty() { BTreeSet::from(["default".to_owned()]) } else { scopes }
}

fn answer(pair: &Pair, grant_type: &str) -> Response {
    let scope = pair.slot.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let mut body = json!({
        "access_token": pair.access_token,
        "token_type": if pair.slot.key.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": (pair.lifetime() + HALF_A_SECOND).as_secs(),
        "scope": scope,
    });
    if let Some(refresh_token) = &pair.refresh_token {
        body["refresh_token"] = refresh_token.as_str().into();
    }
    if grant_type == TOKEN_EXCHANGE {
        body["issued_token_type"] = ACCESS_TOKEN.into();
    }
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
