//! Login at the authorization server: authorization code with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9700 §2.1).

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tower_reauth::{ErrorKind, Session};
use tracing::Instrument;

use super::enter;
use crate::{
    app::App,
    code_grant::CodeGrant,
    layer_events::span,
    pages::{self, Notice},
    problem::Problem,
    story::Story,
    visitor::{Visitor, token},
};

/// A login that has begun; it lies in the cookie session of the browser that began it, and nobody else can end it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pending {
    state: String,
    verifier: String,
}

/// What the authorization server sends the browser back with (RFC 6749 §4.1.2).
#[derive(Deserialize)]
pub(crate) struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Sends the browser to the authorization server.
pub(super) async fn begin(app: &App, visitor: &Visitor, authorization_url: &str) -> Result<Response, Problem> {
    // From a page that was left open: what begins would shorten the login that there is.
    if let Some(account) = visitor.account().await?
        && app.is_live(&account).await?
    {
        return Ok(Redirect::to("/").into_response());
    }
    let pending = Pending { state: token(), verifier: token() };
    visitor.begin(&pending).await?;

    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, pending.verifier.as_bytes()));
    let mut scope = app.target.scope.clone().unwrap_or_default();
    if app.target.device_scope {
        scope.push_str(&format!(" device_{}", token()));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &app.target.client_id)
        .append_pair("redirect_uri", &redirect_uri(app))
        .append_pair("state", &pending.state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if !scope.is_empty() {
        query.append_pair("scope", scope.trim());
    }
    let joint = if authorization_url.contains('?') { '&' } else { '?' };
    Ok(Redirect::to(&format!("{authorization_url}{joint}{}", query.finish())).into_response())
}

/// Where the authorization server sends the browser back to.
pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(callback): Query<Callback>,
) -> Result<Response, Problem> {
    let pending = visitor.pending().await?;
    // Whatever else it says: who was not sent there from here is not to be believed (RFC 9700 §4.7).
    let Some(pending) = pending.filter(|pending| callback.state.as_ref() == Some(&pending.state)) else {
        return Ok(pages::login(&app.target, Some(Notice::NotStartedHere), ""));
    };
    let Some(code) = callback.code else {
        let denied = callback.error.as_deref() == Some("access_denied");
        let notice = if denied { Notice::Denied } else { Notice::Unreachable };
        return Ok(pages::login(&app.target, Some(notice), ""));
    };
    let device = Story::device();
    let grant = CodeGrant::new(app.gateway.endpoint.clone(), code.into(), pending.verifier.into(), redirect_uri(&app));
    let session = Session::new(grant);
    match session.token().instrument(span(app.story.deed(device))).await {
        Ok(_) => enter(&app, &visitor, device, session, None).await,
        Err(error) => {
            tracing::warn!(%error, "a code brings no token");
            let notice = if error.kind() == ErrorKind::Refused { Notice::NotStartedHere } else { Notice::Unreachable };
            Ok(pages::login(&app.target, Some(notice), ""))
        }
    }
}

fn redirect_uri(app: &App) -> String {
    format!("{}/callback", app.target.public_url)
}
