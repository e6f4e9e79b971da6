//! Which address leads where, and what holds for all of them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use tower::ServiceBuilder;
use tower_http::{csrf::CsrfLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer};
use tower_sessions::SessionStore;

use crate::{
    app::App,
    events, login, pages,
    problem::Problem,
    proxy,
    target::{Login, Target, origin_of},
    visitor::{Visitor, cookies},
};

/// What a browser may send in one request.
const BODY_LIMIT: usize = 1 << 20;

pub(crate) fn router(app: Arc<App>, store: impl SessionStore + Clone) -> anyhow::Result<Router> {
    let policy = HeaderValue::try_from(policy(&app.target))?;
    // Whoever else sends a browser here with anything but a GET is refused, at login and logout too. The public address is named
    // for proxies that change `Host`.
    let csrf = CsrfLayer::new().add_trusted_origin(&app.target.public_url)?;
    // Paths only: the query of the way back from the authorization server holds a code.
    let trace = TraceLayer::new_for_http().make_span_with(
        |request: &Request| tracing::debug_span!("browser", method = %request.method(), path = request.uri().path()),
    );
    let with_cookie = Router::new()
        .route("/", get(home))
        .route("/login", get(login::page).post(login::log_in))
        .route("/callback", get(login::code::callback))
        .route("/logout", post(login::log_out))
        .route("/events", get(events::events))
        .route("/api/{*path}", any(proxy::forward))
        .layer(cookies(store))
        // The streams have a word of their own about this, which is weaker.
        .layer(always(CACHE_CONTROL, "no-store"));
    let all = ServiceBuilder::new()
        .layer(trace)
        .layer(SetResponseHeaderLayer::if_not_present(CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(always(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(REFERRER_POLICY, "same-origin"))
        .layer(always(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(always(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(csrf)
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Ok(Router::new()
        .route("/app.css", get(async || file("text/css; charset=utf-8", include_str!("app.css"))))
        .route("/app.js", get(async || file("text/javascript; charset=utf-8", include_str!("app.js"))))
        .merge(with_cookie)
        .fallback(async || pages::nothing_here(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || pages::nothing_here(StatusCode::METHOD_NOT_ALLOWED))
        .layer(all)
        .with_state(app))
}

/// The application, or the way to its login.
async fn home(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    match visitor.account().await? {
        Some(account) if app.is_live(&account).await? => Ok(pages::home(&app, &account)),
        _ => Ok(Redirect::to("/login").into_response()),
    }
}

/// No script and no style but our own, and no frames. A form may lead to the authorization server, since browsers hold the
/// redirect that answers it to the same rule.
fn policy(target: &Target) -> String {
    let form = match &target.login {
        Login::Code { authorization_url } => {
            origin_of(authorization_url).map(|origin| format!(" {origin}")).unwrap_or_default()
        }
        Login::Password => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
         form-action 'self'{form}; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}
