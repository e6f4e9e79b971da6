//! Login with user name and password, where one can't do without.

use axum::response::Response;
use secrecy::SecretString;
use tower_reauth::{ErrorKind, PasswordGrant, Session};
use tracing::Instrument;

use super::enter;
use crate::{
    app::App,
    layer_events::span,
    pages::{self, Notice},
    problem::Problem,
    story::Story,
    visitor::{Visitor, token},
};

pub(super) async fn log_in(
    app: &App,
    visitor: &Visitor,
    name: String,
    password: SecretString,
) -> Result<Response, Problem> {
    let device = Story::device();
    // Somebody sits at the browser: they are asked as soon as the password is refused, and not after it was tried once more.
    let mut grant = PasswordGrant::new(app.gateway.endpoint.clone(), name.as_str(), password).confirmations([]);
    if let Some(scope) = &app.target.scope {
        grant = grant.scope(scope.as_str());
    }
    if app.target.device_scope {
        grant = grant.device_scope(&token());
    }
    let session = Session::new(grant);
    // The layer would ask for the first token with the first call; here a wrong password is to be told at once.
    match session.token().instrument(span(app.story.deed(device))).await {
        Ok(_) => enter(app, visitor, device, session, Some(name)).await,
        Err(error) if error.kind() == ErrorKind::Refused => Ok(pages::login(&app.target, Some(Notice::Wrong), &name)),
        Err(error) => {
            tracing::warn!(%error, "nobody can log in");
            Ok(pages::login(&app.target, Some(Notice::Unreachable), &name))
        }
    }
}
