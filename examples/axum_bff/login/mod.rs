//! Logging in and out. What both ways of login have in common is here; each has a file of its own.

pub(crate) mod code;
mod password;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Form, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_reauth::Session;

use crate::{
    app::App,
    pages::{self, Notice},
    problem::Problem,
    story::{DeviceId, Part},
    target::Login,
    visitor::{Account, UserKey, Visitor},
};

/// In bytes: the throttle remembers names.
const NAME_LIMIT: usize = 256;

/// What the form sends; without a password where one logs in elsewhere.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The page to log in at.
pub(crate) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    if let Some(account) = visitor.account().await? {
        if app.is_live(&account).await? {
            return Ok(Redirect::to("/").into_response());
        }
        visitor.log_out(Notice::Ended).await?;
    }
    Ok(pages::login(&app.target, visitor.notice().await?, ""))
}

pub(crate) async fn log_in(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    visitor: Visitor,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Problem> {
    let name = credentials.username.trim().to_owned();
    if name.len() > NAME_LIMIT {
        return Ok(pages::login(&app.target, Some(Notice::Wrong), ""));
    }
    let user = (app.target.login == Login::Password).then_some(name.as_str());
    if let Err(held) = app.throttle.attempt(address.ip(), user) {
        return Ok(pages::login(&app.target, Some(held.into()), &name));
    }
    match &app.target.login {
        Login::Password => password::log_in(&app, &visitor, name, credentials.password.into()).await,
        Login::Code { authorization_url } => code::begin(&app, &visitor, authorization_url).await,
    }
}

/// Ends the login, and has its tokens revoked. A browser that has none is logged out already.
pub(crate) async fn log_out(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Redirect, Problem> {
    if let Some(account) = visitor.account().await? {
        // Side by side: the cookie ends at once, and with it the login at all instances, however slow the revocation is.
        let ((), cookie) = tokio::join!(app.end(&account), visitor.log_out(Notice::LoggedOut));
        cookie?;
    }
    Ok(Redirect::to("/login"))
}

/// Makes a session that has its first token the login of this browser.
async fn enter(
    app: &App,
    visitor: &Visitor,
    device: DeviceId,
    session: Session,
    user: Option<String>,
) -> Result<Response, Problem> {
    let key = UserKey::new(device);
    // Not `insert`, which does not wait for the store: the browser's next request may come to another instance.
    app.sessions.get_or_login(key, async move || Ok(session)).await?;
    let user = match user {
        Some(user) => Some(user),
        None => match app.gateway.user(key).await {
            Ok(user) => user,
            Err(error) => {
                tracing::warn!(error, "nobody says who has logged in");
                drop(app.sessions.logout(&key));
                return Ok(pages::login(&app.target, Some(Notice::Unreachable), ""));
            }
        },
    };
    if let Some(older) = visitor.account().await? {
        app.end(&older).await;
    }
    let account = Account { key, user };
    visitor.log_in(&account).await?;

    app.story.joins(device, &account.story());
    let deed = app.story.deed(device);
    app.story.tell(deed, Part::Begins, "Log in");
    let kept = match (&app.target.login, app.is_one_of_many()) {
        (Login::Password, false) => "password and tokens in memory",
        (Login::Code { .. }, false) => "tokens in memory",
        (Login::Password, true) => "password in memory and tokens in Redis",
        (Login::Code { .. }, true) => "tokens in memory and in Redis",
    };
    app.story.tell(deed, Part::Layer, format!("keeps {kept}, until the logout"));
    app.story.tell(deed, Part::Succeeds, "logged in");
    Ok(Redirect::to("/").into_response())
}
