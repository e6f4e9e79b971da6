//! What a user has at the authorization server: a name (`/oauth2/userinfo`, OpenID Connect Core §5.3) and a password to
//! change (`/account/password`).

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header::CACHE_CONTROL};
use serde::Deserialize;
use serde_json::json;

use super::{
    fault::Fault,
    orders::{prove, token_of},
    pages,
    server::Gateway,
};

#[derive(Deserialize)]
pub(super) struct NewPassword {
    username: String,
    password: String,
    new_password: String,
}

pub(super) async fn user_info(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut answer = claims(&gateway, &method, &uri, &headers).unwrap_or_else(|fault| fault.answer(&headers));
    gateway.proofs.tell(answer.headers_mut());
    answer
}

fn claims(gateway: &Gateway, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Response, Fault> {
    let tokens = gateway.tokens();
    // A client that stands for itself is no user.
    let holder = token_of(headers).and_then(|token| tokens.holder(token)).filter(|holder| holder.user.is_some());
    let holder = holder.ok_or(Fault::InvalidCredentials)?;
    prove(gateway, method, uri, headers, holder.key.as_deref())?;
    let mut claims = json!({ "sub": holder.user });
    if let Some(actor) = &holder.actor {
        claims["act"] = json!({ "sub": actor });
    }
    if let Some(audience) = &holder.audience {
        claims["aud"] = audience.as_str().into();
    }
    Ok(([(CACHE_CONTROL, "no-store")], Json(claims)).into_response())
}

pub(super) async fn password_page() -> Response {
    pages::password(StatusCode::OK, "", None)
}

pub(super) async fn change_password(State(gateway): State<Arc<Gateway>>, Form(form): Form<NewPassword>) -> Response {
    let user = &form.username;
    if !gateway.knows(user, &form.password) {
        return pages::password(StatusCode::FORBIDDEN, user, Some("This name and password do not belong together."));
    }
    if form.new_password.is_empty() {
        return pages::password(StatusCode::UNPROCESSABLE_ENTITY, user, Some("A new password is missing."));
    }
    gateway.set_password(user, &form.new_password);
    pages::password(StatusCode::OK, "", Some("The password is changed, and every device has to log in again."))
}
