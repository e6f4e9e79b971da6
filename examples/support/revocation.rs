//! `POST /oauth2/revoke` (RFC 7009), whose answer names the dead tokens in its headers as WSO2's does.

use std::sync::Arc;

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::{
    client_auth::{Credentials, Refusal, authenticate},
    journal::What,
    server::Gateway,
};

#[derive(Deserialize)]
pub(super) struct RevocationRequest {
    token: String,
    #[serde(flatten)]
    client: Credentials,
}

pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    form: Result<Form<RevocationRequest>, FormRejection>,
) -> Result<Response, Refusal> {
    if gateway.has_outage() {
        return Err(Refusal("server_error"));
    }
    let Form(request) = form.map_err(|_| Refusal("invalid_request"))?;
    let client = authenticate(&gateway, &headers, request.client)?;

    let mut tokens = gateway.tokens();
    let ended = tokens.revoke(&client, &request.token);
    let what = ended.as_ref().map_or(What::NothingRevoked, |ended| What::Revoked {
        number: ended.number,
        access: ended.access_token.is_some(),
        refresh: ended.refresh_token.is_some(),
    });
    gateway.journal.write(&headers, what);
    drop(tokens);

    // RFC 7009 §2.2: a token that is not known is no error.
    let mut response = ().into_response();
    if let Some(ended) = ended {
        let names = [("revokedaccesstoken", ended.access_token), ("revokedrefreshtoken", ended.refresh_token)];
        for (name, token) in names {
            if let Some(Ok(token)) = token.map(HeaderValue::try_from) {
                response.headers_mut().insert(name, token);
            }
        }
    }
    Ok(response)
}
